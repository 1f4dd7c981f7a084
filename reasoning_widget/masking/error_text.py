"""Find secrets in error messages: servers quote the key that they reject, in sentences, shortened, in any form.

These patterns would mask too many harmless words in other texts. In an error message, a missing word does less harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .secret import Secret

_QUOTE: Final = r"\\*[\"'`]?"

_PATTERNS: Final = tuple(
    (label, re.compile(pattern))
    for label, pattern in (
        (
            "token",
            (
                rf"(?i)\b(?:bearer|basic)[ \t]+{_QUOTE}(?!(?:auth\w*|credentials?|realm|scheme|tokens?)\b)"
                r"(?P<value>[\w.~+/=-]{6,})"
            ),
        ),
        (
            # A name with its value, with any kind of quotes: `api_key="…"`, {\"api_key\": \"…\"}, ('api-key', '…').
            "key",
            (
                r"(?i)(?:api[-_ ]?key|token|secret|passw(?:or)?d|pwd|credential|authorization|signature)"
                r"(?:[-_]?key)?[\\\"'`]*(?:\s{1,9}provided)?\s{0,9}(?:[:=]|[\"'],)\s{0,9}"
                r"(?:(?:bearer|basic|token|key|apikey)\s{1,9})?(?:\w{1,40}\()?(?:[bru]{0,2}\\*[\"'`])?"
                r"(?P<value>[^\s\\\"'`,;&})]+)"
            ),
        ),
        (
            # A sentence about a key: `Invalid API key abcdef123456`.
            "key",
            r"(?i)(?:(?:api|access|secret)[-_ ]?key|\btoken|\bpassw(?:or)?d)\s{1,9}(?:is\s{1,9})?" + _QUOTE + r""
            r"(?=[\w.~+/*-]{0,200}[\d*])(?=[\w.~+/*-]{0,200}[A-Za-z*])(?P<value>[\w.~+/*-]{8,})",
        ),
        ("key", r"(?i)[?&](?:key|sig|code|auth)=(?P<value>[^\s\"'&]+)"),
        ("token", r"(?<![\w-])(?P<value>eyJ[\w-]{6,2000}+(?:\.[\w-]+){1,2})"),
        (
            "key",
            (
                r"(?<![A-Za-z0-9])(?P<value>(?:"
                r"(?:sk|pk|rk|csk|hf|fw|gsk|xai|gh[pousr]|glpat|xox[abeoprs]|pplx|nvapi|tvly|lsv2|r8|jina|pypi)[-_]"
                r"|AIza|A[KS]IA)[\w*-]{6,})"
            ),
        ),
        ("user", r"(?<=://)(?P<value>[^/\s@]+)@"),
        ("token", r"(?<![\w-])(?=[\w-]{0,200}\d)(?=[\w-]{0,200}[A-Za-z])(?P<value>[A-Za-z0-9_-]{32,})(?!\w)"),
    )
)
"""The label and the pattern of each kind."""


def find_in_error_text(text: str) -> Iterator[Secret]:
    """Find likely secrets that only occur in error messages."""
    for label, pattern in _PATTERNS:
        for found in pattern.finditer(text):
            start, end = found.span("value")
            if "[masked" not in text[max(0, start - 8) : end]:
                yield Secret(start, end, label)
