"""The sessions of a server, in a file that is used by one server at a time, and can be listed and searched."""

from __future__ import annotations

import base64
import sqlite3
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple, NotRequired, TypedDict

import msgspec
from filelock import FileLock, Timeout

from .log import StorageError
from .sqlite import AT_ONCE, ID_OF, SQLiteLog

MAX_PAGE: Final = 200
"""Sessions in one page of a list."""

_MIN_TRIGRAM: Final = 3  # shorter words are in no index of trigrams
_DAY: Final = 24 * 3600.0
_AROUND: Final = 60  # code points of a snippet on either side of what was found
_LISTED: Final = (
    "name, title, created, updated, messages, pending, runs, steps, agent_name, status, last_seq, owner, size"
)
_COLUMNS: Final = tuple(_LISTED.split(", "))


RETENTION: Final = "retention"
"""The value of `who` in audit entries for sessions that were deleted because of their age."""


class SessionInfo(TypedDict):
    """A session in a list."""

    id: str
    title: str | None
    created: float
    """Seconds since the epoch."""
    updated: float
    messages: int
    pending: int
    """The number of queued messages."""
    runs: int
    steps: int
    agent_name: str | None
    """The agent that was asked last."""
    status: str | None
    """The status of the newest run; ``running`` if it is active."""
    last_seq: int
    owner: str | None
    """The user to whom it belongs; None if users are not distinguished."""
    size: int
    """The size of its events, and of the values stored beside them, in bytes."""
    snippet: NotRequired[str]
    """The text around the first match of a search."""


class Page(TypedDict):
    """A part of a list, newest first."""

    sessions: list[SessionInfo]
    next_cursor: str | None
    """The `cursor` of the next page; None if this is the last one."""


class Whose(NamedTuple):
    """Selects the sessions of one user."""

    owner: str
    and_unowned: bool
    """Whether sessions without an owner are included."""


class Usage(NamedTuple):
    """What a user has stored."""

    sessions: int
    size: int
    """Bytes."""


class IssuedTicket(NamedTuple):
    """A ticket that was issued."""

    session_id: str
    owner: str | None
    """The user to whom the session belongs."""
    granted_by: str | None
    expires: float
    """Seconds since the epoch."""


class AuditEntry(TypedDict):
    """An action on a session other than a message, such as its deletion."""

    id: int
    time: float
    """Seconds since the epoch."""
    who: str
    """The user's name on the server, ``ticket:<id>``, or ``retention``."""
    action: str
    session_id: str
    owner: str | None
    """The user to whom the session belonged."""
    detail: str


class StoreLocked(StorageError):
    """Another server uses the file. The text says which."""


