"""Render Markdown as self-contained HTML: nothing in it is executed or fetched, and no text is lost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any, Final

from markdown_it.renderer import RendererHTML

from .atoms import Math, Tag, atoms
from .dialect import NOTE, dialect
from .links import SAFE_LINK, is_picture
from .tex import TooCostly, mathml, tex_of

if TYPE_CHECKING:
    from markdown_it.token import Token
    from markdown_it.utils import OptionsDict

_WITH_DIRECTION: Final = frozenset(("p", "li", "h1", "h2", "h3", "h4", "h5", "h6", "td", "th"))
_ALERT_COLOURS: Final = {
    "note": "#1e88e5",
    "tip": "#43a047",
    "important": "#8e24aa",
    "warning": "#fb8c00",
    "caution": "#e53935",
}
_ATTRIBUTES: Final = (
    "align",
    "colspan",
    "dir",
    "lang",
    "open",
    "reversed",
    "rowspan",
    "scope",
    "span",
    "start",
    "title",
)


def to_html(text: str) -> str:
    """Render a text in the dialect as HTML."""
    env: dict[str, Any] = {}
    md = dialect()
    return str(_renderer().render(md.parse(text, env), md.options, env))


@cache
def _renderer() -> _Renderer:
    return _Renderer()


class _Renderer(RendererHTML):
    """Renders each token with the method of its type's name."""

    def renderToken(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        """Render a token as markdown-it does, and let each block detect its text direction."""
        if tokens[idx].tag in _WITH_DIRECTION and tokens[idx].nesting == 1:
            tokens[idx].attrSet("dir", "auto")
        return super().renderToken(tokens, idx, options, env)

    def source(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return f"<div>{_source(tokens[idx].content)}</div>\n"

    def source_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return _source(tokens[idx].content)

    def math_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return f"<p>{_formula(tokens[idx].content, display=True)}</p>\n"

    def math_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return _formula(tokens[idx].content, display=tokens[idx].meta["display"])

    def tag(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return _tag(tokens[idx].meta["tag"])

    def html(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        text, parts, at = tokens[idx].content, [], 0
        for begin, atom in sorted(atoms(text).items()):
            if isinstance(atom, (Math, Tag)) and begin >= at:
                drawn = _tag(atom) if isinstance(atom, Tag) else _formula(atom.source, display=atom.display)
                parts += [escape(text[at:begin]), drawn]
                at = atom.end
        return f"<div>{''.join(parts)}{escape(text[at:])}</div>\n"

    def alert_title(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return f"<p><strong>{escape(tokens[idx].content)}</strong></p>\n"

    def blockquote_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        colour = _ALERT_COLOURS.get(str(tokens[idx].meta.get("alert")))
        style = f' style="border-left:3px solid {colour};margin-left:0;padding-left:12px"' if colour else ""
        return f"<blockquote{style}>\n"

    def footnote_ref(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return f"<sup>[{escape(str(tokens[idx].meta['label']))}]</sup>"

    def footnote_reference_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        label = escape(str(tokens[idx].meta["label"]))
        return f'<div style="display:flex;gap:4px;align-items:baseline;font-size:90%"><sup>[{label}]</sup>\n'

    def footnote_reference_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return "</div>\n"

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        alt = self.renderInlineAsText(tokens[idx].children or [], options, env)
        return _picture(str(tokens[idx].attrGet("src") or ""), alt)

    def renderInlineAsText(self, tokens: Sequence[Token] | None, options: OptionsDict, env: Any) -> str:
        """Render all text of the tokens, including code, tags and formulas."""
        return "".join(
            self.renderInlineAsText(token.children, options, env)
            if token.children
            else token.content or " " * (token.type == "softbreak")
            for token in tokens or ()
        )


def _source(text: str, note: str = f" <em>({NOTE})</em>") -> str:
    # As code, which scripts that render a page's formulas skip.
    return f'<code style="white-space:pre-wrap;overflow-wrap:anywhere">{escape(text)}</code>{note}'


def _formula(source: str, *, display: bool) -> str:
    try:
        return mathml(tex_of(source), display=display) or _source(source, "")
    except TooCostly:
        return _source(source)


def _picture(address: str, alt: str) -> str:
    if is_picture(address):
        return f'<img src="{escape(address)}" alt="{escape(alt)}" style="max-width:100%">'
    name = escape(f"[{alt.strip() or 'image'}]")
    if not address.lower().startswith(("http://", "https://")):
        return name
    return f'<a href="{escape(address)}" title="Image: {escape(address)}">{name}</a>'


def _tag(tag: Tag) -> str:
    if tag.closes:
        return f"</{tag.name}>"
    if tag.name == "img":
        return _picture(tag.attributes.get("src", ""), tag.attributes.get("alt", ""))
    kept = {name: value for name, value in tag.attributes.items() if name in _ATTRIBUTES}
    if tag.name == "a" and SAFE_LINK.match(address := tag.attributes.get("href", "")):
        kept["href"] = address
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in kept.items())
    return f"<{tag.name}{attributes}>"
