"""Which addresses links may have, and which pictures may be shown."""

from __future__ import annotations

import re
from typing import Final

SAFE_LINK: Final = re.compile(r"(?:https?:|mailto:|#)", re.IGNORECASE)
"""The addresses that links may have. All others, such as ``javascript:`` and ``data:``, stay text."""

_PICTURE: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+", re.IGNORECASE)


def is_picture(address: str) -> bool:
    """Whether an address contains its picture as data. Other pictures are never fetched."""
    return _PICTURE.fullmatch(address) is not None
