"""Find secrets in the columns of tables by the titles of the columns."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Final

from .names import is_secret_cell, is_secret_name, is_secret_value, label_for
from .secret import Secret

_WORDS: Final = re.compile(r"[^\s\0]+")
_MAX_ROWS: Final = 2_000
_DECORATION: Final = " \t*_`\"'\0"


def find_in_tables(text: str, names: list[re.Match[str]]) -> Iterator[Secret]:
    """Find the secrets in columns whose titles name secrets.

    Args:
        text: The text.
        names: The matches of secrets' names in the text.
    """
    searched = 0
    for found in names:
        if found.start() < searched:
            continue
        start = text.rfind("\n", max(0, found.start() - 1_000), found.start()) + 1
        if start == 0 and found.start() > 1_000:
            continue
        end = text.find("\n", found.end(), found.end() + 1_000)
        if end < 0:
            continue
        searched = end
        header = text[start:end]
        for separator in ("|", "\t", ",", ";"):
            titles = [title.strip(_DECORATION) for title in header.split(separator)]
            if len(titles) > 1 and (separator in "|\t" or all(titles)) and any(map(_is_title, titles)):
                stop = yield from _find_in_columns(text, end + 1, separator, titles)
                searched = max(searched, stop)
                break
        else:
            stop = yield from _find_in_aligned_columns(text, end + 1, header)
            searched = max(searched, stop)


def _is_title(title: str) -> bool:
    return len(title) < 60 and re.fullmatch(r"[\w .-]*", title) is not None and is_secret_name(title)


def _lines(text: str, at: int) -> Iterator[tuple[int, str]]:
    for _ in range(_MAX_ROWS):
        if at >= len(text):
            return
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        yield at, text[at:end]
        at = end + 1


def _find_in_columns(text: str, at: int, separator: str, titles: list[str]) -> Generator[Secret, None, int]:
    """Find the secrets in a table with a separator. Returns the end of the table."""
    secret_columns = [number for number, title in enumerate(titles) if _is_title(title)]
    for start, line in _lines(text, at):
        cells = line.split(separator)
        last = len(cells) < len(titles) and start + len(line) == len(text)  # the text is cut off here
        if len(cells) != len(titles) and not last:
            return start
        for number in secret_columns:
            if number >= len(cells):
                continue
            cell = cells[number].rstrip("\r")
            value = cell.strip(_DECORATION)
            title = titles[number]
            label = label_for(title)
            may_be_word = value.isalpha() and label == "password" and separator != "|"
            if value and ((may_be_word and is_secret_value(title, value)) or is_secret_cell(title, value)):
                begin = start + sum(len(other) + 1 for other in cells[:number]) + cell.index(value)
                yield Secret(begin, begin + len(value), label)
        at = start + len(line) + 1
    return at


def _find_in_aligned_columns(text: str, at: int, header: str) -> Generator[Secret, None, int]:
    """Find the secrets in columns aligned with spaces, such as printed data frames. Returns the end of the table."""
    titles = list(_WORDS.finditer(header))
    secret_columns = [title for title in titles if _is_title(title[0])]
    if len(titles) < 2 or not secret_columns or not re.search(r"\s{2,}", header) or re.search(r"[.:=(]", header):
        return at
    for start, line in _lines(text, at):
        words = list(_WORDS.finditer(line))
        if not len(titles) <= len(words) <= len(titles) + 1:
            return start
        for title in secret_columns:
            for word in words:
                aligned = word.end() == title.end() or word.start() == title.start()
                if aligned and is_secret_cell(title[0], word[0]):
                    yield Secret(start + word.start(), start + word.end(), label_for(title[0]))
        at = start + len(line) + 1
    return at
