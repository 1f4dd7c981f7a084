"""Say where an answer came from, for a model too small to cite by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PASSAGE = re.compile(
    r"^\[(?P<where>[^\]\n]+:[^\]\n]+)\]\n(?P<text>.*?)(?=^\[[^\]\n]+:[^\]\n]+\]\n|\Z)", re.MULTILINE | re.DOTALL
)
_SOURCE = "\n\nSource: "
_WORD = re.compile(r"\d+(?:[.,]\d+)+|\w+")
_COMMON_TEXT = "a an and are as at be by for from has have in is it its not of on or that the this to was will with"
_COMMON = frozenset(_COMMON_TEXT.split())


def citation(answer: str, results: Sequence[tuple[str, str]]) -> str | None:
    """The place of the passage that shares most words with `answer`: rare ones count more, numbers most.

    Args:
        answer: The answer as the model gave it.
        results: Names of tools, and what they returned: passages, each behind its ``[path:lines]``.

    Returns:
        ``path:lines``; None where the answer names a place itself, or shares too little with any passage to be from it.
    """
    passages = [(m["where"], m["text"]) for _, text in results for m in _PASSAGE.finditer(text)]
    if not passages or any(where in answer for where, _ in passages):
        return None
    words = _words(answer)
    in_passages = [(where, _words(f"{where} {text}") & words) for where, text in passages]
    best, best_score = None, 0.0
    for where, shared in in_passages:
        score = sum(_weight(word) / sum(word in other for _, other in in_passages) for word in shared)
        if score > best_score:
            best, best_score = where, score
    return best if best_score >= 1 else None


def with_source(answer: str, where: str) -> str:
    """`answer` and the place it came from."""
    return f"{answer.rstrip()}{_SOURCE}{where}"


def without_source(answer: str) -> str:
    """`answer` as the model gave it: shown a source in an earlier answer, it would copy it under the next one."""
    return answer.rpartition(_SOURCE)[0] or answer


def _words(text: str) -> set[str]:
    return {word.lower().strip(".,") for word in _WORD.findall(text)} - _COMMON


def _weight(word: str) -> float:
    return 3.0 if any(c.isdigit() for c in word) else 1.0
