"""Parse the Markdown dialect of agents' texts. All output formats use it.

The dialect is CommonMark with tables, ~~strikethrough~~, task lists, bare links, footnotes, alerts (``[!NOTE]``),
formulas, and emphasis that works next to Chinese, Japanese and Korean. Of HTML, it supports tags that only format text;
all others are shown as text, so that none is lost. `js/src/view/markdown/dialect.ts` parses the same dialect in the
page; `tests/fixtures/markdown.json` has test cases for every output format.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final
from unicodedata import category, east_asian_width, name

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin

from .atoms import BLOCK_TAGS, Math, Tag, atoms
from .links import SAFE_LINK, is_picture

if TYPE_CHECKING:
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline

MAX_SIGNS: Final = 3000
"""The number of possible markup characters in a paragraph above which it is shown as source."""
MAX_LEVEL: Final = 30
"""The nesting depth of quotes and lists from which text is shown as source."""
NOTE: Final = "Shown as its source: too costly to draw."

ALERTS: Final = {
    "note": "Note",
    "tip": "Tip",
    "important": "Important",
    "warning": "Warning",
    "caution": "Caution",
}

_SIGNS: Final = re.compile(r"[*_~`\[\]<$&\\!\n]")
_TASK: Final = re.compile(r"\[([ xX])\][ \t]+(?=\S)")
_ALERT: Final = re.compile(r"\[!(note|tip|important|warning|caution)\][ \t]*(?:\n|$)", re.IGNORECASE)
_BLOCK: Final = re.compile(rf"</?(?:{'|'.join(sorted(BLOCK_TAGS))})(?:[ \t\n/>]|$)", re.IGNORECASE)
_EMPTY_ALERT: Final = ["alert_title", "paragraph_open", "inline", "paragraph_close"]
_MATH_ENDS: Final = {"$$": "$$", "\\[": "\\]"}


@cache
def dialect() -> MarkdownIt:
    """Return the parser of the dialect. It renders nothing that is fetched or executed."""
    made = MarkdownIt(
        "js-default", {"html": False, "linkify": True, "typographer": False, "maxNesting": MAX_LEVEL + 20}
    )
    made.use(footnote_plugin)
    # Footnotes stay where they are written, so that none is lost and blocks are independent of each other.
    made.disable(["footnote_tail", "footnote_inline", "html_block", "html_inline"])
    made.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})  # type: ignore[union-attr]
    made.validateLink = lambda url: SAFE_LINK.match(url) is not None or is_picture(url)  # type: ignore[method-assign]
    made.block.ruler.before("table", "too_deep", _nested_too_deep)
    made.block.ruler.before("fence", "math", _math, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    made.block.ruler.before("heading", "html", _html, {"alt": ["paragraph", "reference", "blockquote"]})
    made.inline.ruler.before("linkify", "atom", _inline_atom)
    made.inline.ruler.at("emphasis", _emphasis)
    made.inline.ruler.at("strikethrough", _strikethrough)
    made.core.ruler.before("inline", "extensions", _apply_extensions)
    return made


def count_signs(text: str) -> int:
    """Count the characters of a text that may be markup."""
    return len(_SIGNS.findall(text))


# Blocks -------------------------------------------------------------------------------------------------------------


def _nested_too_deep(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Keep text that is nested too deeply as its source: the parser would drop it."""
    if state.level < MAX_LEVEL or silent:
        return False
    text = state.getLines(start, end, state.blkIndent, False)
    state.line = end
    _add_source(state, text, start, end)
    return True


def _add_source(state: StateBlock, text: str, start: int, end: int) -> None:
    token = state.push("source", "", 0)
    token.content, token.map, token.block = text, [start, end], True


