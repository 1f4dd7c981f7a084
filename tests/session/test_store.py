"""A file of sessions: the list, the search, the lock, and errors of files."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reasoning_widget.session.log import StorageError
from reasoning_widget.session.schema import MIGRATIONS
from reasoning_widget.session.sqlite import SQLiteLog
from reasoning_widget.session.store import SessionStore, StoreLocked, Whose
from tests.session.manual import ask, open_session


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "sessions.db"


@pytest.fixture
def store(path):
    store = SessionStore(path, "http://127.0.0.1:8888/, process 1")
    yield store
    store.close()


def events(*items, first=1):
    return [{"type": kind, "seq": seq, "data": data} for seq, (kind, data) in enumerate(items, first)]


def said(text, number=1):
    return ("user_message", {"id": f"m{number}", "content": text, "timestamp": 1.0, "follows": None})


def thought(text, status="done"):
    step = {"type": "thought", "content": text, "iteration": 1, "timestamp": 1.0, "id": "s", "run_id": "r"}
    return ("reasoning_step", {**step, "status": status})


def put(store, session_id, *items):
    store.begin(session_id, "e")
    store.append(session_id, 0, events(*items))


# The list


def test_a_session_is_listed_with_its_counts_and_status(store):
    started = {
        "run_id": "r",
        "message_id": "m1",
        "agent_name": "researcher",
        "enable_reasoning": True,
        "timestamp": 1.0,
    }
    put(store, "one", ("session_info", {"title": "Seas"}), said("How deep?"), ("run_started", started), thought("Hm."))

    info = store.info("one")
    assert info["title"] == "Seas"
    assert (info["messages"], info["runs"], info["steps"]) == (1, 1, 1)
    assert (info["agent_name"], info["status"], info["last_seq"]) == ("researcher", "running", 4)
    assert store.unfinished() == ["one"]

    finished = {"run_id": "r", "status": "completed", "usage": {}, "duration": 1.0}
    store.append("one", 4, events(("run_finished", finished), first=5))
    assert store.info("one")["status"] == "completed"
    assert store.unfinished() == []
    assert store.info("another") is None


def test_a_session_with_a_waiting_message_is_unfinished(store):
    put(store, "one", said("How deep?"))
    assert store.unfinished() == ["one"]
    store.append("one", 1, events(("message_withdrawn", {"message_id": "m1", "reason": "withdrawn"}), first=2))
    assert store.unfinished() == []


def test_pages_list_each_session_once_newest_first(store):
    names = [f"s{number}" for number in range(25)]
    for name in names:
        put(store, name, said(name))
    listed, cursor = [], None
    while True:
        page = store.search(limit=4, cursor=cursor)
        listed += [info["id"] for info in page["sessions"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed == names[::-1]


@pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24=", "W10="])
def test_an_invalid_cursor_is_refused(store, cursor):
    with pytest.raises(ValueError, match="next_cursor"):
        store.search(cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_limit_out_of_range_is_refused(store, limit):
    with pytest.raises(ValueError, match="1 to 200"):
        store.search(limit=limit)


# The search


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("mariana", ["sea"]),
        ("MARIANA trench", ["sea"]),
        ("ariana", ["sea"]),
        ("mariana moon", []),
        ("moon", ["sky"]),
        ("深海", ["sea"]),
        ("km", ["sky", "sea"]),
        ("100%", ["sky"]),
        ('say "deep"', ["sea"]),
        ("NOT AND *", []),
        ("_", []),
        ("  ", ["sky", "sea"]),
    ],
)
def test_a_search_finds_sessions_in_which_every_word_occurs(store, query, found):
    put(store, "sea", said('They say "deep": 深海 11 km'), thought("The Mariana Trench."))
    put(store, "sky", said("Is the moon 100% round?"), thought("384 km? No."))

    assert [info["id"] for info in store.search(query)["sessions"]] == found


def test_a_match_is_shown_in_its_context(store):
    put(store, "sea", thought(f"{'before ' * 30}the Mariana Trench{' after' * 30}"))
    (info,) = store.search("mariana")["sessions"]
    assert "before the Mariana Trench after" in info["snippet"]
    assert info["snippet"].startswith("…")
    assert info["snippet"].endswith("…")


def test_steps_are_found_once_they_are_closed(store):
    put(store, "sea", thought("The Mari", "streaming"))
    assert store.search("mari")["sessions"] == []
    store.append("sea", 1, events(thought("The Mariana"), first=2))
    assert len(store.search("mari")["sessions"]) == 1


def test_deleted_and_cleared_sessions_are_not_found(store):
    put(store, "one", said("mariana"))
    put(store, "two", said("mariana"))
    store.delete("one")
    store.begin("two", "another")
    assert store.search("mariana")["sessions"] == []
    assert store.position("one") is None


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.dictionaries(st.sampled_from("abcd"), st.lists(_TEXT, max_size=3), max_size=4), query=_TEXT)
def test_a_search_agrees_with_reading_everything(store, texts, query):
    for name in "abcd":
        store.delete(name)
    for name, contents in texts.items():
        put(store, name, *(said(text, number) for number, text in enumerate(contents)))

    words = query.split()
    expected = {
        name for name, contents in texts.items() if all(any(word in text for text in contents) for word in words)
    }
    found = {info["id"] for info in store.search(query)["sessions"]}
    # Letters of either case are found, so there may be more, but never fewer.
    assert expected <= found
    folded = {
        name
        for name, contents in texts.items()
        if all(
            any(_folds(word) & _folds(text[at : at + len(word)]) for text in contents for at in range(len(text)))
            for word in words
        )
    }
    assert found <= expected | folded


def _folds(text):
    return {text.lower(), text.upper(), text.casefold()}


# Retention and tickets


def test_old_sessions_expire_but_not_those_in_use(store):
    for name in ("old", "live"):
        put(store, name, said(name))
    limit = store.info("live")["updated"] + 1
    put(store, "new", said("new"))
    store._db.execute("UPDATE session SET updated = ? WHERE id = 'new'", (limit + 1,))

    assert store.expire(limit, keep={"live"}) == ["old"]
    assert {info["id"] for info in store.search()["sessions"]} == {"live", "new"}


def test_an_expired_session_is_recorded_for_its_owner(store):
    store.begin("old", "e", "ada")
    store._db.execute("UPDATE session SET updated = 1, lived = 1")
    assert store.expire(2.0) == ["old"]
    (entry,) = store.audit("ada")
    assert (entry["who"], entry["action"], entry["session_id"]) == ("retention", "deleted", "old")
    assert store.usage("ada") == (0, 0)


def test_a_revoked_ticket_stays_revoked_until_it_expires(store, path):
    store.revoke_ticket("a", 4e9)
    store.revoke_ticket("b", 1.0)
    store.revoke_ticket("c", 4e9)
    assert (store.is_revoked("a"), store.is_revoked("b"), store.is_revoked("x")) == (True, False, False)
    store.close()
    again = SessionStore(path, "again")
    assert again.is_revoked("a")
    again.close()


# The file


def test_only_its_owner_may_access_the_file(store, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_error_of_a_second_server_names_the_first(store, path):
    with pytest.raises(StoreLocked, match=r"in use by http://127\.0\.0\.1:8888/, process 1: stop that server"):
        SessionStore(path, "second")
    store.close()
    SessionStore(path, "second").close()


def test_a_process_that_has_died_leaves_no_lock(path):
    code = (
        "import sys, os; from reasoning_widget.session.store import SessionStore\n"
        "SessionStore(sys.argv[1], 'dead'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert path.exists()
    SessionStore(path, "alive").close()


@pytest.mark.parametrize(
    "content", [b"This is no database at all.", b"SQLite format 3\x00" + bytes(84) + b"\x13" * 4000]
)
def test_a_file_that_is_not_a_database_is_left_untouched(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"move it away|damaged"):
        SessionStore(path, "me")
    assert path.read_bytes() == content


def test_a_newer_database_is_left_untouched(store, path):
    store._db.execute("PRAGMA user_version = 99")
    store.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="newer reasoning-widget"):
        SessionStore(path, "me")
    assert path.read_bytes() == before
    assert not Path(f"{path}-wal").exists()


def test_a_database_of_the_first_version_is_migrated(path):
    path.parent.mkdir()
    db = sqlite3.connect(path, isolation_level=None)
    MIGRATIONS[1](db)
    db.execute("PRAGMA user_version = 1")
    db.execute("INSERT INTO session VALUES ('old', 'e', 2)")
    first, second = events(("session_info", {"title": "Seas"}), said("mariana"))
    for event in (first, second):
        db.execute("INSERT INTO event VALUES ('old', ?, ?)", (event["seq"], json.dumps(event)))
    db.close()

    store = SessionStore(path, "me")
    (info,) = store.search("mariana")["sessions"]
    assert (info["title"], info["messages"], info["updated"]) == ("Seas", 1, 1.0)
    assert store.read("old") == [first, second]
    store.close()


def test_a_database_without_owners_is_migrated(path):
    path.parent.mkdir()
    db = sqlite3.connect(path, isolation_level=None)
    for number in (1, 2):
        MIGRATIONS[number](db)
    db.execute("PRAGMA user_version = 2")
    db.execute("INSERT INTO session (id, epoch, last_seq, created, updated) VALUES ('old', 'e', 1, 1, 1)")
    (event,) = events(said("mariana"))
    db.execute("INSERT INTO event VALUES ('old', 1, ?)", (json.dumps(event).encode(),))
    db.execute("INSERT INTO blob VALUES ('old', 'x', ?)", (b'"picture"',))
    db.close()

    store = SessionStore(path, "me")
    info = store.info("old")
    assert info is not None
    assert (info["owner"], info["size"]) == (None, len(json.dumps(event)) + len('"picture"'))
    assert store.search(whose=Whose("ada", and_unowned=False))["sessions"] == []
    assert len(store.search(whose=Whose("ada", and_unowned=True))["sessions"]) == 1
    store.append("old", 1, events(said("more", 2), first=2))
    assert store.read("old")[0] == event
    store.close()


def test_the_usage_of_each_owner_is_counted(store):
    store.begin("one", "e", "ada")
    store.append("one", 0, events(said("hi")), {"x": "a" * 100})
    store.put_blob("one", "x", "a" * 100)  # it is stored already
    store.begin("two", "e", "bob")
    info = store.info("one")
    assert info is not None
    size = info["size"]
    assert 102 < size < 300
    assert store.usage("ada") == (1, size)
    assert store.usage("bob") == (1, 0)
    assert store.usage("eve") == (0, 0)
    store.begin("one", "another", "ada")
    assert store.usage("ada") == (1, 0)


def test_audit_entries_outlive_their_sessions(store):
    store.begin("one", "e", "ada")
    store.record_audit("bob", "deleted", "one", "ada")
    store.delete("one")
    store.record_audit("eve", "granted", "two", "eve", "ticket 1")
    assert [entry["who"] for entry in store.audit()] == ["eve", "bob"]
    for name in ("ada", "bob"):
        (entry,) = store.audit(name)
        assert (entry["who"], entry["action"], entry["session_id"], entry["owner"]) == ("bob", "deleted", "one", "ada")


def test_a_full_disk_loses_no_stored_events_and_writing_resumes_with_space(store):
    put(store, "one", said("safe"))
    store._db.execute(f"PRAGMA max_page_count = {store._db.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(StorageError, match="disk is full: free some space"):
        store.append("one", 1, events(said("x" * 100_000, 2), first=2))
    assert store.info("one")["last_seq"] == 1

    store._db.execute("PRAGMA max_page_count = 1000000")
    store.append("one", 1, events(said("x" * 100_000, 2), first=2))
    assert [event["data"]["content"][:4] for event in store.read("one")] == ["safe", "xxxx"]


async def test_a_session_stored_in_a_file_is_loaded_unchanged(path):
    store = SessionStore(path, "first")
    session, runner = open_session(store)
    ask(session, "hi", "m1")
    runner.run.emit({"type": "final_answer", "content": "Hello."})
    runner.run.end()
    state = session.state
    store.close()

    store = SessionStore(path, "second")
    again, _ = open_session(store)
    assert again.state == state
    store.close()


def test_a_log_in_memory_creates_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SQLiteLog().close()
    assert list(tmp_path.iterdir()) == []
