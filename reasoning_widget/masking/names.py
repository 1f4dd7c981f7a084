"""The names of secrets, and whether a value next to such a name is a secret."""

from __future__ import annotations

import re
from typing import Final

from .secret import PLACEHOLDER, entropy

NAME: Final = (
    r"(?:(?:(?:api|access|account|private|secret|auth|encryption|signing|master|shared|client|license|subscription"
    r"|webhook)[_ -]?key|(?-i:[A-Z][A-Z0-9]{1,30}_KEY)"
    r"|passw(?:or)?d|passphrase|passcode|passwort|kennwort|contrase\u00f1a|pwd|requirepass"
    r"|mot de passe|(?<![A-Za-z])senha|(?<![A-Za-z])pass(?![A-Za-z])"
    r"|secret|token|credentials?|(?<![A-Za-z])_auth"
    r"|\u5bc6\u7801|\u5bc6\u78bc|\u53e3\u4ee4|\u30d1\u30b9\u30ef\u30fc\u30c9|\ube44\ubc00\ubc88\ud638"
    r"|\u043f\u0430\u0440\u043e\u043b\u044c)(?:[_-][A-Za-z0-9_]{1,20})?)"
)
"""Matches the name of a secret, or the end of it."""

_SECRET_NAME: Final = re.compile(rf".{{0,60}}{NAME}", re.IGNORECASE)
_ONLY_A_NAME: Final = re.compile(rf"(?=\D*\d{{0,3}}\Z).{{0,60}}{NAME}\d{{0,3}}", re.IGNORECASE)
IDENTIFIER: Final = re.compile(
    r"[A-Za-z]*_[A-Za-z_]*"  # in snake case
    r"|[a-z]+(?:[A-Z][a-z]+)+"  # in camel case
    r"|[A-Za-z_]+\d{0,2}(?:\.[A-Za-z_]+\d{0,2})+"  # an attribute
)
_CALL_ARGUMENT: Final = re.compile(r"_?[A-Za-z]+\d{0,2}(?:_[A-Za-z]*\d{0,2})*")
_CALLABLE: Final = re.compile(r"[A-Za-z_][\w.]*")
_MAY_BE_DIGITS: Final = re.compile(
    r".*(?:pass|passw(?:or)?d|passphrase|pwd|secret|key|wort|[^\x00-\u2fff])", re.IGNORECASE
)
MAX_WORD_LENGTH: Final = 24  # letters; longer words are machine-generated
_MIN_ENTROPY: Final = 2.5  # bits per character; values such as "aaaaaaaa" are placeholders
MIN_SECRET_LENGTH: Final = 6
_PROSE_WORDS: Final = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "can",
        "cannot",
        "characters",
        "does",
        "every",
        "field",
        "for",
        "from",
        "has",
        "have",
        "here",
        "if",
        "in",
        "incorrect",
        "invalid",
        "is",
        "it",
        "least",
        "less",
        "long",
        "may",
        "missing",
        "more",
        "must",
        "no",
        "not",
        "of",
        "on",
        "only",
        "optional",
        "or",
        "please",
        "required",
        "see",
        "should",
        "strong",
        "that",
        "the",
        "this",
        "to",
        "too",
        "use",
        "used",
        "user",
        "was",
        "were",
        "when",
        "which",
        "will",
        "with",
        "wrong",
        "you",
        "your",
    ]
)


def label_for(name: str) -> str:
    """Return the label of a secret with this name: `password`, `token`, `key` or `secret`."""
    name = name.lower()
    if "pass" in name or "pwd" in name or "wort" in name or not name.isascii():
        return "password"
    return "token" if "token" in name else "key" if "key" in name else "secret"


def is_secret_name(name: str) -> bool:
    """Whether a member, variable or column with this name contains a secret."""
    return _SECRET_NAME.fullmatch(name) is not None


def is_code(word: str, between: str, follows: str) -> bool:
    """Whether an unquoted word next to a secret's name is code that refers to a secret, rather than a secret.

    Args:
        word: The word.
        between: The text between the name and the word.
        follows: The character after the word.
    """
    word = word.rstrip(".:!?")
    if IDENTIFIER.fullmatch(word) or (follows in ("(", "[") and _CALLABLE.fullmatch(word)):
        return True
    in_call = follows in ("(", "[", ")", ",")
    if word.isalpha():
        return in_call or "=" not in between or " " in between
    return in_call and "_" in word and _CALL_ARGUMENT.fullmatch(word) is not None


def is_secret_value(name: str, value: str, *, unfinished: bool = False) -> bool:
    """Whether a value next to a secret's name is a secret, not a placeholder, a count, or prose.

    Args:
        name: The name.
        value: The value.
        unfinished: Whether the value is incomplete.
    """
    if "[masked" in value or PLACEHOLDER.fullmatch(value) or _ONLY_A_NAME.fullmatch(value):
        return False
    if value.replace(".", "").isdigit() and not (value.isdigit() and _MAY_BE_DIGITS.fullmatch(name)):
        return False
    word = label_for(name)
    if not unfinished and word == "token" and (value.isalpha() or IDENTIFIER.fullmatch(value)):
        return len(value) > MAX_WORD_LENGTH  # a parser's token: `token == "keyword"`
    if unfinished:
        return True
    if re.fullmatch(r"[A-Z0-9]+_KEY(?:_\w+)?", name) and not any(sign.isdigit() for sign in value):
        return False  # names of keys in databases and mappings
    if " " in value.strip():
        return word == "password" and _is_phrase(value)
    if word == "password" and not value.isalpha():
        return len(value) >= 4 and len(set(value)) > 2
    return len(value) >= MIN_SECRET_LENGTH and entropy(value) >= _MIN_ENTROPY


def _is_phrase(value: str) -> bool:
    """Whether several words are a passphrase rather than prose."""
    words = value.lower().split()
    enough = 3 if value.replace(" ", "").isalpha() else 2
    return enough <= len(words) <= 12 and _PROSE_WORDS.isdisjoint(words) and len(value) <= 200 and "{" not in value


def is_secret_cell(name: str, value: str) -> bool:
    """Whether a whole cell or element next to a secret's name is a secret. A plain word counts as prose there."""
    value = value.strip(" \t*_`\"'\0")
    if re.sub(r"[-_]", "", value).isalpha() or re.search(r"\(\?|\\|\[.*\]", value):
        return False  # a word, or part of a regular expression
    return not IDENTIFIER.fullmatch(value) and " " not in value and is_secret_value(name, value)