def _math(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Parse a formula that is a block: between two ``$$``, or between escaped square brackets."""
    begin = state.bMarks[start] + state.tShift[start]
    opening = state.src[begin : begin + 2]
    if opening not in _MATH_ENDS or state.is_code_block(start):
        return False
    closing = _MATH_ENDS[opening]
    failed: dict[str, int] = state.env.setdefault("unclosed", {})
    if start < failed.get(closing, -1):
        return False
    at = begin + 2
    for line in range(start, end):
        if state.isEmpty(line) or state.sCount[line] < state.blkIndent:
            break
        last = state.eMarks[line]
        found = state.src.find("$" if opening == "$$" else closing, at, last)
        if found >= 0:
            if not state.src.startswith(closing, found) or state.src[found + 2 : last].strip():
                return False
            text = state.getLines(start, line + 1, state.blkIndent, False).strip()
            if not text[2:-2].strip():
                return False
            if not silent:
                token = state.push("math_block", "", 0)
                token.content, token.map, token.block = text, [start, line + 1], True
                state.line = line + 1
            return True
        if line + 1 < end:
            at = state.bMarks[line + 1]
    else:
        line = end
    failed[closing] = line
    return False


def _html(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Parse a block of HTML: from a line that starts with a block tag to the next empty line, without Markdown."""
    begin = state.bMarks[start] + state.tShift[start]
    if state.src[begin : begin + 1] != "<" or state.is_code_block(start):
        return False
    if not _BLOCK.match(state.src, begin, state.eMarks[start]):
        return False
    if silent:
        return True
    line = start + 1
    while line < end and not state.isEmpty(line) and state.sCount[line] >= state.blkIndent:
        line += 1
    token = state.push("html", "", 0)
    token.content = state.getLines(start, line, state.blkIndent, False)
    token.map, token.block = [start, line], True
    state.line = line
    return True


# Between blocks and lines -------------------------------------------------------------------------------------------


def _apply_extensions(state: StateCore) -> None:
    """Convert tasks and alerts, and keep paragraphs with too much markup as their source."""
    tokens: list[Token] = []
    for token in state.tokens:
        tokens.append(token)
        before = [other.type for other in tokens[-3:-1]]
        if token.type != "inline":
            continue
        if before == ["list_item_open", "paragraph_open"] and (task := _TASK.match(token.content)):
            token.content = ("☐ " if task[1] == " " else "☑ ") + token.content[task.end() :]
        if before == ["blockquote_open", "paragraph_open"] and (alert := _ALERT.match(token.content)):
            _make_alert(tokens, alert)
        if count_signs(token.content) > MAX_SIGNS:
            token.type = "source_inline"
    state.tokens = _without_empty(tokens)


def _make_alert(tokens: list[Token], alert: re.Match[str]) -> None:
    """Turn a quote into an alert: its first line becomes the title."""
    *_, quote, opening, inline = tokens
    kind = alert[1].lower()
    quote.meta = {**quote.meta, "alert": kind}
    title = Token("alert_title", "", 0, block=True, content=ALERTS[kind], level=opening.level, map=opening.map)
    inline.content = inline.content[alert.end() :]
    tokens[-2:] = [title, opening, inline]


def _without_empty(tokens: list[Token]) -> list[Token]:
    """Remove the empty paragraph of an alert that has only a title."""
    kept: list[Token] = []
    for token in tokens:
        kept.append(token)
        if [each.type for each in kept[-4:]] == _EMPTY_ALERT and not kept[-2].content:
            del kept[-3:]
    return kept


# Within a line ------------------------------------------------------------------------------------------------------


def _inline_atom(state: StateInline, silent: bool) -> bool:
    """Parse a formula, a tag, or an unmatched bracket."""
    src, found = state.env.get("atoms", (None, {}))
    if src is not state.src:
        found = atoms(state.src)
        state.env["atoms"] = (state.src, found)
    atom = found.get(state.pos)
    if atom is None or atom.end > state.posMax:
        return False
    if not silent:
        if isinstance(atom, Math):
            token = state.push("math_inline", "", 0)
            token.content, token.meta = atom.source, {"display": atom.display}
        elif isinstance(atom, Tag):
            token = state.push("tag", atom.name, 0)
            token.content, token.meta = state.src[state.pos : atom.end], {"tag": atom}
        else:
            state.pending += state.src[state.pos : atom.end]
    state.pos = atom.end
    return True


def _emphasis(state: StateInline, silent: bool) -> bool:
    return _delimiters(state, silent, "*_", 1)


def _strikethrough(state: StateInline, silent: bool) -> bool:
    return _delimiters(state, silent, "~", 2)


def _delimiters(state: StateInline, silent: bool, signs: str, size: int) -> bool:
    from markdown_it.rules_inline.state_inline import Delimiter

    marker = state.src[state.pos]
    if silent or marker not in signs:
        return False
    can_open, can_close, count = _flanking(state, marker)
    if count < size:
        return False
    if count % size:
        state.push("text", "", 0).content = marker
    for _ in range(count // size):
        token = state.push("text", "", 0)
        token.content = marker * size
        # CommonMark's rule about multiples of 3 applies to emphasis only.
        length = count if size == 1 else 0
        state.delimiters.append(Delimiter(ord(marker), length, len(state.tokens) - 1, -1, can_open, can_close))
    state.pos += count
    return True


def _flanking(state: StateInline, marker: str) -> tuple[bool, bool, int]:
    """Return whether a delimiter run may open and close emphasis, and its length.

    In CommonMark, a delimiter next to punctuation is emphasis only if a space or other punctuation is on its other
    side. Chinese and Japanese do not use spaces, so a letter is enough there.
    """
    src, start = state.src, state.pos
    end = start
    while end < state.posMax and src[end] == marker:
        end += 1
    before = src[start - 1] if start > 0 else " "
    if before in _VARIANTS and start > 1:
        before = src[start - 2]
    behind = src[end] if end < state.posMax else " "
    spaced = (_is_space(before), _is_space(behind))
    if any(spaced):
        return not spaced[1], not spaced[0], end - start
    opens, closes = _is_punctuation(before), _is_punctuation(behind)
    if marker != "_":
        beside = _is_cjk(before) or _is_cjk(behind)
        opens, closes = opens or beside or not closes, closes or beside or not opens
    return opens, closes, end - start


_VARIANTS: Final = frozenset(map(chr, (*range(0xFE00, 0xFE0F), *range(0xE0100, 0xE01F0))))


def _is_space(sign: str) -> bool:
    return sign in "\t\n\v\f\r " or category(sign) == "Zs"


def _is_punctuation(sign: str) -> bool:
    return category(sign)[0] in "PS"


def _is_cjk(sign: str) -> bool:
    if ord(sign) < 0x1100:
        return False
    width = east_asian_width(sign)
    if width == "W":
        return not (category(sign) == "So" and "IDEOGRAPH" not in name(sign, "") and not 0x3000 <= ord(sign) < 0x3400)
    return width in "FH" or name(sign, "").startswith("HANGUL")
