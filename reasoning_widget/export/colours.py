"""The colours of printed text in exported pages, readable on a background that is set with them.

A colour is used as the program chose it if it is readable, else the nearest readable one. Colours are written as
``color:#rrggbb`` and ``background-color:#rrggbb``, which the sanitizers of notebooks accept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

MIN_CONTRAST: Final = 4.5
"""The minimum contrast of text in WCAG 2.2, level AA."""

Colour = tuple[int, int, int]
"""Red, green and blue, each from 0 to 255."""


def parsed(colour: str) -> Colour:
    """Parse a colour in the format ``#rrggbb``."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _palette(*rows: str) -> list[Colour]:
    return [parsed(colour) for row in rows for colour in row.split()]


_PAPER: Final = parsed("#ffffff")
_TEXT: Final = parsed("#1f2328")
_BLACK: Final = (0, 0, 0)
_WHITE: Final = (255, 255, 255)
_STEPS: Final = 20
_FAINT: Final = 0.3
"""The share of the background in the colour of faint text."""

_ON_PAPER: Final = _palette(
    "#24292f #c4101f #0f6a2b #7a5200 #0b57b0 #8a2bb0 #0b6470 #57606a",
    "#57606a #d4202f #1a7f37 #946600 #1769c2 #a03cc8 #107b88 #3b434b",
)
_ON_CHOSEN: Final = _palette(
    "#000000 #cd0000 #00cd00 #cdcd00 #0000ee #cd00cd #00cdcd #e5e5e5",
    "#7f7f7f #ff0000 #00ff00 #ffff00 #5c5cff #ff00ff #00ffff #ffffff",
)
"""The sixteen numbered colours: for text on the default background; and as in xterm, for backgrounds and text there."""

_STYLES: Final = {
    "bold": "font-weight:700",
    "italic": "font-style:italic",
    "underline": "text-decoration:underline",
    "struck": "text-decoration:line-through",
}


def contrast(one: Colour, other: Colour) -> float:
    """Return WCAG's contrast ratio of two colours, from 1 (equal) to 21."""
    dark, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def css_of_block(looks: Iterable[Mapping[str, str]]) -> str:
    """Return the CSS for the background of a text; empty if the text has no colours.

    Args:
        looks: The styles of its pieces, as `printed.coloured` returns them.
    """
    coloured = any(not look.keys().isdisjoint(("fg", "bg", "faint", "inverse")) for look in looks)
    return f"background-color:{_css(_PAPER)};color:{_css(_TEXT)};padding:4px 8px;border-radius:4px" if coloured else ""


def css_of(look: Mapping[str, str]) -> str:
    """Return the CSS for a piece of printed text.

    Args:
        look: The style of the piece, as `printed.coloured` returns it.
    """
    rules = [_STYLES[name] for name in look if name in _STYLES]
    if "underline" in look and "struck" in look:
        rules = [rule for rule in rules if "decoration" not in rule] + ["text-decoration:underline line-through"]
    ink, ground = look.get("fg", ""), look.get("bg", "")
    if "inverse" in look:
        ink, ground = ground, ink
    above, below = _colours(ink, ground, inverse="inverse" in look, faint="faint" in look)
    if above != _TEXT:
        rules.append(f"color:{_css(above)}")
    if below != _PAPER:
        rules.append(f"background-color:{_css(below)}")
    return ";".join(rules)


@lru_cache(maxsize=4096)
def _colours(ink: str, ground: str, *, inverse: bool, faint: bool) -> tuple[Colour, Colour]:
    """Return the colours of text and background for their SGR parameters."""
    below = _colour(ground, _ON_CHOSEN) if ground else _TEXT if inverse else _PAPER
    if ink:
        above = _colour(ink, _ON_CHOSEN if ground or inverse else _ON_PAPER)
    elif ground:
        above = _furthest(below)
    else:
        above = _PAPER if inverse else _TEXT
    return _readable(_mix(above, below, _FAINT if faint else 0), below), below


def _colour(parameters: str, sixteen: list[Colour]) -> Colour:
    """Return the colour for SGR parameters such as ``31`` or ``38;5;208``."""
    code, *colour = (int(each) for each in parameters.split(";"))
    if not colour:
        return sixteen[code % 10 + (8 if code >= 90 else 0)]
    if len(colour) == 4:
        return colour[1], colour[2], colour[3]
    index = colour[1]
    if index < len(sixteen):
        return sixteen[index]
    if index >= 232:
        grey = 8 + (index - 232) * 10
        return grey, grey, grey
    red, green, blue = (
        level and 55 + level * 40 for level in ((index - 16) // 36, (index - 16) // 6 % 6, (index - 16) % 6)
    )
    return red, green, blue


def _readable(ink: Colour, ground: Colour) -> Colour:
    """Mix as little black or white into `ink` as makes it readable on `ground`."""
    away = _furthest(ground)
    mixed = (_mix(ink, away, step / _STEPS) for step in range(_STEPS))
    return next((each for each in mixed if contrast(each, ground) >= MIN_CONTRAST), away)


def _furthest(ground: Colour) -> Colour:
    return _BLACK if contrast(_BLACK, ground) > contrast(_WHITE, ground) else _WHITE


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(part + (away - part) * share) for part, away in zip(colour, other, strict=True))
    return red, green, blue


def _css(colour: Colour) -> str:
    return f"#{bytes(colour).hex()}"


def _luminance(colour: Colour) -> float:
    shares = (part / 255 for part in colour)
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
