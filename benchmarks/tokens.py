"""The streamed tokens: the same for the widget and for its baseline."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

END = "That-was-all."
"""The last token of a Markdown text; it occurs nowhere else."""

_SYLLABLES = ("ra", "to", "mi", "len", "sor", "ka", "vi", "dun", "el", "po", "qua", "net", "is", "har", "bo")
_IN_A_PARAGRAPH = 40  # stamped tokens
_TOKEN = re.compile(r"\s*[A-Za-z]{1,5}|\s*[^\sA-Za-z]{1,4}|\s+")
"""Tokens about as long as those of a language model: 4 to 5 characters, including spaces."""


class Order(NamedTuple):
    """What to stream. In JSON, it is the prompt for an agent or a server.

    Args:
        tokens: The number of tokens.
        rate: Tokens per second; 0 for as fast as they are read.
        stamped: Whether each token contains the time at which it was made; otherwise they form a Markdown text.
    """

    tokens: int
    rate: float = 0
    stamped: bool = False

    def as_json(self) -> str:
        return json.dumps(self._asdict())

    @classmethod
    def from_json(cls, text: str) -> Order:
        return cls(**json.loads(text))


async def stream(order: Order) -> AsyncIterator[str]:
    """Yield the ordered tokens at the ordered rate."""
    made = _stamped() if order.stamped else iter(markdown(order.tokens))
    begun = time.perf_counter()
    for number in range(order.tokens):
        if order.rate:
            ahead = begun + number / order.rate - time.perf_counter()
            if ahead > 0:
                await asyncio.sleep(ahead)
        yield next(made)


def _stamped() -> Iterator[str]:
    """Yield different tokens that contain the time at which they were made, in milliseconds since the epoch."""
    stamp = 0.0
    for number in itertools.count():
        gap = "\n\n" if number and number % _IN_A_PARAGRAPH == 0 else ""
        stamp = max(stamp + 0.01, time.time() * 1000)
        yield f"{gap}t{stamp:.2f} "


def markdown(count: int) -> list[str]:
    """Return the `count` tokens of a Markdown text like those of models, the same each time."""
    source = random.Random(8)
    tokens: list[str] = []
    section = 0
    while len(tokens) < count - 1:
        section += 1
        tokens += _TOKEN.findall(_section(section, source))
    return [*tokens[: count - 1], f"\n\n{END}"]


def _section(number: int, source: random.Random) -> str:
    parts = [f"## {_words(3, source)}", _paragraph(60, source), _paragraph(45, source)]
    parts.append("\n".join(f"- **{_words(1, source)}**: {_words(9, source)}" for _ in range(5)))
    if number % 3 == 0:
        rows = ["| place | count | share |", "| --- | ---: | ---: |"]
        rows += [f"| {_words(2, source)} | {source.randrange(900)} | 0.{source.randrange(99)} |" for _ in range(6)]
        parts.append("\n".join(rows))
    if number % 2 == 0:
        lines = [f"def {_word(source)}(value):"]
        lines += [
            f'    {_word(source)} = value * {source.randrange(99)} + len("{_words(2, source)}")' for _ in range(8)
        ]
        parts.append("\n".join(["```python", *lines, "    return value", "```"]))
    return "\n\n".join(parts) + "\n\n"


def _paragraph(words: int, source: random.Random) -> str:
    return f"{_words(words // 2, source)}, *{_words(2, source)}*, `{_word(source)}`. {_words(words // 2, source)}."


def _words(count: int, source: random.Random) -> str:
    return " ".join(_word(source) for _ in range(count))


def _word(source: random.Random) -> str:
    return "".join(source.choice(_SYLLABLES) for _ in range(source.choice((1, 2, 2, 3))))
