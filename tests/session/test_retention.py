"""Deleting old sessions: jumps of the clock have no effect, and nothing of the sessions stays on the disk."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import pytest

from reasoning_widget.fold import Place
from reasoning_widget.session import lifetime
from reasoning_widget.session.log import LogDamaged, StorageError
from reasoning_widget.session.schema import MIGRATIONS
from reasoning_widget.session.store import SessionStore
from tests.session.manual import ask, open_session
from tests.session.test_store import events, put, said, thought

DAY = 86400.0


class Clocks:
    """The computer's clock, which can be set, and the steady clock, which cannot."""

    def __init__(self, monkeypatch):
        self.now = time.time()
        self.steady = 0.0
        monkeypatch.setattr(time, "time", lambda: self.now)
        monkeypatch.setattr(lifetime, "_steady", lambda: self.steady)

    def go_on(self, seconds):
        self.now += seconds
        self.steady += seconds


@pytest.fixture
def clocks(monkeypatch):
    return Clocks(monkeypatch)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def store(path, clocks):
    store = SessionStore(path, "a test")
    yield store
    store.close()


def expired(store, clocks, days):
    return store.expire(clocks.now - days * DAY)


# Age


@pytest.mark.parametrize("jump", [-30 * 365 * DAY, -40 * DAY, 3600.0, 40 * DAY, 365 * DAY, 30 * 365 * DAY])
@pytest.mark.parametrize("days", [0.01, 1, 30])
def test_a_jump_of_the_clock_deletes_nothing(store, clocks, jump, days):
    put(store, "before", said("made seconds before"))
    clocks.go_on(5)
    clocks.now += jump
    assert expired(store, clocks, days) == []
    put(store, "after", said("made after it"))
    clocks.go_on(5)
    assert expired(store, clocks, days) == []
    clocks.now -= jump
    assert expired(store, clocks, days) == []

    clocks.go_on((days + 1) * DAY)
    assert sorted(expired(store, clocks, days)) == ["after", "before"], "age still counts"


@pytest.mark.parametrize("jump", [-40 * DAY, 40 * DAY, 30 * 365 * DAY])
@pytest.mark.parametrize("days", [0.01, 1, 30])
def test_a_jump_of_the_clock_while_the_server_is_off_deletes_nothing_new(path, clocks, jump, days):
    for _ in range(3):  # the server starts again each time
        store = SessionStore(path, "a test")
        expired(store, clocks, days)
        put(store, "new", said("made seconds before"))
        clocks.go_on(5)
        store.close()
        clocks.now += jump
        clocks.steady = 0.0
        store = SessionStore(path, "a test")
        assert expired(store, clocks, days) == []
        store.close()


def test_time_while_the_server_is_off_counts(path, clocks):
    store = SessionStore(path, "a test")
    put(store, "old", said("long ago"))
    for _ in range(4):
        assert expired(store, clocks, 30) == []
        store.close()
        clocks.now += 10 * DAY
        clocks.steady = 0.0
        store = SessionStore(path, "a test")
    assert expired(store, clocks, 30) == ["old"]
    store.close()


def test_a_session_with_new_messages_does_not_expire(store, clocks):
    put(store, "one", said("first"))
    put(store, "two", said("first"))
    clocks.go_on(9 * DAY)
    store.append("two", 1, events(said("again", 2), first=2))
    clocks.go_on(2 * DAY)
    assert expired(store, clocks, 10) == ["one"]


def test_sessions_written_while_the_clock_was_ahead_expire_too(store, clocks):
    clocks.now += 20 * 365 * DAY
    put(store, "ahead", said("from the future"))
    clocks.now -= 20 * 365 * DAY
    clocks.go_on(11 * DAY)
    assert expired(store, clocks, 10) == ["ahead"]


# The disk


def on_disk(path):
    files = [path, Path(f"{path}-wal"), Path(f"{path}-journal")]
    return b"".join(file.read_bytes() for file in files if file.exists())