class SessionStore(SQLiteLog):
    """Sessions in an SQLite file.

    Args:
        path: The file. It and its folder are created if absent, accessible to their owner only.
        owner: Describes this process, for the error message of another one that tries to use the file.

    Raises:
        StoreLocked: Another server uses the file.
        StorageError: The file or its folder cannot be used, or is not a database of sessions of this version.
    """

    def __init__(self, path: str | Path, owner: str) -> None:
        path = Path(path)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(path, owner)
            path.touch(mode=0o600)
        except OSError as error:
            raise StorageError(f"{path} cannot be used: {error.strerror or error}") from error
        try:
            super().__init__(path)
        except StorageError:
            self._lock.release()
            raise

    def close(self) -> None:
        """Close the database, and release the file for other servers."""
        super().close()
        self._lock.release()

    def _info(self, row: tuple[object, ...]) -> SessionInfo:
        return self._as(SessionInfo, {**dict(zip(_COLUMNS, row, strict=True)), "id": row[0]}, str(row[0]))

    # The list

    def info(self, session_id: str) -> SessionInfo | None:
        """The session with this id; None if there is none."""
        with self._in_words():
            row = self._db.execute(f"{_SELECT} WHERE name = ?", (session_id,)).fetchone()
        return self._info(row) if row else None

    def search(
        self, query: str | None = None, limit: int = 50, cursor: str | None = None, whose: Whose | None = None
    ) -> Page:
        """The sessions, newest first; with a `query`, those that contain each of its words.

        Args:
            query: Words or parts of words, in any language.
            limit: The most sessions to return, up to `MAX_PAGE`.
            cursor: The `next_cursor` of the previous page.
            whose: The user whose sessions are searched; None for all sessions.

        Raises:
            ValueError: The cursor is invalid, or the limit is out of range.
        """
        _check_limit(limit)
        words = (query or "").split()
        conditions = [(_SAID if _is_indexed(word) else _SAYS).format(_passages_with(word)) for word in words]
        arguments: list[object] = [_pattern(word) for word in words]
        if cursor is not None:
            conditions.append("(updated, name) < (?, ?)")
            arguments.extend(_position(cursor))
        if whose is not None:
            conditions.append("(owner = ? OR (owner IS NULL AND ?))")
            arguments.extend(whose)
        where = " AND ".join(["name IS NOT NULL", *conditions])
        with self._in_words():
            rows = self._db.execute(_PAGE.format(where), (*arguments, limit + 1)).fetchall()
        sessions = [self._info(row) for row in rows[:limit]]
        if words:
            for info in sessions:
                info["snippet"] = self._snippet(info["id"], words[0])
        last = sessions[-1] if len(rows) > limit else None
        return {"sessions": sessions, "next_cursor": _cursor(last) if last else None}

    def _snippet(self, session_id: str, word: str) -> str:
        with self._in_words():
            row = self._db.execute(_FIRST.format(_passages_with(word)), (session_id, _pattern(word))).fetchone()
        text = row[0] if row else ""
        at = max(0, text.casefold().find(word.casefold()))
        begin, end = max(0, at - _AROUND), at + len(word) + _AROUND
        return ("…" if begin else "") + " ".join(text[begin:end].split()) + ("…" if end < len(text) else "")

    def unfinished(self) -> list[str]:
        """The sessions with an active run or queued messages."""
        with self._in_words():
            rows = self._db.execute("SELECT name FROM session WHERE status = 'running' OR pending > 0").fetchall()
        return [session_id for (session_id,) in rows]

    def expire(self, older_than: float, keep: Collection[str] = (), limit: int | None = None) -> list[str]:
        """Delete the sessions that have not changed since `older_than`.

        Age is measured with `Lifetime`, so that no session is deleted because the computer's clock was changed.

        Args:
            older_than: A time of the computer's clock, in seconds since the epoch.
            keep: The ids of sessions that are not deleted.
            limit: The most sessions to delete.

        Returns:
            The ids of the deleted sessions.
        """
        now = time.time()
        query = """
            SELECT name FROM session
            WHERE lived < :horizon AND name IS NOT NULL AND (updated < :older_than OR updated > :future) LIMIT :most
        """
        with self._without_sync(), self._transaction():
            self._lifetime.save()
            values = {
                "horizon": self._lifetime.horizon(now - older_than),
                "older_than": older_than,
                "future": now + _DAY,  # written while the clock was wrong
                "most": -1 if limit is None else limit + len(keep),
            }
            rows = self._db.execute(query, values).fetchall()
            expired = [name for (name,) in rows if name not in keep][:limit]
            for name in expired:
                self._db.execute(_EXPIRED, {"time": now, "who": RETENTION, "name": name})
                self._take_name(name)
        self.purge(AT_ONCE)
        return expired

    def usage(self, owner: str | None) -> Usage:
        """What a user has stored; with None, the sessions without an owner."""
        with self._in_words():
            row = self._db.execute(_USAGE, (owner,)).fetchone()
        return Usage(row[0], int(row[1]))

    def size(self, session_id: str) -> int:
        """The size of a session in bytes; 0 if there is none."""
        with self._in_words():
            row = self._db.execute("SELECT size FROM session WHERE name = ?", (session_id,)).fetchone()
        return int(row[0]) if row else 0

    # The audit

    def record_audit(self, who: str, action: str, session_id: str, owner: str | None, detail: str = "") -> None:
        """Add an `AuditEntry`; of more than 100,000, the oldest are removed."""
        with self._transaction():
            row = (time.time(), who, action, session_id, owner, detail)
            self._db.execute(
                "INSERT INTO audit (time, who, action, session_id, owner, detail) VALUES (?, ?, ?, ?, ?, ?)", row
            )
            self._db.execute("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?", (_MAX_AUDIT,))

    def audit(self, about: str | None = None, limit: int = 50, before: int | None = None) -> list[AuditEntry]:
        """The audit entries, newest first.

        Args:
            about: Only the actions of this user, and those on their sessions.
            limit: The most entries to return, up to `MAX_PAGE`.
            before: Only entries with a smaller `id`.

        Raises:
            ValueError: The limit is out of range.
        """
        _check_limit(limit)
        with self._in_words():
            rows = self._db.execute(_AUDIT, {"about": about, "before": before, "limit": limit}).fetchall()
        return [msgspec.convert(dict(zip(_AUDIT_COLUMNS, row, strict=True)), AuditEntry) for row in rows]

    # Tickets

    def issue_ticket(self, ticket_id: str, ticket: IssuedTicket) -> None:
        """Store who granted a ticket, and for which session, as long as it is valid."""
        with self._transaction():
            self._db.execute("DELETE FROM ticket WHERE expires < ?", (time.time(),))
            self._db.execute("INSERT OR REPLACE INTO ticket VALUES (?, ?, ?, ?, ?)", (ticket_id, *ticket))

    def issued_ticket(self, ticket_id: str) -> IssuedTicket | None:
        """The ticket with this id; None if it was not issued here, or has expired."""
        query = "SELECT session_id, owner, granted_by, expires FROM ticket WHERE id = ?"
        with self._in_words():
            row = self._db.execute(query, (ticket_id,)).fetchone()
        return IssuedTicket(*row) if row else None

    def revoke_ticket(self, ticket_id: str, expires: float) -> None:
        """Reject a ticket until `expires`, in seconds since the epoch, when it is invalid anyway."""
        with self._transaction():
            self._db.execute("DELETE FROM revoked_ticket WHERE expires < ?", (time.time(),))
            self._db.execute("INSERT OR REPLACE INTO revoked_ticket VALUES (?, ?)", (ticket_id, expires))

    def is_revoked(self, ticket_id: str) -> bool:
        """Whether a ticket was revoked."""
        with self._in_words():
            row = self._db.execute("SELECT 1 FROM revoked_ticket WHERE id = ?", (ticket_id,)).fetchone()
        return row is not None


