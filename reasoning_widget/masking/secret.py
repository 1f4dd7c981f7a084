"""A secret that was found in a text, and what tells secrets from placeholders."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Final, NamedTuple


class Secret(NamedTuple):
    """The span of a secret in a text, and a label that says what kind of secret it is."""

    start: int
    end: int
    label: str


def entropy(text: str) -> float:
    """Return the entropy of a text, in bits per character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


PLACEHOLDER: Final = re.compile(
    r"(?:your|my|the|an?|some|example|sample|dummy|change|changeme|insert|enter|none|null|undefined|true|false"
    r"|str|string|bytes|int|os|env|environ|self|process|getpass|input|config|settings)(?:[-_. ][a-z]+)*\d{0,3}"
    r"|\$(?:[{(].*|(?:env:)?(?-i:[A-Z_][A-Z0-9_]*|[a-z_]+(?:[A-Z][a-z]+)*)[-.]?)"
    r"|%(?:\(.*|[A-Z_]+%)|\*{3,}.*|<[^>]*>.*|\{.*\}.*|xxx.*|\.\.\..*|\u2026.*|[a-z]+://.*|@\{.*",
    re.IGNORECASE,
)
"""Matches placeholders for secrets in examples, code and configurations."""
