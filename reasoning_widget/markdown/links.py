"""Where links may lead, and which pictures may be shown."""

from __future__ import annotations

import re
from typing import Final

SAFE_LINK: Final = re.compile(r"(?:https?:|mailto:|#)", re.IGNORECASE)
"""Where a link may lead. All else, ``javascript:`` and ``data:`` above all, stays text."""

_PICTURE: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+", re.IGNORECASE)


def is_picture(address: str) -> bool:
    """Whether an address is a picture by itself: no other is ever fetched."""
    return _PICTURE.fullmatch(address) is not None
