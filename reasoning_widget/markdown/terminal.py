"""Render Markdown in a terminal with Rich."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from markdown_it.token import Token
from rich.markdown import Markdown

from .atoms import Math, Tag, atoms
from .dialect import NOTE, dialect

_STYLES: Final = {"b": "strong", "strong": "strong", "i": "em", "em": "em", "s": "s", "del": "s"}
"""The styles of tags. Other tags have no style of their own."""


class TerminalMarkdown(Markdown):
    """A Rich renderable of a text in the dialect. Formulas stay TeX.

    Args:
        text: The text, without control characters and escape sequences.
    """

    def __init__(self, text: str) -> None:
        super().__init__("")
        self.markup = text
        self.parsed = list(_block_tokens(dialect().parse(text, {})))


def _block_tokens(tokens: Sequence[Token]) -> Iterator[Token]:
    """Convert block tokens to tokens that Rich knows."""
    label = ""
    for token in tokens:
        if token.type == "footnote_reference_open":
            label = f"[{token.meta['label']}] "
        elif token.type == "footnote_reference_close":
            label = ""
        elif token.type == "source":
            yield from _paragraph_tokens(_text(f"{token.content} ({NOTE})"))
        elif token.type == "math_block":
            yield from _paragraph_tokens(_text(token.content))
        elif token.type == "html":
            yield from _paragraph_tokens(*_html_tokens(token.content))
        elif token.type == "alert_title":
            yield from _paragraph_tokens(*_styled_tokens("strong", token.content))
        elif token.type in ("inline", "source_inline"):
            within = _text(f"{token.content} ({NOTE})") if token.type == "source_inline" else token
            token.children = [_text(label), *_inline_tokens([within] if within is not token else token.children or ())]
            token.type, label = "inline", ""
            yield token
        else:
            yield token


def _inline_tokens(tokens: Sequence[Token]) -> Iterator[Token]:
    """Convert inline tokens to tokens that Rich knows."""
    for token in tokens:
        if token.type == "math_inline":
            yield _text(token.content)
        elif token.type == "footnote_ref":
            yield _text(f"[{token.meta['label']}]")
        elif token.type == "tag":
            yield from _tag_tokens(token.meta["tag"])
        else:
            yield token


def _html_tokens(text: str) -> Iterator[Token]:
    at = 0
    for begin, atom in sorted(atoms(text).items()):
        if begin < at or not isinstance(atom, (Math, Tag)):
            continue
        yield _text(text[at:begin])
        at = atom.end
        if isinstance(atom, Tag):
            yield from _tag_tokens(atom)
        else:
            yield _text(atom.source)
    yield _text(text[at:])


def _tag_tokens(tag: Tag) -> Iterator[Token]:
    if tag.name == "br":
        yield Token("hardbreak", "br", 0)
    elif tag.name == "img":
        yield _text(f"[{tag.attributes.get('alt', '').strip() or 'image'}]")
    elif style := _STYLES.get(tag.name):
        yield Token(f"{style}_close", style, -1) if tag.closes else Token(f"{style}_open", style, 1)


def _paragraph_tokens(*within: Token) -> Iterator[Token]:
    yield Token("paragraph_open", "p", 1)
    yield Token("inline", "", 0, children=list(within))
    yield Token("paragraph_close", "p", -1)


def _styled_tokens(style: str, text: str) -> tuple[Token, ...]:
    return Token(f"{style}_open", style, 1), _text(text), Token(f"{style}_close", style, -1)


def _text(text: str) -> Token:
    return Token("text", "", 0, content=text)
