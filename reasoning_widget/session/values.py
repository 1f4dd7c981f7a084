"""How the values that are kept beside a log travel: in one frame, or in several if one would be too long."""

from __future__ import annotations

from typing import Any, Final

from ..protocol import MAX_FRAME_BYTES, Frame, encode

_MAX_PART: Final = MAX_FRAME_BYTES // 8  # code points; the longest escape takes six bytes


def value_frames(sha256: str, value: Any) -> list[Frame]:
    """The `blob` frames that bring a value: a single one, or its JSON in parts.

    Args:
        sha256: The hash by which it was asked for.
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
