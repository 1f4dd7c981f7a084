"""Pictures, made small enough for a notebook file."""

from __future__ import annotations

import base64
import binascii
import io
import math
import warnings
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from PIL import Image

_MAX_PIXELS: Final = 100_000_000
"""A picture that claims to be larger is not opened: it may be made to fill the memory."""

_QUALITY: Final = 80  # of JPEG and WebP
_STEP: Final = 0.9  # of the side: what a picture that is too long loses at least
_MIN_SIDE: Final = 16  # pixels


class Picture(NamedTuple):
    """A picture as it is kept."""

    mime: str
    encoded: str
    """Base64."""
    was: tuple[int, int] | None
    """Its width and height, if it had more pixels."""


def smaller(encoded: str, mime: str, side: int, longest: int) -> Picture | None:
    """A picture that is not larger than is allowed, as similar as can be to what it was.

    One that is too long with so few pixels, such as a photograph as PNG, becomes a JPEG, or a WebP if one can see
    through it, and if need be has fewer pixels still. Without Pillow, an optional library, every picture is as it was.

    Args:
        encoded: The picture, as base64.
        mime: Its type, one of `PICTURES`.
        side: The pixels that its longer side may have.
        longest: The characters that its base64 may have.

    Returns:
        The picture; None if it is none, or cannot be so small.
    """
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    try:
        from PIL import Image  # optional, and slow to import
    except ImportError:
        return Picture(mime, encoded, None) if len(encoded) <= longest else None
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=[_format(mime)]) as picture:
            warnings.simplefilter("ignore")
            if max(picture.size) <= side and len(encoded) <= longest:
                return Picture(mime, encoded, None)
            if picture.width * picture.height > _MAX_PIXELS:
                return None
            return _reduced(picture, mime, side, longest)
    except Exception:  # noqa: BLE001 (each of Pillow's readers has errors of its own)
        return None


def _reduced(picture: Image.Image, mime: str, side: int, longest: int) -> Picture | None:
    was = picture.size
    reduced = picture if picture.mode in ("RGB", "RGBA", "L", "LA") else picture.convert("RGBA")
    reduced.thumbnail((side, side))
    encoded = _encoded(reduced, mime)
    if len(encoded) > longest:
        mime = "image/webp" if _is_transparent(reduced) else "image/jpeg"
        encoded = _encoded(reduced, mime)
    while len(encoded) > longest:
        side = int(max(reduced.size) * min(math.sqrt(longest / len(encoded)), _STEP))
        if side < _MIN_SIDE:
            return None
        reduced.thumbnail((side, side))
        encoded = _encoded(reduced, mime)
    return Picture(mime, encoded, was if reduced.size != was else None)


def _is_transparent(picture: Image.Image) -> bool:
    return picture.mode.endswith("A") and picture.getchannel("A").getextrema() != (255, 255)


def _encoded(picture: Image.Image, mime: str) -> str:
    written = io.BytesIO()
    colours = picture.convert("RGB") if mime == "image/jpeg" else picture
    colours.save(written, _format(mime), optimize=True, quality=_QUALITY)
    return base64.b64encode(written.getvalue()).decode()


def _format(mime: str) -> str:
    return mime.removeprefix("image/").upper()
