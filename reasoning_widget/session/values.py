"""Converts values that are stored beside a log to frames: to one, or to several with parts if it would be too long."""

from __future__ import annotations

from typing import Any, Final

from ..protocol import MAX_FRAME_BYTES, Frame, encode

_MAX_PART: Final = MAX_FRAME_BYTES // 8  # code points; the longest escape takes six bytes


def value_frames(sha256: str, value: Any) -> list[Frame]:
    """Return the `blob` frames of a value: a single one, or several with parts of its JSON.

    Args:
        sha256: The SHA-256 of the value.
        value: The value.
    """
    whole: Frame = {"type": "blob", "data": {"blob": sha256, "value": value}}
    if len(encode(whole)) <= MAX_FRAME_BYTES:
        return [whole]
    text = encode(value).decode()
    parts = [text[start : start + _MAX_PART] for start in range(0, len(text), _MAX_PART)]
    return [
        {"type": "blob", "data": {"blob": sha256, "part": {"index": index, "count": len(parts)}, "text": part}}
        for index, part in enumerate(parts)
    ]
