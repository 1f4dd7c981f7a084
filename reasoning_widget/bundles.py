"""MIME bundles that hold more than one thing.

A bundle holds one value of each type. Further pictures of a step have keys of their own: ``image/png;n=2`` is the
second one, and views that do not know such a key pass it over. Texts of one type follow each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PICTURES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif")
"""The MIME types of pictures that are shown: base64 in a MIME bundle."""

SVG: Final = "image/svg+xml"
"""Of drawings: XML in a MIME bundle."""

_SHOWN: Final = (*PICTURES, SVG)
_NUMBER: Final = ";n="
_FOLLOWING: Final = ("text/html", "text/markdown", "text/latex")


def mime_of(key: str) -> str:
    """The MIME type of what a bundle has under `key`."""
    return key.partition(_NUMBER)[0]


def number_of(key: str) -> int:
    """Which picture of its step `key` is, from 1."""
    number = key.partition(_NUMBER)[2]
    return int(number) if number.isdecimal() else 1


def put_together(bundle: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """What both hold, in one bundle.

    Of one thing in several forms, `more` gives the best: a picture, if it has one. Neither is changed.
    """
    if not bundle or not more:
        return {**bundle, **more}
    both = dict(bundle)
    pictures = [mime for mime in _SHOWN if mime in more][:1] + [key for key in more if _NUMBER in key]
    texts = [key for key in _FOLLOWING if key in more and not pictures]
    if texts and not any(key in both for key in _FOLLOWING):
        # A view draws one of what has plain keys: the picture must not be in the way of the text.
        both = {f"{key}{_NUMBER}1" if key in _SHOWN else key: value for key, value in both.items()}
    for key, value in more.items():
        if key in both and key == "text/plain":
            both[key] = f"{both[key]}\n{value}"
        elif key in texts and isinstance(value, str) and isinstance(both.get(key), str):
            both[key] = f"{both[key]}\n\n{value}"
        elif mime_of(key) not in _SHOWN and (key in texts or key not in _FOLLOWING):
            both[key] = value
    for key in pictures:
        number = 1 + max((number_of(known) for known in both if mime_of(known) in _SHOWN), default=1)
        both[f"{mime_of(key)}{_NUMBER}{number}"] = more[key]
    return both
