"""Making whatever an agent yields valid JSON of bounded length, once, where it enters the session."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from .depth import MAX_DEPTH, TOO_DEEP
from .outputs import PLAIN
from .protocol import MAX_INLINE_MIME_BYTES, MimeBundle

_MAX_VALUES = 2_000_000  # more than any table that a page can show; a few lists, often repeated, can be billions
_TOO_MANY = "[left out: too many values]"
_WITHIN_ITSELF = "[left out: it is within itself]"
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_WORST_ESCAPE = 6  # a control character becomes \u0000


def clean_text(text: str) -> str:
    """`text` without lone surrogates, which no UTF-8 can hold: halves that fit are joined, others become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text if type(text) is str else str.__str__(text)  # a class of its own is no JSON


def clean_json(value: Any, levels: int = MAX_DEPTH) -> Any:
    """`value` as JSON can hold it.

    NaN and infinities become null, keys texts, and what is no JSON its `repr`; so do numbers of more than 64 bits.
    Words stand for what is nested more than `levels` deep, for lists within themselves, and for what is beyond
    `_MAX_VALUES`: all else is kept.
    """
    return _Cleaning().clean(value, levels)


class _Cleaning:
    """One value that is being cleaned."""

    def __init__(self) -> None:
        self._around: set[int] = set()
        self._room = _MAX_VALUES

    def clean(self, value: Any, levels: int) -> Any:
        self._room -= 1
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._inside(value, levels)
        if isinstance(value, str):
            return clean_text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else None
        if isinstance(value, int) and _SMALLEST <= value <= _LARGEST:
            return int(value)
        return clean_text(_named(value))

    def _inside(self, value: Any, levels: int) -> Any:
        if id(value) in self._around:
            return _WITHIN_ITSELF
        if levels == 0 or self._room < 0:
            return TOO_DEEP if levels == 0 else _TOO_MANY
        self._around.add(id(value))
        try:
            if isinstance(value, Mapping):
                return {clean_text(str(key)): self.clean(item, levels - 1) for key, item in value.items()}
            return [self.clean(item, levels - 1) for item in value]
        finally:
            self._around.discard(id(value))


def _named(value: object) -> str:
    """Its `repr`; of what cannot even be looked at, its type."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 (other people's objects may raise anything)
        return f"<{type(value).__name__}>"


def json_length(text: str) -> int:
    """How many bytes `text` takes within a JSON string.

    Raises:
        UnicodeError: There are lone surrogates in it.
    """
    return len(msgspec.json.encode(text)) - 2


def fitting_length(text: str, max_bytes: int) -> int:
    """How many of the first code points of `text` fit into `max_bytes` of JSON."""
    if len(text) * _WORST_ESCAPE + 2 <= max_bytes or json_length(text) + 2 <= max_bytes:
        return len(text)
    low, high = 0, min(len(text), max_bytes)
    while low < high:
        middle = (low + high + 1) // 2
        if json_length(text[:middle]) + 2 <= max_bytes:
            low = middle
        else:
            high = middle - 1
    return low


def store_long_values(outputs: list[MimeBundle], put_blob: Callable[[str, Any], None]) -> list[MimeBundle]:
    """Outputs in which long values are replaced by ``{"blob": <SHA-256>, "size": <bytes>}``.

    All that stays inline is together no longer than one value may be, so that the step fits into a frame.
    """
    room = MAX_INLINE_MIME_BYTES
    stored: list[MimeBundle] = []
    for bundle in outputs:
        kept: MimeBundle = {}
        for mime, value in bundle.items():
            if mime == PLAIN and isinstance(value, str):  # a channel: it was cut to its own limit
                kept[mime] = value
                continue
            encoded = msgspec.json.encode(value)
            if len(encoded) <= room:
                kept[mime] = value
                room -= len(encoded)
            else:
                sha256 = hashlib.sha256(encoded).hexdigest()
                put_blob(sha256, value)
                kept[mime] = {"blob": sha256, "size": len(encoded)}
        stored.append(kept)
    return stored
