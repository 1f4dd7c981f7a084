"""Sessions by id: in memory while anyone needs them, in the log for good."""

from __future__ import annotations

import asyncio

import pytest

from reasoning_widget.session.log import StorageError
from reasoning_widget.session.manager import SessionManager
from reasoning_widget.session.store import SessionStore
from reasoning_widget.session.watcher import Watcher
from tests.session.manual import ManualRunner, NoAgents, ask


@pytest.fixture
def store(tmp_path):
    store = SessionStore(tmp_path / "sessions.db", "the test")
    yield store
    store.close()


def manage(store, idle_after=0.0, **options):
    runner = ManualRunner()
    return SessionManager(store, NoAgents(), runner, idle_after=idle_after, **options), runner


async def test_a_session_exists_from_its_first_message_on(store):
    manager, _ = manage(store)
    session = manager.open("demo")
    assert manager.find("demo") is None
    assert manager.transcript("demo") is None

    ask(session, "hi", "m1")

    assert manager.find("demo") is session
    assert store.info("demo")["title"] == "hi"


async def test_idle_sessions_leave_memory_and_come_back_as_they_were(store):
    manager, runner = manage(store)
    session = manager.open("demo")
    ask(session, "hi", "m1")
    runner.run.emit({"type": "final_answer", "content": "Hello."})
    manager.release_idle()
    assert "demo" in manager.live, "a run is on"
    runner.run.end()
    watcher = Watcher(session)
    manager.release_idle()
    assert "demo" in manager.live, "someone watches"
    watcher.close()
    manager.release_idle()

    assert "demo" not in manager.live
    assert manager.open("demo").state == session.state


async def test_one_that_is_idle_for_a_moment_stays(store):
    manager, _ = manage(store, idle_after=3600.0)
    manager.open("demo")
    manager.release_idle()
    manager.release_idle()
    assert "demo" in manager.live


async def test_a_deleted_session_lets_its_watchers_go_and_stops_its_run(store):
    manager, runner = manage(store)
    session = manager.open("demo")
    ask(session, "hi", "m1")
    watcher = Watcher(session)
    watcher.take()

    manager.delete("demo")

    await asyncio.wait_for(watcher.changed(), 5)
    assert (session.ended, runner.run.stopped) == ("deleted", True)
    runner.run.emit({"type": "final_answer", "content": "too late"})
    assert manager.find("demo") is None
    (error,) = ask(session, "again", "m2")
    assert error["data"]["code"] == "session_ended"
    with pytest.raises(KeyError):
        manager.delete("demo")


async def test_a_session_is_renamed_whether_in_memory_or_not(store):
    manager, runner = manage(store)
    ask(manager.open("demo"), "hi", "m1")
    runner.run.end()
    manager.release_idle()

    manager.rename("demo", "  A better\ntitle ")

    assert store.info("demo")["title"] == "A better title"
    assert manager.transcript("demo")["title"] == "A better title"
    with pytest.raises(ValueError, match="empty"):
        manager.rename("demo", " ")
    with pytest.raises(KeyError):
        manager.rename("nobody", "x")


async def test_what_an_earlier_process_left_open_is_closed_at_the_start(store):
    manager, runner = manage(store)
    session = manager.open("demo")
    ask(session, "hi", "m1")
    runner.run.emit({"type": "thought", "id": "t", "content": "Hm"})
    ask(session, "and", "m2")
    manager, _ = manage(store)

    manager.recover(store.unfinished())

    assert store.info("demo")["status"] == "interrupted"
    assert store.unfinished() == []
    state = manager.transcript("demo")
    assert [message["withdrawn"] for message in state["messages"]] == [None, "interrupted"]
    assert [step["status"] for step in state["steps"].values()] == ["stopped"]


async def test_a_session_whose_log_fails_is_loaded_again_from_what_is_safe(store, monkeypatch):
    failures = []
    manager, runner = manage(store, on_failure=lambda session_id, error: failures.append((session_id, str(error))))
    session = manager.open("demo")
    ask(session, "hi", "m1")
    runner.run.emit({"type": "thought", "content": "Safe."})
    watcher = Watcher(session)

    with monkeypatch.context() as patch:

        def full(*_args):
            raise StorageError("the disk is full")

        patch.setattr(store, "append", full)
        runner.run.emit({"type": "thought", "content": "Lost."})

    assert failures == [("demo", "the disk is full")]
    assert (session.ended, runner.run.stopped) == ("failed", True)
    assert not watcher.up_to_date
    again = manager.open("demo")
    assert again is not session
    assert [step["content"] for step in again.state["steps"].values()] == ["Safe."]
    assert again.state["runs"][0]["status"] == "interrupted"


async def test_a_malformed_id_is_refused(store):
    manager, _ = manage(store)
    with pytest.raises(ValueError, match="1 to 128 characters"):
        manager.open("../../x")
