"""A transcript as Markdown, and in the few lines that a terminal shows of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from ..fold import Transcript
from ..protocol import JSON
from .transcript import LONGEST, SAFE_LINK, exchanges, request_note, run_note, step_code, step_notes, step_title

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def to_markdown(state: Transcript, message_id: str | None = None, notes: Sequence[str] = ()) -> str:
    """The transcript, or only what came of one message, as GitHub-flavoured Markdown.

    Raw HTML in what agents wrote is shown as its source, and remote pictures become links.

    Args:
        state: The transcript.
        message_id: The one message to show.
        notes: What the reader should know of it, in sentences.
    """
    parts = [f"*{note}*" for note in notes]
    for message, run, steps, asides, requests in exchanges(state, message_id):
        parts.append(question_markdown(message, run))
        parts.extend(_quoted(aside["content"]) for aside in asides)
        parts.extend(step_markdown(step) for step in steps)
        parts.extend(f"*{_one_line(request_note(request))}*" for request in requests)
        if ended := run_note(run):
            parts.append(f"*{ended}*")
    return "\n\n".join(parts) + "\n" if parts else ""


def to_plain(state: Transcript, message_id: str | None = None) -> str:
    """The questions and their answers, as text."""
    parts: list[str] = []
    for message, run, steps, *_ in exchanges(state, message_id):
        parts.append(_plain_quote(message["content"]))
        parts.extend(step["content"] for step in steps if step["type"] in ("final_answer", "error"))
        if ended := run_note(run):
            parts.append(ended)
    return "\n\n".join(parts)


def question_markdown(message: JSON, run: JSON | None) -> str:
    """What was asked, and whom."""
    agent = f" → {_one_line(str(run['agent_name']))}" if run else ""
    return f"**You{agent}**\n\n{_quoted(message['content'])}"


def step_markdown(step: JSON) -> str:
    """One step."""
    code = step_code(step)
    body = _harmless(step["content"]) if code is None else _fenced(code[:LONGEST])
    notes = "".join(f"\n\n*{note}*" for note in step_notes(step))
    return f"**{_one_line(step_title(step))}**\n\n{body}{notes}"


def _plain_quote(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


def _quoted(text: str) -> str:
    return _plain_quote(_harmless(text))


def _one_line(text: str) -> str:
    return _harmless(" ".join(text.split()))


def _harmless(text: str) -> str:
    """Markdown in which nothing is markup of a page, nothing is fetched, and no link runs anything."""
    text = _CONTROL.sub("", text[:LONGEST])
    if not any(sign in text for sign in "<[!&"):
        return text
    tokens = _markdown().parse(text)
    if all(_is_harmless(token) for token in _flat(tokens)):
        return text
    code = {line for token in tokens if token.type == "fence" and token.map for line in range(*token.map)}
    lines = text.split("\n")
    return "\n".join(line if number in code else _defused(line) for number, line in enumerate(lines))


def _is_harmless(token: Token) -> bool:
    if token.type in ("html_block", "html_inline", "image"):
        return False
    return token.type != "link_open" or SAFE_LINK.match(str(token.attrGet("href"))) is not None


def _flat(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or ())


def _defused(line: str) -> str:
    """A line of which nothing is read but its words."""
    return re.sub(r"([\[\]])", r"\\\1", line.replace("<", "&lt;"))


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415 (only needed once something is shown)

    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    markdown.validateLink = lambda url: True  # type: ignore[method-assign]  # noqa: ARG005 (its signature)
    return markdown


def _fenced(code: str) -> str:
    """`code` in a fence longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{code}\n{fence}"
