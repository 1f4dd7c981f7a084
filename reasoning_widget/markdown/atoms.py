"""Parse the parts of Markdown that take precedence over all others: code, then formulas, then HTML tags.

One pass over the text finds them, in linear time. `js/src/view/markdown/atoms.ts` is the same parser in TypeScript;
`tests/fixtures/markdown.json` tests both.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

INLINE_TAGS: Final = frozenset(
    [
        "a",
        "abbr",
        "b",
        "br",
        "code",
        "del",
        "dfn",
        "em",
        "i",
        "img",
        "ins",
        "kbd",
        "mark",
        "q",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "u",
        "var",
        "wbr",
    ]
)
BLOCK_TAGS: Final = frozenset(
    [
        "blockquote",
        "caption",
        "col",
        "colgroup",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_VOID: Final = frozenset(("br", "col", "hr", "img", "wbr"))

# No `<` is allowed within a tag, so that a text with many of them is parsed in linear time.
_VALUE: Final = r"[^ \t\n\"'=<>`]+|'[^'<>]*'|\"[^\"<>]*\""
_TAG: Final = re.compile(
    r"<(/?)([A-Za-z][A-Za-z0-9]*)"
    rf"((?:[ \t\n]+[A-Za-z][A-Za-z0-9-]*(?:[ \t\n]*=[ \t\n]*(?:{_VALUE}))?)*)[ \t\n]*/?>"
)
_ATTRIBUTE: Final = re.compile(rf"([A-Za-z][A-Za-z0-9-]*)(?:[ \t\n]*=[ \t\n]*({_VALUE}))?")
_VALUELESS: Final = frozenset(("open", "reversed"))
"""Attributes without a value. Any other attribute without one means that the text is not a tag: ``a<b and c>d``."""

_CODE: Final = re.compile(r"\\|`+")
_SIGNS: Final = re.compile(r"\\.|\$+|[<\[\]]", re.DOTALL)
_MONEY: Final = re.compile(r"\d[\d.,]*(?:[kKmMbB]\b)?(?:[\s/,;:)\u2014\u2013-]|$)")
_MATH_CHARACTERS: Final = re.compile(r"[\\^_=+<>{}|*]")
_SHELL_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*\W$")
"""A shell variable and the character after it: ``$HOME:$(pwd)``."""


class Math(NamedTuple):
    """A formula."""

    end: int
    source: str
    """The formula with its delimiters."""
    display: bool


class Tag(NamedTuple):
    """A tag with its counterpart, or one that needs none."""

    end: int
    name: str
    closes: bool
    attributes: dict[str, str]


class Sign(NamedTuple):
    """A bracket without a counterpart, which is plain text."""

    end: int


Atom = Math | Tag | Sign


def atoms(text: str) -> dict[int, Atom]:
    """Find the formulas, the tags and the unmatched brackets of a text, by their start positions."""
    code = list(_code(text))
    signs = list(_signs(text, code))
    found: dict[int, Atom] = dict(_formulas(text, code, signs))
    tags: dict[int, Tag] = {}
    brackets: list[int] = []
    end = 0
    for at, sign in signs:
        if at < end:
            continue
        known = found.get(at)
        if known is not None:
            end = known.end
        elif sign == "<" and (tag := _tag(text, at)) is not None:
            tags[at] = tag
            end = tag.end
        elif sign == "[":
            brackets.append(at)
        elif sign == "]" and brackets:
            brackets.pop()
    for at in brackets:
        picture = at > 0 and text[at - 1] == "!"
        found[at - picture] = Sign(at + 1)
        found[at] = Sign(at + 1)
    return found | _matched(tags)


def _code(text: str) -> Iterator[tuple[int, int]]:
    """Yield the code spans of a text, with their delimiters."""
    places: dict[int, list[int]] = defaultdict(list)
    for run in re.finditer("`+", text):
        places[len(run[0])].append(run.start())
    at = 0
    while (sign := _CODE.search(text, at)) is not None:
        if sign[0] == "\\":
            at = sign.end() + 1
            continue
        at = sign.end()
        later = places.get(len(sign[0]), [])
        closing = bisect_left(later, at)
        if closing < len(later):
            at = later[closing] + len(sign[0])
            yield sign.start(), at


def _signs(text: str, code: list[tuple[int, int]]) -> Iterator[tuple[int, str]]:
    """Yield the possible delimiters outside of code, with their positions."""
    at = 0
    for start, end in [*code, (len(text), len(text))]:
        while (sign := _SIGNS.search(text, at, start)) is not None:
            yield sign.start(), sign[0]
            at = sign.end()
        at = end


def _formulas(text: str, code: list[tuple[int, int]], signs: list[tuple[int, str]]) -> Iterator[tuple[int, Math]]:
    closing: dict[int, int] = {}  # index of an opening delimiter -> index of the next possible closing one
    nearest: dict[str, int] = {}
    for index in range(len(signs) - 1, -1, -1):
        kind = signs[index][1][:1] if signs[index][1][0] == "$" else signs[index][1]
        wanted = {"$": "$", "\\(": "\\)", "\\[": "\\]"}.get(kind)
        if wanted in nearest:
            closing[index] = nearest[wanted]
        if kind in ("$", "\\)", "\\]"):
            nearest[kind] = index
    starts = [start for start, _ in code]
    end = 0
    for index, other in sorted(closing.items()):
        (at, opening), (last, closer) = signs[index], signs[other]
        if at < end or opening[0] == "$" != closer[0]:
            continue
        inner = text[at + len(opening) : last]
        crossed = bisect_left(starts, at)
        if not inner.strip() or (crossed < len(starts) and starts[crossed] < last):
            continue  # code takes precedence, even if it starts within a possible formula
        if opening[0] == "$" and not (len(opening) == len(closer) < 3):
            continue
        end_here = last + len(closer)
        if opening == "$" and not _is_formula(text[max(0, at - 1) : at], inner, text[end_here : end_here + 1]):
            continue
        end = end_here
        yield at, Math(end, text[at:end], opening in ("$$", "\\["))


def _is_formula(before: str, inner: str, behind: str) -> bool:
    """Whether the text between two single dollar signs is a formula, not amounts of money or shell variables."""
    if "\n" in inner or inner[0].isspace() or inner[-1].isspace():
        return False
    if _is_word_character(before) or _is_word_character(behind):
        return False
    if behind == "{" or (behind == "(" and (inner[0] == "(" or _SHELL_VARIABLE.match(inner))):
        return False
    return not (_MONEY.match(inner) and not inner.isdecimal() and not _MATH_CHARACTERS.search(inner))


def _is_word_character(sign: str) -> bool:
    return sign.isascii() and (sign.isalnum() or sign == "_")


def _tag(text: str, at: int) -> Tag | None:
    found = _TAG.match(text, at)
    if found is None:
        return None
    closes, name, written = bool(found[1]), found[2].lower(), found[3]
    if name not in INLINE_TAGS and name not in BLOCK_TAGS:
        return None
    attributes: dict[str, str] = {}
    for attribute in _ATTRIBUTE.finditer(written):
        key, value = attribute[1].lower(), attribute[2]
        if closes or (value is None and key not in _VALUELESS):
            return None
        attributes.setdefault(key, (value or "").strip("'\""))
    return Tag(found.end(), name, closes, attributes)


def _matched(tags: dict[int, Tag]) -> dict[int, Tag]:
    """Keep the tags that have a counterpart or need none."""
    kept: dict[int, Tag] = {}
    opened: list[int] = []
    count: dict[str, int] = defaultdict(int)
    for at, tag in tags.items():
        if tag.name in _VOID:
            if not tag.closes:
                kept[at] = tag
        elif not tag.closes:
            opened.append(at)
            count[tag.name] += 1
        elif count[tag.name]:
            while True:
                begin = opened.pop()
                count[tags[begin].name] -= 1
                if tags[begin].name == tag.name:
                    break
            kept[begin], kept[at] = tags[begin], tag
    return kept
