"""Keys and tokens, masked wherever they stand in what is saved.

They are told by their own form, or by a name beside them that says so. Hashes and UUIDs in prose are neither. The
scanners that there are for repositories miss the keys of today's models and find secrets in every second word.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any, Final

_FORMS: Final = tuple(
    (word, needles, re.compile(form, re.DOTALL))
    for word, needles, form in (
        (
            "private key",
            ("-----BEGIN",),
            r"-----BEGIN ([A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,6})-----.*?(?:-----END \1-----|\Z)",
        ),
        ("Anthropic key", ("sk-ant-",), r"\bsk-ant-[A-Za-z0-9_-]{16,}"),
        ("API key", ("sk-",), r"\bsk-(?:[a-z]{2,8}-(?:v\d-)?)?(?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_]{16,}[A-Za-z0-9_-]*"),
        ("Stripe key", ("k_live_", "k_test_"), r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
        ("GitHub token", ("gh", "github_pat_"), r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
        ("GitLab token", ("glpat-", "gldt-", "glrt-"), r"\bgl(?:pat|dt|rt)-[A-Za-z0-9_-]{20,}"),
        ("AWS key", ("AKIA", "ASIA"), r"\bA[KS]IA[A-Z0-9]{16}\b"),
        ("Slack token", ("xox", "xapp-"), r"\b(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}"),
        (
            "Slack webhook",
            ("hooks.slack.com",),
            r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,}",
        ),
        ("Google key", ("AIza",), r"\bAIza[A-Za-z0-9_-]{35}"),
        ("Google token", ("ya29.", "GOCSPX-"), r"\b(?:ya29\.|GOCSPX-)[A-Za-z0-9_-]{20,}"),
        ("Hugging Face token", ("hf_",), r"\bhf_[A-Za-z0-9]{30,}"),
        ("npm token", ("npm_",), r"\bnpm_[A-Za-z0-9]{36}"),
        ("package registry token", ("pypi-",), r"\bpypi-[A-Za-z0-9_-]{50,}"),
        ("token", (".eyJ",), r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    )
)
"""A word for what it is, what a text must contain for a closer look, and the form."""

_NAME: Final = (
    r"(?:(?<![A-Za-z])pass|passw(?:or)?d|passphrase|pwd|secret|token|(?:api|access|private|secret|auth)[_ -]?key)"
    r"(?:[_-][A-Za-z0-9_]{1,20})?"
)
"""What a secret is called, or how its name ends."""

_NAMED: Final = re.compile(
    rf"(?P<name>{_NAME})(?P<between>\\?[\"']?[ \t]{{0,4}}(?:=>|:=|[:=])[ \t]{{0,4}})"
    r"(?:(?P<quote>\\?[\"'`])(?P<quoted>[^\"'`\\\n]{4,400})(?P=quote)|(?P<bare>[^\s\"'`,;&<>(){}\[\]\\|]{6,400})(?!\())",
    re.IGNORECASE,
)
_MEMBER: Final = re.compile(rf".{{0,60}}{_NAME}", re.IGNORECASE)
_IN_HEADER: Final = re.compile(
    r"\b(?P<before>(?:Bearer|Basic)[ \t]{1,4})(?=\S{0,400}\d)[A-Za-z0-9+/_.~-]{16,}=*", re.IGNORECASE
)
_IN_ADDRESS: Final = re.compile(r"(?P<before>://[^\s/:@\"'<>\[]{0,100}:)[^\s/@\"'<>\[]{3,200}(?=@)")
_BEARS: Final = re.compile(r"pass|pwd|secret|key|token|bearer|basic", re.IGNORECASE)
_PLACEHOLDER: Final = re.compile(
    r"(?:your|my|the|an?|some|example|change|insert|enter|none|null|true|false|str|string|bytes|int|os|env|environ|self"
    r"|process|getpass|input|config|settings)(?![A-Za-z0-9])|\$|%|\*|<|xxx|\.\.\.|[a-z]+://",
    re.IGNORECASE,
)
_MIN_BITS: Final = 2.5  # of entropy a character: "aaaaaaaa" and the like are placeholders


def mask(text: str) -> str:
    """`text`, in which ``[masked: <what it was>]`` stands in the place of each secret."""
    for word, needles, form in _FORMS:
        if any(needle in text for needle in needles):
            text = form.sub(_mark(word), text)
    if "://" in text:
        text = _IN_ADDRESS.sub(rf"\g<before>{_mark('password')}", text)
    if _BEARS.search(text) is None:
        return text
    text = _IN_HEADER.sub(rf"\g<before>{_mark('token')}", text)
    return _NAMED.sub(_mark_named, text)


def mask_json(value: Any) -> Any:
    """A JSON value in which every text is masked, as is all text beside a name that says that it is a secret."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [mask_json(item) for item in value]
    if isinstance(value, dict):
        return {mask(name): _mask_member(name, item) for name, item in value.items()}
    return value


def _mask_member(name: str, value: Any) -> Any:
    if isinstance(value, str) and _is_secret(value) and _MEMBER.fullmatch(name):
        return _mark(_word(name))
    return mask_json(value)


def _mark(what: str) -> str:
    return f"[masked: {what}]"


def _mark_named(found: re.Match[str]) -> str:
    quoted = found["quoted"] is not None
    assigned = quoted or found["between"].endswith("=")
    if not _is_secret(found["quoted"] if quoted else found["bare"], assigned=assigned):
        return found[0]
    quote = found["quote"] or ""
    return f"{found['name']}{found['between']}{quote}{_mark(_word(found['name']))}{quote}"


def _word(name: str) -> str:
    name = name.lower()
    if "pass" in name or "pwd" in name:
        return "password"
    return "token" if "token" in name else "key" if "key" in name else "secret"


def _is_secret(value: str, *, assigned: bool = True) -> bool:
    """Whether what stands beside a secret's name is one, and no placeholder, count, or prose about it."""
    if "[masked" in value or _PLACEHOLDER.match(value) or value.replace(".", "").isdigit():
        return False
    if " " in value.strip() or _MEMBER.fullmatch(value):
        return False
    if not assigned and value.replace("_", "").replace(".", "").isalpha():
        return False
    return _bits(value) >= _MIN_BITS


def _bits(text: str) -> float:
    """The entropy of a text, in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
