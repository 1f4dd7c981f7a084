"""Removes deleted data from the disk, in steps of a few milliseconds, so that nothing else has to wait.

A deleted session has no name any more (see `schema`). Its rows are deleted and overwritten, its words are removed from
the search index by merging, free pages are returned to the file system, and the write-ahead log is truncated.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from typing import Final

_ROWS: Final = {
    # By table: the second column of its key, and the number of rows deleted in one step. A passage changes the index.
    "passage": ("id", 4),
    "event": ("seq", 64),
    "open_text": ("step_id", 64),
    "blob": ("sha256", 1),
}
_PAGES: Final = 64  # pages of the file, in one step
_MERGED: Final = 32  # pages of the index that are written in one step
_FEW: Final = 256  # passages; rewriting the index for fewer is not worthwhile
_AUTOMERGE: Final = 4  # https://www.sqlite.org/fts5.html#the_automerge_configuration_option
_SMALL_INDEX: Final = 1000  # pages; an index up to this size is merged after each deletion
_MERGE_EVERY: Final = 3600.0  # seconds between two merges of a larger one, because a merge rewrites all of it


class Purge:
    """Removes the deleted data of one database.

    Args:
        db: The database, in autocommit mode.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._wal_has_more = True
        self._index_has_more = False
        self._merging = False
        self._merged: float | None = None
        self._automerges: bool | None = None  # None: unknown, because another process may have changed it
        self._removed = 0  # passages, since the index was last rewritten
        self._half: int | None = None  # about half of the passages that it contained then

    def steps(self) -> Iterator[None]:
        """Remove everything that can be removed now; each iteration takes a few milliseconds."""
        yield from self._rows()
        yield from self._index()
        yield from self._pages()
        self._cut_wal()

    def rows(self) -> None:
        """Remove only the rows, all at once. That is enough for a database in memory."""
        for _ in self._rows():
            pass

    def _rows(self) -> Iterator[None]:
        """Delete the rows of deleted sessions.

        In the index, a deleted passage has two entries until a merge removes both. A merge step is limited in the pages
        that it writes, but not in those that it reads, and removed entries are only read. So automatic merging is off
        meanwhile, and the index is rewritten whenever half of its passages have been deleted.
        """
        while row := self._db.execute("SELECT id FROM session WHERE name IS NULL LIMIT 1").fetchone():
            self._set_automerge(False)
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
        self._set_automerge(True)

    def _set_automerge(self, on: bool) -> None:
        """Set whether the index merges by itself what is written to it. It does, except during deletions."""
        if self._automerges is not on:
            if self._automerges is not None or not on or self._is_automerge_off():
                value = _AUTOMERGE if on else 0
                self._db.execute("INSERT INTO passage_index (passage_index, rank) VALUES ('automerge', ?)", (value,))
            self._automerges = on

    def _is_automerge_off(self) -> bool:
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
        """Remove deleted words from the index: they stay until the segment with them is merged."""
        if not self._merging:
            if not self._index_has_more or not self._may_merge():
                return
            self._index_has_more = False
        yield from self._write_index()
        self._merged = time.monotonic()

    def _write_index(self) -> Iterator[None]:
        """Rewrite the whole index, or continue to do so."""
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
        """Merge until `pages` pages are written, and return whether there may be more to merge.

        See https://www.sqlite.org/fts5.html#the_merge_command.
        """
        before = self._db.total_changes
        self._db.execute("INSERT INTO passage_index (passage_index, rank) VALUES ('merge', ?)", (pages,))
        self._wal_has_more = True
        return self._db.total_changes - before >= 2

    def _pages(self) -> Iterator[None]:
        while (free := self._free_pages()) > 0:
            self._db.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
            if self._free_pages() == free:
                return  # it was created without incremental vacuum, and could not be converted
            self._wal_has_more = True
            yield

    def _free_pages(self) -> int:
        return int(self._db.execute("PRAGMA freelist_count").fetchone()[0])

    def _cut_wal(self) -> None:
        """Truncate the write-ahead log; if another connection is reading from it, the next call tries again."""
        if self._wal_has_more:
            (patience,) = self._db.execute("PRAGMA busy_timeout").fetchone()
            self._db.execute("PRAGMA busy_timeout = 0")
            try:
                busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._db.execute(f"PRAGMA busy_timeout = {patience}")
            self._wal_has_more = bool(busy)
