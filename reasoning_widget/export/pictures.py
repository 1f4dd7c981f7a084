"""Pictures, made small enough for a notebook file."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from typing import Final

PICTURES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif")
"""The MIME types of pictures that are shown: base64 in a MIME bundle."""

_MAX_PIXELS: Final = 100_000_000
"""A picture that claims to be larger is not opened: it may be made to fill the memory."""

_JPEG_QUALITY: Final = 80


def smaller(encoded: str, mime: str, side: int) -> tuple[str, tuple[int, int] | None] | None:
    """A picture no side of which is longer than `side` pixels.

    Without Pillow, an optional library, every picture is as it was.

    Args:
        encoded: The picture, as base64.
        mime: Its type, one of `PICTURES`; the result has the same.
        side: Pixels.

    Returns:
        The picture as base64, and the width and height it had if it was made smaller; None if it is no picture.
    """
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    try:
        from PIL import Image  # noqa: PLC0415 (optional, and slow to import)
    except ImportError:
        return encoded, None
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=[_format(mime)]) as picture:
            warnings.simplefilter("ignore")
            size = picture.size
            if max(size) <= side:
                return encoded, None
            if size[0] * size[1] > _MAX_PIXELS:
                return None
            reduced: Image.Image = picture if picture.mode in ("RGB", "RGBA", "L", "LA") else picture.convert("RGBA")
            if mime == "image/jpeg":
                reduced = reduced.convert("RGB")
            reduced.thumbnail((side, side))
            written = io.BytesIO()
            reduced.save(written, _format(mime), optimize=True, quality=_JPEG_QUALITY)
    except Exception:  # noqa: BLE001 (each of Pillow's readers has errors of its own)
        return None
    return base64.b64encode(written.getvalue()).decode(), size


def _format(mime: str) -> str:
    return mime.removeprefix("image/").upper()
