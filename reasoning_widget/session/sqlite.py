"""The event log in SQLite: in memory beside a kernel, in a file where sessions must outlive the process."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from ..protocol import Frame
from .log import EventLog, LogConflict, LogPosition, OpenText

_SCHEMA_VERSION = 1
_SCHEMA = f"""
BEGIN;
CREATE TABLE session (id TEXT PRIMARY KEY, epoch TEXT NOT NULL, last_seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE event (
    session_id TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE, seq INTEGER NOT NULL, frame BLOB NOT NULL,
    PRIMARY KEY (session_id, seq)
) WITHOUT ROWID;
CREATE TABLE open_text (
    session_id TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE, step_id TEXT NOT NULL, channel TEXT NOT NULL,
    base INTEGER NOT NULL, offset INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (session_id, step_id, channel)
) WITHOUT ROWID;
CREATE TABLE blob (
    session_id TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE, sha256 TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (session_id, sha256)
) WITHOUT ROWID;
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""


class SQLiteLog(EventLog):
    """An `EventLog` in an SQLite database.

    Args:
        path: The file, made if absent; ``":memory:"`` for one that ends with the process.

    Raises:
        ValueError: The file was written by a newer version; it is left untouched.
        sqlite3.DatabaseError: The file is no database.
    """

    def __init__(self, path: str | Path = ":memory:") -> None:
        # One loop uses it, but not always from the thread that made it.
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > _SCHEMA_VERSION:
            self._db.close()
            msg = f"{path} was written by a newer reasoning-widget (schema {version}): update the package to open it"
            raise ValueError(msg)
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if version == 0:
            self._db.executescript(_SCHEMA)

    def position(self, session_id: str) -> LogPosition | None:
        """See `EventLog`."""
        row = self._db.execute("SELECT epoch, last_seq FROM session WHERE id = ?", (session_id,)).fetchone()
        return LogPosition(*row) if row else None

    def begin(self, session_id: str, epoch: str) -> None:
        """See `EventLog`."""
        with _Transaction(self._db):
            self._db.execute("DELETE FROM session WHERE id = ?", (session_id,))
            self._db.execute("INSERT INTO session VALUES (?, ?, 0)", (session_id, epoch))

    def append(self, session_id: str, expected_last_seq: int, events: list[Frame]) -> None:
        """See `EventLog`."""
        rows = [(session_id, event["seq"], msgspec.json.encode(event)) for event in events]
        with _Transaction(self._db):
            updated = self._db.execute(
                "UPDATE session SET last_seq = ? WHERE id = ? AND last_seq = ?",
                (expected_last_seq + len(rows), session_id, expected_last_seq),
            )
            if updated.rowcount != 1:
                msg = f"the log of session {session_id} does not end at event {expected_last_seq}"
                raise LogConflict(msg)
            self._db.executemany("INSERT INTO event VALUES (?, ?, ?)", rows)

    def read(self, session_id: str, after: int = 0, limit: int | None = None) -> list[Frame]:
        """See `EventLog`."""
        query = "SELECT frame FROM event WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        rows = self._db.execute(query, (session_id, after, -1 if limit is None else limit))
        return [msgspec.json.decode(frame) for (frame,) in rows]

    def save_open_text(self, session_id: str, texts: OpenText) -> None:
        """See `EventLog`."""
        rows = [(session_id, *key, *value) for key, value in texts.items()]
        with _Transaction(self._db):
            self._db.execute("DELETE FROM open_text WHERE session_id = ?", (session_id,))
            self._db.executemany("INSERT INTO open_text VALUES (?, ?, ?, ?, ?, ?)", rows)

    def open_text(self, session_id: str) -> OpenText:
        """See `EventLog`."""
        rows = self._db.execute(
            "SELECT step_id, channel, base, offset, text FROM open_text WHERE session_id = ?", (session_id,)
        )
        return {(step_id, channel): (base, offset, text) for step_id, channel, base, offset, text in rows}

    def put_blob(self, session_id: str, sha256: str, value: Any) -> None:
        """See `EventLog`."""
        row = (session_id, sha256, msgspec.json.encode(value))
        self._db.execute("INSERT OR IGNORE INTO blob VALUES (?, ?, ?)", row)

    def get_blob(self, session_id: str, sha256: str) -> Any:
        """See `EventLog`."""
        query = "SELECT value FROM blob WHERE session_id = ? AND sha256 = ?"
        row = self._db.execute(query, (session_id, sha256)).fetchone()
        if row is None:
            raise KeyError(sha256)
        return msgspec.json.decode(row[0])

    def close(self) -> None:
        """See `EventLog`."""
        self._db.close()


class _Transaction:
    """All or nothing; the connection is in autocommit mode otherwise."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
