"""Making whatever an agent yields valid JSON of bounded length, once, where it enters the session."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..protocol import MAX_INLINE_MIME_BYTES

_WORST_ESCAPE = 6  # a control character becomes \u0000


def clean_text(text: str) -> str:
    """`text` without lone surrogates, which no UTF-8 can hold: halves that fit are joined, others become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_json(value: Any) -> Any:
    """`value` as JSON can hold it: NaN and infinities become null, keys texts, and what is no JSON its `repr`."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [clean_json(item) for item in value]
    return clean_text(repr(value))


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


def store_long_values(bundle: dict[str, Any], put_blob: Callable[[str, Any], None]) -> dict[str, Any]:
    """A MIME bundle in which long values are replaced by ``{"blob": <SHA-256>, "size": <bytes>}``.

    All that stays inline is together no longer than one value may be, so that the step fits into a frame.
    """
    room = MAX_INLINE_MIME_BYTES
    stored: dict[str, Any] = {}
    for mime, value in bundle.items():
        encoded = msgspec.json.encode(value)
        if len(encoded) <= room or mime == "text/plain":  # text/plain is a channel: it was cut to its own limit
            stored[mime] = value
            room -= len(encoded) if mime != "text/plain" else 0
        else:
            sha256 = hashlib.sha256(encoded).hexdigest()
            put_blob(sha256, value)
            stored[mime] = {"blob": sha256, "size": len(encoded)}
    return stored
