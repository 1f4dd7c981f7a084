"""The event log in SQLite: in memory beside a kernel, in a file where sessions must outlive the process."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ..fold import is_open
from ..protocol import JSON, Frame
from .catalogue import catalogued, passages_of
from .log import EventLog, LogConflict, LogPosition, OpenText, StorageError
from .schema import MIGRATIONS, SCHEMA_VERSION

IN_MEMORY: Final = ":memory:"

_PUT_BLOB: Final = "INSERT OR IGNORE INTO blob VALUES (?, ?, ?)"
_MAGIC: Final = b"SQLite format 3\x00"
_VERSION_AT: Final = slice(60, 64)
"""Where a database's header holds its `user_version` (https://www.sqlite.org/fileformat.html#the_database_header)."""


class SQLiteLog(EventLog):
    """An `EventLog` in an SQLite database.

    Args:
        path: The file, made if absent; ``":memory:"`` for one that ends with the process.

    Raises:
        StorageError: The file is no database, is damaged, cannot be written, or was written by a newer version. It is
            left untouched.
    """

    def __init__(self, path: str | Path = IN_MEMORY) -> None:
        self._path = str(path)
        if self._path != IN_MEMORY:
            _check_header(Path(path))
        with self._in_words():
            # One loop uses it, but not always from the thread that made it.
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            self._prepare()
        except StorageError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        with self._in_words():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            _check_version(self._path, version)
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
        for number in range(version + 1, SCHEMA_VERSION + 1):
            with self._transaction():
                MIGRATIONS[number](self._db)
                self._db.execute(f"PRAGMA user_version = {number}")

    def position(self, session_id: str) -> LogPosition | None:
        """See `EventLog`."""
        with self._in_words():
            row = self._db.execute("SELECT epoch, last_seq FROM session WHERE id = ?", (session_id,)).fetchone()
        return LogPosition(*row) if row else None

    def begin(self, session_id: str, epoch: str) -> None:
        """See `EventLog`."""
        now = time.time()
        with self._transaction():
            self._db.execute("DELETE FROM session WHERE id = ?", (session_id,))
            self._db.execute(
                "INSERT INTO session (id, epoch, last_seq, created, updated) VALUES (?, ?, 0, ?, ?)",
                (session_id, epoch, now, now),
            )

    def delete(self, session_id: str) -> None:
        """See `EventLog`."""
        with self._transaction():
            self._db.execute("DELETE FROM session WHERE id = ?", (session_id,))

    def append(
        self,
        session_id: str,
        expected_last_seq: int,
        events: list[Frame],
        blobs: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """See `EventLog`."""
        values = [(session_id, sha256, msgspec.json.encode(value)) for sha256, value in blobs.items()]
        rows = [(session_id, event["seq"], msgspec.json.encode(event)) for event in events]
        with self._transaction():
            updated = self._db.execute(
                """
                UPDATE session SET
                    last_seq = :last_seq, updated = :now, title = coalesce(:title, title),
                    messages = messages + :messages, runs = runs + :runs, steps = steps + :steps,
                    pending = pending + :pending, agent_name = coalesce(:agent_name, agent_name),
                    status = coalesce(:status, status)
                WHERE id = :id AND last_seq = :expected
                """,
                {
                    "id": session_id,
                    "expected": expected_last_seq,
                    "last_seq": expected_last_seq + len(rows),
                    "now": time.time(),
                    **catalogued(events),
                },
            )
            if updated.rowcount != 1:
                msg = f"the log of session {session_id} does not end at event {expected_last_seq}"
                raise LogConflict(msg)
            self._db.executemany("INSERT INTO event VALUES (?, ?, ?)", rows)
            self._db.executemany(_PUT_BLOB, values)
            closed = [(session_id, step["id"]) for step in _steps_of(events) if not is_open(step)]
            self._db.executemany("DELETE FROM open_text WHERE session_id = ? AND step_id = ?", closed)
            if self._path != IN_MEMORY:  # nobody searches there
                passages = ((session_id, text) for event in events for text in passages_of(event))
                self._db.executemany("INSERT INTO passage (session_id, text) VALUES (?, ?)", passages)

    def read(self, session_id: str, after: int = 0, limit: int | None = None) -> list[Frame]:
        """See `EventLog`."""
        query = "SELECT frame FROM event WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        with self._in_words():
            rows = self._db.execute(query, (session_id, after, -1 if limit is None else limit))
            return [msgspec.json.decode(frame) for (frame,) in rows]

    def save_open_text(self, session_id: str, texts: OpenText) -> None:
        """See `EventLog`."""
        rows = [(session_id, *key, *value) for key, value in texts.items()]
        # What the operating system was given outlives the process; for what comes each second that is enough.
        with self._in_words():
            self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            with self._transaction():
                self._db.execute("DELETE FROM open_text WHERE session_id = ?", (session_id,))
                self._db.executemany("INSERT INTO open_text VALUES (?, ?, ?, ?, ?, ?)", rows)
        finally:
            self._db.execute("PRAGMA synchronous = FULL")

    def open_text(self, session_id: str) -> OpenText:
        """See `EventLog`."""
        query = "SELECT step_id, channel, base, offset, text FROM open_text WHERE session_id = ?"
        with self._in_words():
            rows = self._db.execute(query, (session_id,)).fetchall()
        return {(step_id, channel): (base, offset, text) for step_id, channel, base, offset, text in rows}

    def put_blob(self, session_id: str, sha256: str, value: Any) -> None:
        """See `EventLog`."""
        row = (session_id, sha256, msgspec.json.encode(value))
        with self._in_words():
            self._db.execute(_PUT_BLOB, row)

    def get_blob(self, session_id: str, sha256: str) -> Any:
        """See `EventLog`."""
        query = "SELECT value FROM blob WHERE session_id = ? AND sha256 = ?"
        with self._in_words():
            row = self._db.execute(query, (session_id, sha256)).fetchone()
        if row is None:
            raise KeyError(sha256)
        return msgspec.json.decode(row[0])

    def close(self) -> None:
        """See `EventLog`."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; the connection is in autocommit mode otherwise."""
        with self._in_words():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite has rolled back by itself where the disk is full
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """What SQLite complains about, as a `StorageError` that says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(_advice(self._path, error)) from error


def _steps_of(events: list[Frame]) -> Iterator[JSON]:
    return (event["data"] for event in events if event["type"] == "reasoning_step")


def _check_header(path: Path) -> None:
    """Before SQLite, which may repair or convert, opens the file."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    if not header:
        return
    if not header.startswith(_MAGIC):
        raise StorageError(f"{path} is not a database of sessions, or is damaged: move it away, or name another file")
    _check_version(str(path), int.from_bytes(header[_VERSION_AT], "big"))


def _check_version(path: str, version: int) -> None:
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"{path} was written by a newer reasoning-widget (schema {version}): update the package to open it"
        )


def _advice(path: str, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorname", "")
    if code == "SQLITE_FULL":
        return f"{path} cannot grow, because the disk is full: free some space, then send the message again"
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return f"{path} is damaged ({error}): move it away, or restore a copy of it"
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return f"{path} cannot be written ({error}): see to its permissions, or name another file"
    return f"{path} cannot be read or written: {error}"