def purge(store):
    while store.purge(0.01):
        pass


SECRET = "Zyzzyva-quux"


@pytest.mark.parametrize("how", ["delete", "expire", "clear"])
@pytest.mark.parametrize("size", [1, 400])
def test_deleted_data_does_not_stay_on_the_disk(store, path, clocks, how, size):
    put(store, "other", said("something else"))
    put(store, "one", *(said(f"{SECRET} {number} " + "x" * 2000, number) for number in range(size)))
    store.put_blob("one", "b" * 64, f"{SECRET} kept beside")
    store.save_open_text("one", {("s", Place("content")): (1, 0, f"{SECRET} half said")})
    before = path.stat().st_size + Path(f"{path}-wal").stat().st_size
    assert SECRET.encode() in on_disk(path)
    if how == "delete":
        store.delete("one")
    elif how == "clear":
        store.begin("one", "another")
    else:
        clocks.go_on(DAY)
        store.append("other", 1, events(said("more", 2), first=2))
        assert store.expire(clocks.now - 0.5 * DAY) == ["one"]
    assert store.search(SECRET)["sessions"] == []
    purge(store)

    left = on_disk(path)
    assert SECRET.encode() not in left
    assert b"zzyv" not in left.lower(), "the search index has none of it"
    for trigram in (b"zyz", b"uux"):
        assert trigram not in left.lower()
    assert Path(f"{path}-wal").stat().st_size == 0
    if size > 1:
        assert path.stat().st_size < before / 4, "the space is given back"
    assert [info["id"] for info in store.search("something")["sessions"]] == ["other"]


def test_a_session_id_can_be_reused_while_its_old_data_is_removed(store):
    for turn in range(3):
        put(store, "one", *(said(f"text {turn} {number}", number) for number in range(300)))
        assert len(store.read("one")) == 300
        assert store.read("one")[0]["data"]["content"] == f"text {turn} 0"
        store.delete("one")
        assert store.position("one") is None
        assert store.read("one") == []
        assert store.unfinished() == []
    purge(store)
    assert store._db.execute("SELECT count(*) FROM event").fetchone() == (0,)
    assert store._db.execute("SELECT count(*) FROM session").fetchone() == (0,)


def test_a_reader_of_the_file_only_delays_emptying_its_log(store, path):
    put(store, "one", said(SECRET))
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM event").fetchall()
        store.delete("one")
        purge(store)
        reader.rollback()
    reader.close()
    purge(store)
    assert SECRET.encode() not in on_disk(path)


def test_a_file_of_an_earlier_version_frees_its_space_too(path, clocks):
    db = sqlite3.connect(path, isolation_level=None)
    for number in (1, 2):
        MIGRATIONS[number](db)
    db.execute("PRAGMA user_version = 2")
    db.execute("INSERT INTO session (id, epoch, last_seq, updated) VALUES ('old', 'e', 200, ?)", (clocks.now,))
    for event in events(*(said("y" * 4000, number) for number in range(200))):
        db.execute(
            "INSERT INTO event VALUES ('old', ?, json(?))",
            (event["seq"], str(event).replace("'", '"').replace("None", "null")),
        )
    db.close()
    store = SessionStore(path, "a test")
    assert len(store.read("old")) == 200
    before = path.stat().st_size
    store.delete("old")
    purge(store)
    assert path.stat().st_size < before / 4
    store.close()