class SessionReader(SessionStore):
    """Read-only access to the sessions of a store that another thread or process has open.

    Args:
        path: The file.
        seconds: The most time that all calls together may take; None for no limit.

    Raises:
        StorageError: The file cannot be opened. Calls raise it, too, once the time has passed.
    """

    def __init__(self, path: str | Path, seconds: float | None = None) -> None:
        self._path = str(path)
        with self._in_words():
            address = f"{Path(path).absolute().as_uri()}?mode=ro"
            self._db = sqlite3.connect(address, uri=True, isolation_level=None)
        if seconds is not None:
            end = time.monotonic() + seconds
            self._db.set_progress_handler(lambda: time.monotonic() > end, _STEPS)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


_STEPS: Final = 10_000  # instructions of SQLite's virtual machine between two checks of the time
_MAX_AUDIT: Final = 100_000
"""The most audit entries; older ones are removed."""
_AUDIT_COLUMNS: Final = ("id", "time", "who", "action", "session_id", "owner", "detail")
_AUDIT: Final = """
SELECT id, time, who, action, session_id, owner, detail FROM audit
WHERE (:about IS NULL OR who = :about OR owner = :about) AND (:before IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
"""
_USAGE: Final = "SELECT count(*), total(size) FROM session WHERE owner IS ? AND name IS NOT NULL"
_EXPIRED: Final = """
INSERT INTO audit (time, who, action, session_id, owner, detail)
SELECT :time, :who, 'deleted', name, owner, '' FROM session WHERE name = :name
"""
_SELECT: Final = f"SELECT {_LISTED} FROM session"
_PAGE: Final = _SELECT + " WHERE {} ORDER BY updated DESC, name DESC LIMIT ?"
_SAID: Final = "id IN (SELECT session_id FROM passage WHERE id IN ({}))"
_SAYS: Final = "EXISTS ({} AND session_id = session.id)"
"""Searches without the index, session by session from the newest, until the page is full."""
_FIRST: Final = f"SELECT text FROM passage WHERE session_id = {ID_OF} AND id IN ({{}}) ORDER BY id LIMIT 1"


def _locked(path: Path, owner: str) -> FileLock:
    """Lock the file `path` until the lock is released or the process ends."""
    lock = FileLock(f"{path}.lock", timeout=0, mode=0o600)
    who = Path(f"{path}.owner")
    try:
        lock.acquire()
    except Timeout:
        holder = who.read_text("utf-8").strip() if who.exists() else "another program"
        raise StoreLocked(
            f"{path} is in use by {holder}: stop that server, or name another file with `c.ReasoningApp.store_path`"
        ) from None
    who.touch(mode=0o600)
    who.write_text(f"{owner}\n", "utf-8")
    return lock


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"`limit` must be a number from 1 to {MAX_PAGE}")


def _is_indexed(word: str) -> bool:
    return len(word) >= _MIN_TRIGRAM


def _passages_with(word: str) -> str:
    if not _is_indexed(word):
        return r"SELECT id FROM passage WHERE text LIKE ? ESCAPE '\'"
    return "SELECT rowid FROM passage_index WHERE passage_index MATCH ?"


def _pattern(word: str) -> str:
    """Return a pattern that matches `word` literally."""
    if not _is_indexed(word):
        return "%" + "".join(f"\\{letter}" if letter in r"\%_" else letter for letter in word) + "%"
    return '"' + word.replace('"', '""') + '"'


def _cursor(info: SessionInfo) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((info["updated"], info["id"]))).decode()


def _position(cursor: str) -> tuple[float, str]:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[float, str])
    except (ValueError, msgspec.MsgspecError):
        raise ValueError("`cursor` must be the `next_cursor` of an earlier page, or absent") from None
