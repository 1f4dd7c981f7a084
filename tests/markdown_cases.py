"""Test cases for all implementations of the Markdown dialect, and the visible content of a page, for comparing them."""

from __future__ import annotations

import json
import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Final, NotRequired, TypedDict

FILE: Final = Path(__file__).parent / "fixtures" / "markdown.json"

_KEPT: Final = frozenset(
    [
        "a",
        "b",
        "blockquote",
        "br",
        "code",
        "del",
        "details",
        "em",
        "h1",
        "h2",
        "h3",
        "i",
        "img",
        "kbd",
        "li",
        "math",
        "ol",
        "p",
        "pre",
        "s",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "td",
        "th",
        "tr",
        "u",
        "ul",
    ]
)
_ATTRIBUTES: Final = ("href",)


class Case(TypedDict):
    """A text, and how it is displayed."""

    name: str
    source: str
    page: str
    """The result of `shape` for the page, in cards and in exports."""
    markdown: NotRequired[str]
    """The Markdown export; the source itself if absent."""
    terminal: str
    """The output in a terminal, with each run of spaces and line breaks replaced by one space."""


def cases() -> list[Case]:
    found: list[Case] = json.loads(FILE.read_text("utf-8"))
    return found


class _Shape(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._math: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "math":
            self._math = ""
        if tag == "annotation":
            self._math = "annotation"
        elif self._math is None and tag in _KEPT:
            kept = "".join(f' {name}="{value}"' for name, value in attrs if name in _ATTRIBUTES)
            self.parts.append(f"<{tag}{kept}>")

    def handle_endtag(self, tag: str) -> None:
        if tag == "math":
            self._math = None
        elif tag == "annotation":
            self._math = ""
        elif self._math is None and tag in _KEPT:
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._math is None:
            self.parts.append(escape(data, quote=False))
        elif self._math == "annotation":
            self.parts.append(f"<math>{escape(data.strip(), quote=False)}</math>")


def shape(html: str) -> str:
    """Return the text and structure of a page without styles, with formulas as their source."""
    made = _Shape()
    made.feed(html)
    made.close()
    text = re.sub(r"\s+", " ", "".join(made.parts))
    block = "blockquote|details|h1|h2|h3|li|ol|p|pre|summary|table|td|th|tr|ul"
    return re.sub(rf" ?(</?(?:{block})>) ?", r"\1", text).strip()
