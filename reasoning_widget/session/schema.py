"""The tables of the event log, and the migrations from earlier versions.

Each migration runs in its own transaction. A released migration is never changed; a new one follows it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

import msgspec

from .listing import listed_changes, passages_of

_LOG = """
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
"""

# `pending` counts the messages that still wait: they have not run, and were not withdrawn or passed to a run. The index
# uses trigrams, so that a search does not depend on the language. Triggers update it, also when a deletion cascades.
_CATALOGUE = """
ALTER TABLE session ADD COLUMN created REAL NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN updated REAL NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN title TEXT;
ALTER TABLE session ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN runs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN steps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN agent_name TEXT;
ALTER TABLE session ADD COLUMN status TEXT;
CREATE INDEX session_by_time ON session (updated, id);
CREATE TABLE passage (
    id INTEGER PRIMARY KEY, session_id TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE, text TEXT NOT NULL
);
CREATE INDEX passage_by_session ON passage (session_id);
CREATE VIRTUAL TABLE passage_index USING fts5 (text, content = 'passage', content_rowid = 'id', tokenize = 'trigram');
CREATE TRIGGER passage_added AFTER INSERT ON passage BEGIN
    INSERT INTO passage_index (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER passage_deleted AFTER DELETE ON passage BEGIN
    INSERT INTO passage_index (passage_index, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TABLE revoked_ticket (id TEXT PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID;
"""

# Callers know a session by its name; its rows refer to its id, which is never reused. Removing the name deletes the
# session for all callers at once, however many rows must be removed later. `lived` is the time that decides when it
# expires.
_NAMES = """
ALTER TABLE session ADD COLUMN name TEXT;
ALTER TABLE session ADD COLUMN lived REAL NOT NULL DEFAULT 0;
UPDATE session SET name = id, lived = updated;
CREATE UNIQUE INDEX session_by_name ON session (name);
CREATE INDEX session_by_life ON session (lived);
CREATE TABLE lifetime (lived REAL NOT NULL, at REAL NOT NULL);
"""


# `owner` is null if users are not distinguished, and for sessions from before they were. `size` is the size of the
# session's events and blobs in bytes. Entries of `audit` outlive their sessions.
_OWNERS = """
ALTER TABLE session ADD COLUMN owner TEXT;
ALTER TABLE session ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
CREATE INDEX session_by_owner ON session (owner, updated, id);
UPDATE session SET size =
    coalesce((SELECT sum(length(frame)) FROM event WHERE session_id = session.id), 0)
    + coalesce((SELECT sum(length(value)) FROM blob WHERE session_id = session.id), 0);
CREATE TABLE ticket (
    id TEXT PRIMARY KEY, session_id TEXT NOT NULL, owner TEXT, granted_by TEXT, expires REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, session_id TEXT NOT NULL,
    owner TEXT, detail TEXT NOT NULL
);
"""


def _create_log(db: sqlite3.Connection) -> None:
    _execute(db, _LOG)


def _add_catalogue(db: sqlite3.Connection) -> None:
    _execute(db, _CATALOGUE)
    for session_id, frame in db.execute("SELECT session_id, frame FROM event ORDER BY session_id, seq").fetchall():
        try:
            event = msgspec.json.decode(frame)
            at = float(event["data"].get("timestamp", 0.0))
            change, texts = listed_changes([event]), passages_of(event)
        except (msgspec.MsgspecError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            continue  # it is damaged, which is reported when it is read
        db.execute(
            """
            UPDATE session SET
                created = CASE created WHEN 0 THEN :at ELSE created END, updated = max(updated, :at),
                title = coalesce(:title, title), messages = messages + :messages, runs = runs + :runs,
                steps = steps + :steps, pending = pending + :pending,
                agent_name = coalesce(:agent_name, agent_name), status = coalesce(:status, status)
            WHERE id = :id
            """,
            {"id": session_id, "at": at, **change},
        )
        rows = [(session_id, text) for text in texts]
        db.executemany("INSERT INTO passage (session_id, text) VALUES (?, ?)", rows)


def _add_names(db: sqlite3.Connection) -> None:
    _execute(db, _NAMES)


def _add_owners(db: sqlite3.Connection) -> None:
    _execute(db, _OWNERS)


def _execute(db: sqlite3.Connection, script: str) -> None:
    """Run several statements within the open transaction, which `executescript` would commit."""
    statement = ""
    for line in script.splitlines():
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""


MIGRATIONS: Final[dict[int, Callable[[sqlite3.Connection], None]]] = {
    1: _create_log,
    2: _add_catalogue,
    3: _add_names,
    4: _add_owners,
}
"""The migrations, each by the version to which it upgrades the previous one."""

SCHEMA_VERSION: Final = max(MIGRATIONS)