# Damage


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET frame = x'00ff' WHERE seq = 2",
        "UPDATE event SET frame = x'' WHERE seq = 2",
        "UPDATE event SET frame = 7 WHERE seq = 2",
        "UPDATE event SET frame = '[]' WHERE seq = 2",
        'UPDATE event SET frame = \'{"type": "user_message"}\' WHERE seq = 2',
        'UPDATE event SET frame = \'{"type": "user_message", "seq": 2, "data": 5}\' WHERE seq = 2',
        'UPDATE event SET frame = \'{"type": "user_message", "seq": 9, "data": {}}\' WHERE seq = 2',
        "UPDATE event SET frame = substr(frame, 1, 20) WHERE seq = 2",
        "UPDATE event SET frame = cast(replace(hex(zeroblob(5000)), '0', '[') AS BLOB) WHERE seq = 2",
        "UPDATE event SET seq = 12 WHERE seq = 2",
        "DELETE FROM event WHERE seq = 2",
        "DELETE FROM event WHERE seq = 3",
        "DELETE FROM event",
        "UPDATE session SET last_seq = 7",
        "UPDATE session SET last_seq = 1",
    ],
)
def test_damaged_events_are_reported(store, path, damage):
    put(store, "one", said("first", 1), said("second", 2), thought("third"))
    put(store, "other", said("unharmed", 1))
    store._db.execute("BEGIN")
    store._db.execute(
        damage
        + (" AND " if "WHERE" in damage else " WHERE ")
        + ("session_id = 'one'" if "event" in damage else "id = 'one'")
    )
    store._db.execute("COMMIT")
    with pytest.raises(LogDamaged, match=r"session one in .* is damaged: .*Delete the session"):
        store.read("one")
    assert len(store.read("other")) == 1


@pytest.mark.parametrize(
    ("damage", "read"),
    [
        ("UPDATE session SET epoch = x'00ff'", lambda store: store.position("one")),
        ("UPDATE session SET last_seq = 'many'", lambda store: store.position("one")),
        ("UPDATE session SET title = x'00ff'", lambda store: store.info("one")),
        ("UPDATE session SET messages = 'many'", lambda store: store.search()),
        ("UPDATE blob SET value = x'00ff'", lambda store: store.get_blob("one", "b")),
        ("UPDATE blob SET value = 7", lambda store: store.get_blob("one", "b")),
        ("UPDATE blob SET value = cast(hex(zeroblob(9)) || x'ff' AS TEXT)", lambda store: store.get_blob("one", "b")),
        ("UPDATE open_text SET text = x'00ff'", lambda store: store.open_text("one")),
        ("UPDATE open_text SET base = 'x'", lambda store: store.open_text("one")),
        ("UPDATE open_text SET channel = 'smell'", lambda store: store.open_text("one")),
        ("UPDATE open_text SET text = cast(x'ff' AS TEXT)", lambda store: store.open_text("one")),
    ],
)
def test_damaged_rows_are_reported(store, damage, read):
    put(store, "one", said("first"))
    store.put_blob("one", "b", "value")
    store.save_open_text("one", {("s", Place("content")): (1, 0, "half")})
    store._db.execute(damage)
    with pytest.raises(StorageError, match=r"damaged|cannot be read"):
        read(store)


@pytest.mark.parametrize(
    "event",
    [
        ("user_message", {}),
        ("run_started", {"run_id": "r"}),
        ("reasoning_step", {"id": "s", "status": "pending", "type": "thought"}),
        ("reasoning_step", {"id": [], "status": "done"}),
        ("message_withdrawn", {}),
        ("request_closed", {"reason": "x"}),
        ("session_info", {}),
    ],
)
async def test_an_invalid_event_is_reported(store, event):
    started = {"run_id": "r", "message_id": "m0", "agent_name": "a", "enable_reasoning": True, "timestamp": 1.0}
    put(store, "demo", said("hi", 0), ("run_started", started), ("session_info", {"title": "x"}))
    (frame,) = events(event, first=3)
    store._db.execute("UPDATE event SET frame = ? WHERE seq = 3", (json.dumps(frame),))
    with pytest.raises(LogDamaged, match="session demo is damaged"):
        open_session(store)


async def test_a_damaged_session_does_not_affect_others(store):
    put(store, "one", said("first"))
    store._db.execute("UPDATE event SET frame = x'00'")
    session, runner = open_session(store)
    ask(session, "hi", "m1")
    runner.run.end()
    assert session.state["runs"][0]["status"] == "completed"
