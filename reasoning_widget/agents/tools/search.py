"""Full-text search in the files below a folder: SQLite's FTS5, which compares stems of words and ranks by BM25."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .files import Block, FileRefused, TextFile, printable, read_blocks, resolve, text_files

PASSAGE_CHARS: Final = 700
"""A passage ends with the line that reaches this length, or earlier at an empty line or before a heading."""
_MIN_PASSAGE_CHARS: Final = 200
_LINE_CHARS: Final = 400


@dataclass(frozen=True)
class Passage:
    """Consecutive lines of a file."""

    path: str
    lines: str
    """``12`` or ``12-18``; in a notebook ``cell 3, 1-4``."""
    text: str

    def __str__(self) -> str:
        return f"[{self.path}:{self.lines}]\n{self.text}"


def passages_of(path: str, blocks: Sequence[Block]) -> Iterator[Passage]:
    """Split the text of a file into passages."""
    for block in blocks:
        start, size = 0, 0
        lines = block.lines
        for index, line in enumerate(lines):
            size += len(line) + 1
            following = lines[index + 1] if index + 1 < len(lines) else None
            breaks = following is None or following.startswith("#") or not line.strip()
            if following is None or size >= PASSAGE_CHARS or (breaks and size >= _MIN_PASSAGE_CHARS):
                yield from _passage(path, block, start, index + 1)
                start, size = index + 1, 0


def _passage(path: str, block: Block, start: int, end: int) -> Iterator[Passage]:
    lines = block.lines
    while start < end and not lines[start].strip():
        start += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    if start < end:
        where = f"{start + 1}" if end == start + 1 else f"{start + 1}-{end}"
        yield Passage(path, block.label + where, "\n".join(line[:_LINE_CHARS] for line in lines[start:end]))


class Index:
    """The passages of the files below a folder. Files are read again only when they have changed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._files: dict[TextFile, list[Passage]] = {}
        self._passages: list[Passage] = []
        self._table = _table(self._passages)

    def __del__(self) -> None:
        self._table.close()

    def search(self, query: str, count: int = 3) -> list[Passage]:
        """Return the best matches for `query`, at most `count`; none if none of its words occurs."""
        with self._lock:
            self._refresh()
            any_word = " OR ".join(f'"{word}"' for word in dict.fromkeys(terms(query)))
            if not any_word:
                return []
            found = self._table.execute(
                "SELECT rowid FROM passages WHERE text MATCH ? ORDER BY rank, rowid LIMIT ?", (any_word, count)
            )
            return [self._passages[number] for (number,) in found]

    def _refresh(self) -> None:
        files = text_files(self._root)
        known = self._files
        if files == list(known):
            return
        read = {file: known[file] if file in known else self._read(file) for file in files}
        passages = [passage for each in read.values() for passage in each]
        table = _table(passages)
        self._table.close()
        self._files, self._passages, self._table = read, passages, table

    def _read(self, file: TextFile) -> list[Passage]:
        try:
            return list(passages_of(printable(file.path), read_blocks(resolve(self._root, file.path))))
        except FileRefused:
            return []


def _table(passages: Sequence[Passage]) -> sqlite3.Connection:
    """Return a database in memory with the words of each passage, numbered from 0."""
    table = sqlite3.connect(":memory:", check_same_thread=False)  # Index uses it in one thread at a time
    table.execute("CREATE VIRTUAL TABLE passages USING fts5(text, tokenize='porter unicode61')")
    table.executemany(
        "INSERT INTO passages (rowid, text) VALUES (?, ?)",
        ((number, " ".join(terms(f"{each.path} {each.text}"))) for number, each in enumerate(passages)),
    )
    return table


_indexes: dict[Path, Index] = {}
_indexes_lock = threading.Lock()


def index_of(root: Path) -> Index:
    """Return the index of this folder, of which a process has only one."""
    with _indexes_lock:
        return _indexes.setdefault(root.resolve(), Index(root.resolve()))


def terms(text: str) -> list[str]:
    """Return the words of a text, in lower case and without stop words, and the parts of names and numbers."""
    words = re.findall(r"[^\W_]+(?:[.,:][^\W_]+)*", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())
    parts = [part for word in words for part in dict.fromkeys((word, *re.split(r"[.,:]", word)))]
    return [part for part in parts if part not in _STOP_WORDS]


_STOP_TEXT: Final = (
    "a an and are as at be been but by can did do does for from had has have how i if in into is it its may me my no "
    "not of on or our shall should so such than that the their them then there these they this to us was we were what "
    "when where which who whom whose why will with would you your"
)
_STOP_WORDS: Final = frozenset(_STOP_TEXT.split())
