"""Taking what was deleted off the disk: in small steps, so that nobody waits for it.

A deleted session has lost its name (see `schema`). Its rows are removed and written over, the words of the search index
are merged away, the file gives its free pages back, and the write-ahead log, which still has them, is cut to nothing.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from typing import Final

_ROWS: Final = {
    # By table: the rest of its key, and how many rows go at once. Removing a passage rewrites the index.
    "passage": ("id", 4),
    "event": ("seq", 64),
    "open_text": ("step_id", 64),
    "blob": ("sha256", 1),
}
_PAGES: Final = 64  # pages of the file at once
_MERGED: Final = 32  # pages of the index that are written at once
_FEW: Final = 256  # passages; after fewer it is not worth while to write the index anew
_AUTOMERGE: Final = 4  # https://www.sqlite.org/fts5.html#the_automerge_configuration_option
_SMALL_INDEX: Final = 1000  # pages; such an index is merged whenever something was deleted
_MERGE_EVERY: Final = 3600.0  # seconds; a larger one no more often than this, because all of it is written anew


class Purge:
    """What there is to remove from a database in a file.

    Args:
        db: The database, in autocommit mode.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._wal_has_more = True
        self._index_has_more = False
        self._merging = False
        self._merged: float | None = None
        self._merges_itself: bool | None = None  # None: whoever had the file before may have left it either way
        self._removed = 0  # passages, since the index was written anew
        self._half: int | None = None  # about half of the passages that were in it then

    def steps(self) -> Iterator[None]:
        """Do it, a few milliseconds at a time; it ends when nothing is left that can be done now."""
        yield from self._rows()
        yield from self._index()
        yield from self._pages()
        self._cut_wal()

    def rows(self) -> None:
        """Remove the rows alone, all of them: enough where there is no file."""
        for _ in self._rows():
            pass

    def _rows(self) -> Iterator[None]:
        """In the index, a passage that is removed stands twice until both are merged away.

        One step of a merge writes so many pages, and reads whatever leaves nothing to be written. So it is not left to
        itself, and the index is written anew each time that half of what was in it is gone.
        """
        while row := self._db.execute("SELECT id FROM session WHERE name IS NULL LIMIT 1").fetchone():
            self._let_merge_itself(False)
            if self._merging:
                yield from self._write_index()
            for table, (key, count) in _ROWS.items():
                while removed := self._remove(table, key, count, row[0]):
                    yield
                    if table == "passage":
                        self._removed += removed
                        self._merge(_MERGED)
                        yield
                        if self._is_half_gone():
                            yield from self._write_index()
            self._db.execute("DELETE FROM session WHERE id = ?", row)
            self._wal_has_more = self._index_has_more = True
            yield
        self._let_merge_itself(True)

    def _let_merge_itself(self, yes: bool) -> None:
        """Whether the index merges what is written to it; it does unless something is being removed."""
        if self._merges_itself is not yes:
            if self._merges_itself is not None or not yes or self._is_left_to_us():
                value = _AUTOMERGE if yes else 0
                self._db.execute("INSERT INTO passage_index (passage_index, rank) VALUES ('automerge', ?)", (value,))
            self._merges_itself = yes

    def _is_left_to_us(self) -> bool:
        return bool(self._db.execute("SELECT 1 FROM passage_index_config WHERE k = 'automerge' AND v = 0").fetchone())

    def _is_half_gone(self) -> bool:
        if self._removed < _FEW:
            return False
        if self._half is None:
            (passages,) = self._db.execute("SELECT total(messages + steps) FROM session").fetchone()
            self._half = int(passages) // 2
        return self._removed >= self._half

    def _remove(self, table: str, key: str, count: int, session_id: str) -> int:
        chosen = f"SELECT {key} FROM {table} WHERE session_id = ?1 LIMIT {count}"
        removed = self._db.execute(
            f"DELETE FROM {table} WHERE session_id = ?1 AND {key} IN ({chosen})",
            (session_id,),
        )
        return removed.rowcount

    def _index(self) -> Iterator[None]:
        """What was deleted stays in the index until the part that has it is merged."""
        if not self._merging:
            if not self._index_has_more or not self._may_merge():
                return
            self._index_has_more = False
        yield from self._write_index()
        self._merged = time.monotonic()

    def _write_index(self) -> Iterator[None]:
        """Write all of the index anew, or go on with it."""
        if not self._merging:
            self._merging = True
            self._merge(-_MERGED)
            yield
        while self._merge(_MERGED):
            yield
        self._merging = False
        self._removed = 0
        self._half = None

    def _may_merge(self) -> bool:
        if self._merged is None or time.monotonic() - self._merged >= _MERGE_EVERY:
            return True
        some = f"SELECT 1 FROM passage_index_data LIMIT {_SMALL_INDEX}"
        (pages,) = self._db.execute(f"SELECT count(*) FROM ({some})").fetchone()
        return int(pages) < _SMALL_INDEX

    def _merge(self, pages: int) -> bool:
        """Merge so many pages; whether there may be more (https://www.sqlite.org/fts5.html#the_merge_command)."""
        before = self._db.total_changes
        self._db.execute("INSERT INTO passage_index (passage_index, rank) VALUES ('merge', ?)", (pages,))
        self._wal_has_more = True
        return self._db.total_changes - before >= 2

    def _pages(self) -> Iterator[None]:
        while (free := self._free_pages()) > 0:
            self._db.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
            if self._free_pages() == free:
                return  # a database that could not be converted
            self._wal_has_more = True
            yield

    def _free_pages(self) -> int:
        return int(self._db.execute("PRAGMA freelist_count").fetchone()[0])

    def _cut_wal(self) -> None:
        """Unless somebody reads what is in it: then it is tried again the next time."""
        if self._wal_has_more:
            (patience,) = self._db.execute("PRAGMA busy_timeout").fetchone()
            self._db.execute("PRAGMA busy_timeout = 0")
            try:
                busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._db.execute(f"PRAGMA busy_timeout = {patience}")
            self._wal_has_more = bool(busy)
