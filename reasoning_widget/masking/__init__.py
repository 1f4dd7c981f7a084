"""Mask keys, tokens and passwords in everything that is shown, logged or saved.

There is one masker. Pass it the whole text before shortening it, because the part that identifies a secret may be the
part that is removed. Hashes and UUIDs in prose are not treated as secrets, and code without secrets is left unchanged.
No set of patterns finds every secret.

The time grows with the length of the text only: `benchmarks.hostile` measures it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from ..depth import TOO_DEEP
from .context import find_by_context
from .error_text import find_in_error_text
from .names import is_secret_name, is_secret_value, label_for
from .patterns import find_by_pattern, find_cut_off
from .secret import Secret

_CUT_OFF_WINDOW: Final = 4_096
"""The length in characters of the end of an incomplete text in which a cut-off secret is looked for."""

_MAX_DEPTH: Final = 200
"""How many levels of a JSON value are searched. Deeper values are rejected wherever values come in."""

_SHORT_TEXT: Final = 300
_MAY_CONTAIN_SECRET: Final = re.compile(
    r"\d|://|pass|wort|pwd|secret|token|key|cred|auth|cookie|login|by |-p|-u|-a|-w|---|contrase|senha|[^\x00-\u2fff]",
    re.IGNORECASE,
)
"""Matches part of every secret or of its context, except for the prefixes of some patterns. For short texts only."""
_PAD: Final = "\0"
_ESCAPE_SEQUENCES: Final = re.compile(r"(?:\\(?:[nrt\"'\\/]|u[0-9a-fA-F]{4}))+")
_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)")
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t"}

_NAME_FIELDS: Final = ("name", "key", "variable", "var", "env", "field", "label", "header", "parameter", "property")
_VALUE_FIELDS: Final = ("value", "val", "content", "default", "secret", "data")
_PRIVATE_JWK_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})
"""The private members of a JSON Web Key."""


def find_secrets(text: str, *, unfinished: bool = False, in_error: bool = False) -> list[Secret]:
    """Find the secrets in a text, in order and without overlaps.

    Args:
        text: The whole text.
        unfinished: Whether the text is incomplete, because more follows or its end was removed. Then the beginning of a
            secret at its end counts as a secret.
        in_error: Whether the text is an error message. Then words count as secrets that would not elsewhere.
    """
    if len(text) < _SHORT_TEXT and not unfinished and not in_error and not _MAY_CONTAIN_SECRET.search(text):
        return []
    found = _find_all(text, unfinished=unfinished, in_error=in_error)
    if "\\" in text and (plain := _ESCAPE_SEQUENCES.sub(_unescape, text)) != text:
        # In JSON and in code, escaped line breaks and quotes separate words, too.
        for start, end, label in _find_all(plain, unfinished=unfinished, in_error=in_error):
            kept = plain[start:end]
            found.append(
                Secret(start + len(kept) - len(kept.lstrip(_PAD)), end - len(kept) + len(kept.rstrip(_PAD)), label)
            )
    merged: list[Secret] = []
    # Of secrets with the same start, those found by pattern come first: their label is more specific.
    for secret in sorted(found, key=lambda secret: secret.start):
        last = merged[-1] if merged else None
        if last is None or secret.start >= last.end:
            merged.append(secret)
        elif secret.end > last.end:
            merged[-1] = Secret(last.start, secret.end, last.label)
    return merged


def _find_all(text: str, *, unfinished: bool, in_error: bool) -> list[Secret]:
    found = [*find_by_pattern(text), *find_by_context(text, unfinished=unfinished)]
    if in_error:
        found.extend(find_in_error_text(text))
    if unfinished:
        found.extend(find_cut_off(text, max(0, len(text) - _CUT_OFF_WINDOW)))
    return found


def _unescape(found: re.Match[str]) -> str:
    """Decode escape sequences, padded to their original length so that positions stay valid."""
    escapes = _ESCAPE.findall(found[0])
    plain = "".join(
        chr(int(f"0x{each[2:]}", base=0)) if each[1] == "u" else _ESCAPED.get(each[1], each[1]) for each in escapes
    )
    return plain.rjust(len(found[0]), _PAD)


def mask(text: str, *, unfinished: bool = False, in_error: bool = False) -> str:
    """Replace each secret in a text with ``[masked: <label>]``.

    Args:
        text: The whole text.
        unfinished: Whether the text is incomplete, as in `find_secrets`.
        in_error: Whether the text is an error message, as in `find_secrets`.
    """
    parts: list[str] = []
    end = 0
    for secret in find_secrets(text, unfinished=unfinished, in_error=in_error):
        parts += [text[end : secret.start], _marker(secret.label)]
        end = secret.end
    return "".join([*parts, text[end:]]) if parts else text


def mask_texts(texts: Sequence[str], between: str = "", *, unfinished: bool = False) -> list[str]:
    """Mask texts that belong together as if they were one, such as a tool's output before and after a picture.

    Args:
        texts: The texts.
        between: What separates them for a reader.
        unfinished: Whether the last text is incomplete, as in `find_secrets`.
    """
    starts = list(accumulate((len(text) + len(between) for text in texts), initial=0))
    masked: list[list[str]] = [[] for _ in texts]
    ends = starts[:-1].copy()  # the position up to which each text has been copied
    number = 0
    for secret in find_secrets(between.join(texts), unfinished=unfinished):
        while number + 1 < len(texts) and starts[number + 1] <= secret.start:
            number += 1
        marker = _marker(secret.label)
        for each in range(number, len(texts)):
            start, stop = starts[each], starts[each] + len(texts[each])
            if start >= secret.end:
                break
            if stop <= secret.start:
                continue
            begin = max(secret.start, start)
            masked[each] += [texts[each][ends[each] - start : begin - start], marker]
            ends[each], marker = min(secret.end, stop), ""
    return [
        "".join([*parts, text[end - start :]])
        for parts, text, end, start in zip(masked, texts, ends, starts, strict=False)
    ]


def shortened(text: str, max_length: int) -> str:
    """Mask a text, then shorten it. `…` marks the end that was removed.

    Args:
        text: The whole text.
        max_length: How many characters to keep.
    """
    # Text beyond the window cannot affect the part that is kept: no secret's context reaches so far.
    near = text[: max_length + _CUT_OFF_WINDOW]
    masked = mask(near, unfinished=len(near) < len(text))
    return f"{masked[:max_length]}…" if len(masked) > max_length or len(near) < len(text) else masked


def mask_json(value: Any, *, unfinished: bool = False) -> Any:
    """Mask every text in a JSON value, and every value whose name says that it is a secret.

    Args:
        value: The value to save.
        unfinished: Whether its texts are incomplete, as in `find_secrets`.
    """
    return _mask_value(value, unfinished, 0)


def _mask_value(value: Any, unfinished: bool, depth: int) -> Any:
    if isinstance(value, str):
        return mask(value, unfinished=unfinished)
    if depth > _MAX_DEPTH:
        return TOO_DEEP if isinstance(value, list | dict) else value
    if isinstance(value, list):
        return _mask_list(value, unfinished, depth)
    if isinstance(value, dict):
        return _mask_object(value, unfinished, depth)
    return value


def _mask_list(items: list[Any], unfinished: bool, depth: int) -> list[Any]:
    if len(items) > 1 and all(isinstance(item, str) for item in items):
        if len(items) == 2 and not items[0].startswith("-"):
            return [items[0], _mask_member(items[0], items[1], unfinished, depth)]
        # The arguments of a command: the preceding argument identifies a secret.
        return mask_texts(items, " ", unfinished=unfinished)
    return [_mask_value(item, unfinished, depth + 1) for item in items]


def _mask_object(value: Mapping[str, Any], unfinished: bool, depth: int) -> dict[str, Any]:
    named = next((str(value[key]) for key in value if key.lower() in _NAME_FIELDS and isinstance(value[key], str)), "")
    secret_name = named if is_secret_name(named) else ""
    is_jwk = "kty" in value
    masked: dict[str, Any] = {}
    for name, item in value.items():
        meant_name = name
        if secret_name and name.lower() in _VALUE_FIELDS:
            meant_name = secret_name
        elif is_jwk and name in _PRIVATE_JWK_MEMBERS:
            meant_name = "private key"
        masked[mask(name)] = _mask_member(meant_name, item, unfinished, depth)
    return masked


def _mask_member(name: str, value: Any, unfinished: bool, depth: int) -> Any:
    if name.lower() == "authorization" and isinstance(value, str):
        return mask(f"authorization: {value}", unfinished=unfinished).removeprefix("authorization: ")
    if name.lower() in ("cookie", "set-cookie") and isinstance(value, str):
        return mask(f"cookie: {value}", unfinished=unfinished).removeprefix("cookie: ")
    if not is_secret_name(name) and not (name.endswith("s") and is_secret_name(name[:-1])):
        return _mask_value(value, unfinished, depth + 1)
    if isinstance(value, str) and is_secret_value(name, value):
        return _marker(label_for(name))
    if isinstance(value, int) and not isinstance(value, bool) and value > 999 and is_secret_value(name, str(value)):
        return _marker(label_for(name))
    if isinstance(value, list) and depth < _MAX_DEPTH:
        return [_mask_member(name, item, unfinished, depth + 1) for item in value]
    if isinstance(value, dict) and not isinstance(value.get("value"), list | dict | None):
        return {
            **_mask_object(value, unfinished, depth + 1),
            "value": _mask_member(name, value["value"], unfinished, depth + 1),
        }
    return _mask_value(value, unfinished, depth + 1)


def _marker(label: str) -> str:
    return f"[masked: {label}]"
