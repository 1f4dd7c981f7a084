"""Reduce the size of pictures for notebook files."""

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
"""Larger pictures are not opened, because they may be designed to exhaust the memory."""

_QUALITY: Final = 80  # of JPEG and WebP
_STEP: Final = 0.9  # the maximum factor by which the side of a picture is reduced in one step
_MIN_SIDE: Final = 16  # pixels


class Picture(NamedTuple):
    """A picture as it is saved."""

    mime: str
    encoded: str
    """The content in base64."""
    was: tuple[int, int] | None
    """The original width and height, if the picture was scaled down."""


def smaller(encoded: str, mime: str, side: int, longest: int) -> Picture | None:
    """Reduce a picture to the allowed size, with as little change as possible.

    If scaling to `side` is not enough, as for a photograph in PNG, the picture is converted to JPEG, or to WebP if it
    is transparent, and scaled down further if necessary. Without Pillow, an optional library, pictures are not changed.

    Args:
        encoded: The picture in base64.
        mime: Its MIME type, one of `PICTURES`.
        side: The maximum length of its longer side, in pixels.
        longest: The maximum length of its base64, in characters.

    Returns:
        The picture; None if it is invalid, or cannot be reduced enough.
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
