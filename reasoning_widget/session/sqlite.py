"""The event log in SQLite: in memory for a kernel, in a file for sessions that outlive their process."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from ..fold import Place, is_open
from ..protocol import JSON, Channel, Frame
from .lifetime import Lifetime
from .listing import listed_changes, passages_of
from .log import EventLog, LogConflict, LogDamaged, LogPosition, OpenText, StorageError
from .purge import Purge
from .schema import MIGRATIONS, SCHEMA_VERSION

IN_MEMORY: Final = ":memory:"

_T = TypeVar("_T")

ID_OF: Final = "(SELECT id FROM session WHERE name = ?)"
_PUT_BLOB: Final = "INSERT OR IGNORE INTO blob VALUES (?, ?, ?)"
AT_ONCE: Final = 0.02  # seconds that a deletion spends on removing data from the disk; the rest follows later
_INCREMENTAL: Final = 2  # https://www.sqlite.org/pragma.html#pragma_auto_vacuum
_MAGIC: Final = b"SQLite format 3\x00"
_VERSION_AT: Final = slice(60, 64)
"""The position of `user_version` in the header of a database (https://www.sqlite.org/fileformat.html#the_database_header)."""


class SQLiteLog(EventLog):
    """An `EventLog` in an SQLite database.

    Args:
        path: The file, which is created if absent; ``":memory:"`` for a database that ends with the process.

    Raises:
        StorageError: The file is not a database of sessions, is damaged, cannot be written, or was written by a newer
            version. It is not changed.
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
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")  # only while there are no tables yet
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
        for number in range(version + 1, SCHEMA_VERSION + 1):
            with self._transaction():
                MIGRATIONS[number](self._db)
                self._db.execute(f"PRAGMA user_version = {number}")
        with self._in_words():
            self._let_shrink()
            self._lifetime = Lifetime(self._db)
            self._purge = Purge(self._db)

    def _let_shrink(self) -> None:
        """Convert a file of an earlier version, by rewriting it once, so that it can return free pages."""
        if self._path != IN_MEMORY and self._db.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
            self._db.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
            with suppress(sqlite3.OperationalError):  # the disk has no room for a copy: the next start tries again
                self._db.execute("VACUUM")

    def position(self, session_id: str) -> LogPosition | None:
        """Return where the session's log ends; None if there is none."""
        with self._in_words():
            row = self._db.execute("SELECT epoch, last_seq FROM session WHERE name = ?", (session_id,)).fetchone()
        return self._as(LogPosition, row, session_id) if row else None

    def owner(self, session_id: str) -> str | None:
        """Return the user to whom the session belongs."""
        with self._in_words():
            row = self._db.execute("SELECT owner FROM session WHERE name = ?", (session_id,)).fetchone()
        if row is None:
            raise KeyError(session_id)
        owner: str | None = row[0]
        return owner

    def begin(self, session_id: str, epoch: str, owner: str | None = None) -> None:
        """Delete the session, if there is one, and begin an empty log."""
        now = time.time()
        with self._transaction():
            self._take_name(session_id)
            used = self._db.execute("SELECT 1 FROM session WHERE id = ?", (session_id,)).fetchone()
            self._db.execute(
                """
                INSERT INTO session (id, name, epoch, last_seq, created, updated, lived, owner)
                VALUES (?, ?, ?, 0, ?, ?, ?, ?)
                """,
                (
                    _another(session_id) if used else session_id,
                    session_id,
                    epoch,
                    now,
                    now,
                    self._lifetime.now(),
                    owner,
                ),
            )
        self.purge(AT_ONCE)

    def delete(self, session_id: str) -> None:
        """Delete the session; its space is freed later."""
        with self._transaction():
            self._take_name(session_id)
        self.purge(AT_ONCE)

    def purge(self, seconds: float) -> bool:
        """Remove deleted data from the disk, for about `seconds`, and return whether there may be more to remove."""
        if self._path == IN_MEMORY:
            self._purge.rows()
            return False
        end = time.monotonic() + seconds
        with self._in_words(), self._without_sync():
            for _ in self._purge.steps():
                if time.monotonic() >= end:
                    return True
        return False

    def _take_name(self, session_id: str) -> None:
        """Delete a session by removing its name. Its rows are removed by `purge`."""
        gone = "UPDATE session SET name = NULL, status = NULL, pending = 0 WHERE name = ?"
        self._db.execute(gone, (session_id,))

    def append(
        self,
        session_id: str,
        expected_last_seq: int,
        events: list[Frame],
        blobs: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Append `events` in one transaction, with their blobs and the session's row in the list."""
        values = [(sha256, msgspec.json.encode(value)) for sha256, value in blobs.items()]
        rows = [(event["seq"], msgspec.json.encode(event)) for event in events]
        with self._transaction():
            updated = self._db.execute(
                """
                UPDATE session SET
                    last_seq = :last_seq, updated = :now, lived = :lived, title = coalesce(:title, title),
                    messages = messages + :messages, runs = runs + :runs, steps = steps + :steps,
                    pending = pending + :pending, agent_name = coalesce(:agent_name, agent_name),
                    status = coalesce(:status, status), size = size + :size
                WHERE name = :name AND last_seq = :expected RETURNING id
                """,
                {
                    "name": session_id,
                    "lived": self._lifetime.now(),
                    "expected": expected_last_seq,
                    "last_seq": expected_last_seq + len(rows),
                    "now": time.time(),
                    "size": sum(len(frame) for _, frame in rows),
                    **listed_changes(events),
                },
            ).fetchone()
            if updated is None:
                msg = f"the log of session {session_id} does not end at event {expected_last_seq}"
                raise LogConflict(msg)
            row_id = updated[0]
            self._db.executemany("INSERT INTO event VALUES (?, ?, ?)", ((row_id, *row) for row in rows))
            self._put_blobs(row_id, values)
            closed = [(row_id, step["id"]) for step in _steps_of(events) if not is_open(step)]
            self._db.executemany("DELETE FROM open_text WHERE session_id = ? AND step_id = ?", closed)
            if self._path != IN_MEMORY:  # there is no search in memory
                passages = ((row_id, text) for event in events for text in passages_of(event))
                self._db.executemany("INSERT INTO passage (session_id, text) VALUES (?, ?)", passages)

    def read(self, session_id: str, after: int = 0, limit: int | None = None) -> list[Frame]:
        """Return the events after `after`, checking that none is missing."""
        query = f"SELECT seq, frame FROM event WHERE session_id = {ID_OF} AND seq > ? ORDER BY seq LIMIT ?"
        position = self.position(session_id)
        with self._in_words():
            rows = self._db.execute(query, (session_id, after, -1 if limit is None else limit)).fetchall()
        frames: list[Frame] = [self._decoded(frame, Frame, session_id) for _, frame in rows]
        last_seq = position.last_seq if position is not None else 0
        end = last_seq if limit is None else min(last_seq, after + limit)
        expected = list(range(after + 1, end + 1))
        if [seq for seq, _ in rows] != expected or [frame.get("seq") for frame in frames] != expected:
            raise self._damaged(session_id, "an event is missing, or out of its place")
        return frames

    def save_open_text(self, session_id: str, texts: OpenText) -> None:
        """Replace the stored text of open steps."""
        rows = [(step_id, _name(place), *value) for (step_id, place), value in texts.items()]
        if not rows and self.position(session_id) is None:
            return  # a session that was cleared has nothing to keep
        with self._without_sync(), self._transaction():
            row_id = self._row_id(session_id)
            self._db.execute("DELETE FROM open_text WHERE session_id = ?", (row_id,))
            self._db.executemany("INSERT INTO open_text VALUES (?, ?, ?, ?, ?, ?)", ((row_id, *row) for row in rows))

    def open_text(self, session_id: str) -> OpenText:
        """Return the stored text of open steps."""
        query = f"SELECT step_id, channel, base, offset, text FROM open_text WHERE session_id = {ID_OF}"
        with self._in_words():
            rows = self._db.execute(query, (session_id,)).fetchall()
        named = [(step_id, *_split(name), *rest) for step_id, name, *rest in rows]
        checked = self._as(list[tuple[str, Channel, int, int, int, str]], named, session_id)
        return {
            (step_id, Place(channel, entry)): (base, offset, text)
            for step_id, channel, entry, base, offset, text in checked
        }

    def put_blob(self, session_id: str, sha256: str, value: Any) -> None:
        """Store a value that is too long for its event."""
        encoded = msgspec.json.encode(value)
        with self._transaction():
            self._put_blobs(self._row_id(session_id), [(sha256, encoded)])

    def _put_blobs(self, row_id: str, values: list[tuple[str, bytes]]) -> None:
        for sha256, value in values:
            if self._db.execute(_PUT_BLOB, (row_id, sha256, value)).rowcount == 1:
                self._db.execute("UPDATE session SET size = size + ? WHERE id = ?", (len(value), row_id))

    def get_blob(self, session_id: str, sha256: str) -> Any:
        """Return the value with that SHA-256."""
        query = f"SELECT value FROM blob WHERE session_id = {ID_OF} AND sha256 = ?"
        with self._in_words():
            row = self._db.execute(query, (session_id, sha256)).fetchone()
        if row is None:
            raise KeyError(sha256)
        return self._decoded(row[0], Any, session_id)

    def close(self) -> None:
        """Close the database."""
        if self._path != IN_MEMORY:
            with suppress(sqlite3.Error):  # an older clock makes sessions live longer, never shorter
                self._lifetime.save(now=True)
        self._db.close()

    def _row_id(self, session_id: str) -> str:
        """Return the id that is the key of a session's rows."""
        row = self._db.execute("SELECT id FROM session WHERE name = ?", (session_id,)).fetchone()
        if row is None:
            raise StorageError(f"there is no session {session_id} in {self._path}: it was deleted")
        return str(row[0])

    def _decoded(self, encoded: Any, kind: type[_T] | Any, session_id: str) -> Any:
        try:
            return msgspec.json.decode(encoded, type=kind)
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
            raise self._damaged(session_id, str(error)) from error

    def _as(self, kind: type[_T], row: object, session_id: str) -> _T:
        try:
            return msgspec.convert(row, kind)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            raise self._damaged(session_id, str(error)) from error

    def _damaged(self, session_id: str, why: str) -> LogDamaged:
        return LogDamaged(
            f"session {session_id} in {self._path} is damaged: {why}. Delete the session, or restore a copy of the file"
        )

    @contextmanager
    def _without_sync(self) -> Iterator[None]:
        """Within the block, commit without waiting for the disk.

        Changes survive a crash of the process, but may be lost in a power failure. That is enough for open text, which
        is replaced each second, and for removing deleted data, in thousands of small commits: for a session of 2,000
        steps this took 1 to 2 s, and 26 s when each commit waited for the disk.
        """
        with self._in_words():
            self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            self._db.execute("PRAGMA synchronous = FULL")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Within the block, changes are committed together, or not at all. Otherwise, each statement is committed."""
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
        """Within the block, raise a `StorageError` that says what to do, instead of SQLite's error."""
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(_advice(self._path, error)) from error


def _another(session_id: str) -> str:
    """Return an id for a new session whose name was used before. It cannot be a name, because of its `#`."""
    return f"{session_id}#{uuid.uuid4().hex}"


def _name(place: Place) -> str:
    """Return the value of the column `channel` for a text. The first output has no number, as in earlier versions."""
    return f"{place.channel} {place.entry}" if place.entry else place.channel


def _split(name: str) -> tuple[str, object]:
    """Return the channel and the entry of a `_name`."""
    channel, _, entry = str(name).partition(" ")
    return channel, int(entry) if entry.isdecimal() else entry or 0


def _steps_of(events: list[Frame]) -> Iterator[JSON]:
    return (event["data"] for event in events if event["type"] == "reasoning_step")


def _check_header(path: Path) -> None:
    """Check the file before SQLite opens it, because that may change it."""
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
    if code == "SQLITE_INTERRUPT":
        return "this takes too long: search for a longer word, or a rarer one"
    return f"{path} cannot be read or written: {error}"
