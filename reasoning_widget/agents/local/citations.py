"""Add the source to an answer, for a model that is too small to cite reliably."""

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
    """Return the place of the passage that shares most words with `answer`. Rare words weigh more, numbers most.

    Args:
        answer: The answer of the model.
        results: The names of tools and their results: passages, each after its ``[path:lines]``.

    Returns:
        ``path:lines``; None if the answer contains a place, or shares too few words with every passage.
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
    """Return `answer` with its source."""
    return f"{answer.rstrip()}{_SOURCE}{where}"


def without_source(answer: str) -> str:
    """Return `answer` without its source: the model would copy the source of an earlier answer to the next one."""
    return answer.rpartition(_SOURCE)[0] or answer


def _words(text: str) -> set[str]:
    return {word.lower().strip(".,") for word in _WORD.findall(text)} - _COMMON


def _weight(word: str) -> float:
    return 3.0 if any(c.isdigit() for c in word) else 1.0
