"""Secrets in the columns of tables, where the title says that they are."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Final

from .found import Secret
from .words import is_alone, is_secret, names_secret, word_for

_WORDS: Final = re.compile(r"[^\s\0]+")
_ROWS: Final = 2_000
_MARKS: Final = " \t*_`\"'\0"


def in_tables(text: str, names: list[re.Match[str]]) -> Iterator[Secret]:
    """The secrets in columns whose titles say so.

    Args:
        text: The text.
        names: Where in it the names of secrets are.
    """
    seen = 0
    for found in names:
        if found.start() < seen:
            continue
        start = text.rfind("\n", max(0, found.start() - 1_000), found.start()) + 1
        if start == 0 and found.start() > 1_000:
            continue
        end = text.find("\n", found.end(), found.end() + 1_000)
        if end < 0:
            continue
        seen = end
        header = text[start:end]
        for sign in ("|", "\t", ",", ";"):
            titles = [title.strip(_MARKS) for title in header.split(sign)]
            if len(titles) > 1 and (sign in "|\t" or all(titles)) and any(map(_is_title, titles)):
                stop = yield from _in_columns(text, end + 1, sign, titles)
                seen = max(seen, stop)
                break
        else:
            stop = yield from _in_aligned(text, end + 1, header)
            seen = max(seen, stop)


def _is_title(title: str) -> bool:
    return len(title) < 60 and re.fullmatch(r"[\w .-]*", title) is not None and names_secret(title)


def _lines(text: str, at: int) -> Iterator[tuple[int, str]]:
    for _ in range(_ROWS):
        if at >= len(text):
            return
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        yield at, text[at:end]
        at = end + 1


def _in_columns(text: str, at: int, sign: str, titles: list[str]) -> Generator[Secret, None, int]:
    """The secrets in a table's columns whose titles say so. Returns where the table ends."""
    secret = [number for number, title in enumerate(titles) if _is_title(title)]
    for start, line in _lines(text, at):
        cells = line.split(sign)
        last = len(cells) < len(titles) and start + len(line) == len(text)  # where it breaks off
        if len(cells) != len(titles) and not last:
            return start
        for number in secret:
            if number >= len(cells):
                continue
            cell = cells[number].rstrip("\r")
            value = cell.strip(_MARKS)
            word = word_for(titles[number])
            is_word = value.isalpha() and word == "password" and sign != "|" and is_secret(titles[number], value)
            if value and (is_word or is_alone(titles[number], value)):
                begin = start + sum(len(other) + 1 for other in cells[:number]) + cell.index(value)
                yield Secret(begin, begin + len(value), word)
        at = start + len(line) + 1
    return at


def _in_aligned(text: str, at: int, header: str) -> Generator[Secret, None, int]:
    """The secrets in columns that only spaces part, as data frames are printed. Returns where the table ends."""
    titles = list(_WORDS.finditer(header))
    secret = [title for title in titles if _is_title(title[0])]
    if len(titles) < 2 or not secret or not re.search(r"\s{2,}", header) or re.search(r"[.:=(]", header):
        return at
    for start, line in _lines(text, at):
        words = list(_WORDS.finditer(line))
        if not len(titles) <= len(words) <= len(titles) + 1:
            return start
        for title in secret:
            for word in words:
                aligned = word.end() == title.end() or word.start() == title.start()
                if aligned and is_alone(title[0], word[0]):
                    yield Secret(start + word.start(), start + word.end(), word_for(title[0]))
        at = start + len(line) + 1
    return at
