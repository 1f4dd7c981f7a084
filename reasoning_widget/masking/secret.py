"""What the masker has found in a text."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Final, NamedTuple


class Secret(NamedTuple):
    """Where in a text a secret is, and what it is, in a word or two."""

    start: int
    end: int
    label: str


def entropy(text: str) -> float:
    """The entropy of a text, in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


PLACEHOLDER: Final = re.compile(
    r"(?:your|my|the|an?|some|example|sample|dummy|change|changeme|insert|enter|none|null|undefined|true|false"
    r"|str|string|bytes|int|os|env|environ|self|process|getpass|input|config|settings)(?:[-_. ][a-z]+)*\d{0,3}"
    r"|\$(?:[{(].*|(?:env:)?(?-i:[A-Z_][A-Z0-9_]*|[a-z_]+(?:[A-Z][a-z]+)*)[-.]?)"
    r"|%(?:\(.*|[A-Z_]+%)|\*{3,}.*|<[^>]*>.*|\{.*\}.*|xxx.*|\.\.\..*|\u2026.*|[a-z]+://.*|@\{.*",
    re.IGNORECASE,
)
"""What stands in the place of a secret in examples, code and configurations."""
