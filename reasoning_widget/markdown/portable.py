"""Convert the dialect to Markdown that Jupyter and other renderers show in the same way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from .dialect import count_signs, dialect
from .tex import TooCostly, is_costly, mathml, tex_of

if TYPE_CHECKING:
    from markdown_it.token import Token

MAX_SIGNS: Final = 1000
"""The most possible markup characters in a paragraph: lower than the dialect's, as other renderers are slower."""
MAX_LEVEL: Final = 12
"""The deepest nesting of quotes and lists."""

_Edit = tuple[int, int, str]


def to_portable(text: str) -> str:
    """Write formulas between ``$`` or ``$$``, and escape dollar signs that other renderers would take for formulas.

    Raises:
        TooCostly: Rendering the text might take very long, or crash the page.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    starts = [0, *(found.end() for found in re.finditer("\n", text)), len(text)]
    edits: list[_Edit] = []
    cursor, region = 0, (0, 0)
    for token in dialect().parse(text, {}):
        if token.type in ("source", "source_inline") or token.level > 2 * MAX_LEVEL:
            raise TooCostly
        if token.map:
            region = (token.map[0], token.map[1])
            cursor = max(cursor, starts[region[0]])
        if token.type not in ("inline", "math_block", "html"):
            continue
        _check_cost(token)
        made, cursor = _edits(token, text, cursor, starts[region[1]])
        edits += made
    for begin, end, new in reversed(edits):
        text = text[:begin] + new + text[end:]
    return text


def _check_cost(token: Token) -> None:
    if count_signs(token.content) > MAX_SIGNS:
        raise TooCostly
    if token.type == "math_block":
        mathml(tex_of(token.content), display=True)
    for child in token.children or ():
        if child.type == "math_inline":
            mathml(tex_of(child.content), display=child.meta["display"])
    if ("\\begin" in token.content or token.content.count("$") > 1) and is_costly(token.content):
        raise TooCostly  # other renderers find formulas in other places, too


def _edits(token: Token, text: str, cursor: int, limit: int) -> tuple[list[_Edit], int]:
    """Return the edits of a block, and its end. Its parts are located one after the other."""
    edits: list[_Edit] = []
    for kind, wanted in _inline_parts(token):
        pattern = wanted if kind == "code" else r"\n[ \t>]*".join(map(re.escape, wanted.split("\n")))
        found = re.compile(pattern).search(text, cursor, limit)
        if found is None:
            continue
        begin, cursor = found.span()
        if kind == "math" and (new := _with_dollars(found[0])) != found[0]:
            edits.append((begin, cursor, new))
        elif kind == "dollar" and text.count("$") > 1 and not _is_escaped(text, begin):
            edits.append((begin, cursor, "\\$"))
    return edits, cursor


def _inline_parts(token: Token) -> Iterator[tuple[str, str]]:
    if token.type == "math_block":
        yield "math", token.content
    children: Sequence[Any] = token.children or ()
    for child in children:
        if child.type == "math_inline":
            yield "math", child.content
        elif child.type == "code_inline":
            yield "code", f"(?s)(?<!`){child.markup}(?!`).*?(?<!`){child.markup}(?!`)"
        elif child.type == "tag":
            yield "tag", child.content
        elif child.type == "text":
            for sign in re.findall("[$`]", child.content):
                yield "dollar" if sign == "$" else "sign", sign


def _with_dollars(source: str) -> str:
    tex = tex_of(source)
    if "$" in tex or source.startswith("$"):
        return source
    return f"$${tex}$$" if source.startswith("\\[") else f"${tex.strip()}$"


def _is_escaped(text: str, at: int) -> bool:
    before = text[max(0, at - 50) : at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1
