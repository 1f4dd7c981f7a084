"""Full-text search in the files below a folder, ranked by BM25."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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
        self._ranking: Any = None
        self._vocabulary: set[str] = set()

    def search(self, query: str, count: int = 3) -> list[Passage]:
        """Return the best matches for `query`, at most `count`; none if none of its words occurs."""
        with self._lock:
            self._refresh()
            words = [word for word in terms(query) if word in self._vocabulary]
            if not words:
                return []
            found, scores = self._ranking.retrieve(
                [words], k=min(count, len(self._passages)), show_progress=False, n_threads=0
            )
            return [self._passages[i] for i, score in zip(found[0], scores[0], strict=True) if score > 0]

    def _refresh(self) -> None:
        files = text_files(self._root)
        if files == list(self._files):
            return
        known = self._files
        self._files = {file: known[file] if file in known else self._read(file) for file in files}
        self._passages = [passage for passages in self._files.values() for passage in passages]
        corpus = [terms(f"{passage.path} {passage.text}") for passage in self._passages]
        self._vocabulary = {word for document in corpus for word in document}
        if self._vocabulary:
            import bm25s  # loads numpy

            self._ranking = bm25s.BM25()
            self._ranking.index(corpus, show_progress=False)

    def _read(self, file: TextFile) -> list[Passage]:
        try:
            return list(passages_of(printable(file.path), read_blocks(resolve(self._root, file.path))))
        except FileRefused:
            return []


_indexes: dict[Path, Index] = {}
_indexes_lock = threading.Lock()


def index_of(root: Path) -> Index:
    """Return the index of this folder, of which a process has only one."""
    with _indexes_lock:
        return _indexes.setdefault(root.resolve(), Index(root.resolve()))


def terms(text: str) -> list[str]:
    """Return the words of a text in the form in which they are compared: lower-case stems, also of name parts."""
    words = re.findall(r"[^\W_]+(?:[.,:][^\W_]+)*", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())
    parts = [part for word in words for part in {word, *re.split(r"[.,:]", word)}]
    stemmer = _stemmer()
    return [stemmer.stemWord(part) for part in parts if part not in _STOP_WORDS]


_STOP_TEXT: Final = (
    "a an and are as at be been but by can did do does for from had has have how i if in into is it its may me my no "
    "not of on or our shall should so such than that the their them then there these they this to us was we were what "
    "when where which who whom whose why will with would you your"
)
_STOP_WORDS: Final = frozenset(_STOP_TEXT.split())
_local = threading.local()


def _stemmer() -> Any:
    """Return the stemmer of this thread: it is not thread-safe."""
    if not hasattr(_local, "stemmer"):
        import snowballstemmer

        _local.stemmer = snowballstemmer.stemmer("english")
    return _local.stemmer
