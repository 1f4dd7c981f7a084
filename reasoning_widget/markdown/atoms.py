"""What in a line of Markdown is read before all else: code, then formulas, then tags of HTML.

One pass over the text finds them, in time that grows with its length. `js/src/view/markdown/atoms.ts` does the same;
both are held to `tests/fixtures/markdown.json`.
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

# Between a tag's `<` and its end there is no other `<`: so that many of them take no longer than one.
_VALUE: Final = r"[^ \t\n\"'=<>`]+|'[^'<>]*'|\"[^\"<>]*\""
_TAG: Final = re.compile(
    r"<(/?)([A-Za-z][A-Za-z0-9]*)"
    rf"((?:[ \t\n]+[A-Za-z][A-Za-z0-9-]*(?:[ \t\n]*=[ \t\n]*(?:{_VALUE}))?)*)[ \t\n]*/?>"
)
_ATTRIBUTE: Final = re.compile(rf"([A-Za-z][A-Za-z0-9-]*)(?:[ \t\n]*=[ \t\n]*({_VALUE}))?")
_VALUELESS: Final = frozenset(("open", "reversed"))
"""Attributes without a value. Any other shows that it is no tag: ``a<b and c>d``."""

_CODE: Final = re.compile(r"\\|`+")
_SIGNS: Final = re.compile(r"\\.|\$+|[<\[\]]", re.DOTALL)
_MONEY: Final = re.compile(r"\d[\d.,]*(?:[kKmMbB]\b)?(?:[\s/,;:)\u2014\u2013-]|$)")
_MATH_CHARACTERS: Final = re.compile(r"[\\^_=+<>{}|*]")
_SHELL_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*\W$")
"""A shell's variable and the sign behind it: ``$HOME:$(pwd)``."""


class Math(NamedTuple):
    """A formula."""

    end: int
    source: str
    """With its delimiters."""
    display: bool


class Tag(NamedTuple):
    """A tag that has its partner, or needs none."""

    end: int
    name: str
    closes: bool
    attributes: dict[str, str]


class Sign(NamedTuple):
    """A bracket without a partner: nothing but itself."""

    end: int


Atom = Math | Tag | Sign


def atoms(text: str) -> dict[int, Atom]:
    """The formulas, the tags and the brackets without a partner of a text, by where they begin."""
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
    """The spans of code, from their first sign to behind their last."""
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
    """What may begin or end something, outside of code."""
    at = 0
    for start, end in [*code, (len(text), len(text))]:
        while (sign := _SIGNS.search(text, at, start)) is not None:
            yield sign.start(), sign[0]
            at = sign.end()
        at = end


def _formulas(text: str, code: list[tuple[int, int]], signs: list[tuple[int, str]]) -> Iterator[tuple[int, Math]]:
    closing: dict[int, int] = {}  # by the index of a sign: that of the next one that may close a formula
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
            continue  # code is code, also where it begins within what might be a formula
        if opening[0] == "$" and not (len(opening) == len(closer) < 3):
            continue
        end_here = last + len(closer)
        if opening == "$" and not _is_formula(text[max(0, at - 1) : at], inner, text[end_here : end_here + 1]):
            continue
        end = end_here
        yield at, Math(end, text[at:end], opening in ("$$", "\\["))


def _is_formula(before: str, inner: str, behind: str) -> bool:
    """Whether what stands between two single dollar signs is a formula: not money, and no variables of a shell."""
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
    """The tags that have their partner, or need none."""
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
