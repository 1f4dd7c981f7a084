"""Sessions by id: in memory while they are needed, in the log permanently."""

from __future__ import annotations

import asyncio

import pytest

from reasoning_widget.session.log import StorageError
from reasoning_widget.session.manager import SessionManager
from reasoning_widget.session.store import SessionStore
from reasoning_widget.session.watcher import Watcher
from tests.parts import PNG, address
from tests.session.manual import ManualRunner, NoAgents, ask


@pytest.fixture
def store(tmp_path):
    store = SessionStore(tmp_path / "sessions.db", "the test")
    yield store
    store.close()


def manage(store, idle_after=0.0, **options):
    runner = ManualRunner()
    return SessionManager(store, NoAgents(), runner, idle_after=idle_after, **options), runner


async def started(runner, count=1):
    """Wait until this many runs have started."""
    while len(runner.runs) < count:
        await asyncio.sleep(0)


async def test_a_session_exists_from_its_first_message(store):
    manager, _ = manage(store)
    session = manager.open("demo")
    assert manager.find("demo") is None
    assert manager.transcript("demo") is None

    ask(session, "hi", "m1")

    assert manager.find("demo") is session
    assert store.info("demo")["title"] == "hi"


async def test_idle_sessions_are_unloaded_and_reloaded_unchanged(store):
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


async def test_a_session_that_is_idle_for_a_moment_stays_loaded(store):
    manager, _ = manage(store, idle_after=3600.0)
    manager.open("demo")
    manager.release_idle()
    manager.release_idle()
    assert "demo" in manager.live


async def test_deleting_a_session_ends_its_watchers_and_stops_its_run(store):
    manager, runner = manage(store)
    session = manager.open("demo")
    ask(session, "hi", "m1")
    watcher = Watcher(session)
    watcher.read()

    manager.delete("demo")

    await asyncio.wait_for(watcher.changed(), 5)
    assert (session.ended, runner.run.stopped) == ("deleted", True)
    runner.run.emit({"type": "final_answer", "content": "too late"})
    assert manager.find("demo") is None
    (error,) = ask(session, "again", "m2")
    assert error["data"]["code"] == "session_ended"
    with pytest.raises(KeyError):
        manager.delete("demo")


async def test_an_unloaded_session_can_be_renamed(store):
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


async def test_open_runs_and_steps_of_an_earlier_process_are_closed_at_the_start(store):
    manager, runner = manage(store)
    session = manager.open("demo")
    ask(session, "hi", "m1")
    runner.run.emit({"type": "thought", "id": "t", "content": "Hm"})
    ask(session, "and", "m2")
    manager, runner = manage(store)

    manager.recover(store.unfinished())

    assert store.info("demo")["status"] == "interrupted"
    state = manager.transcript("demo")
    assert [step["status"] for step in state["steps"].values()] == ["stopped"]
    await started(runner)
    runner.run.end()
    assert [run["status"] for run in state["runs"]] == ["interrupted", "completed"]
    assert store.unfinished() == []


async def test_queued_prompts_run_unchanged_after_a_restart(store):
    manager, _ = manage(store)
    session = manager.open("demo")
    ask(session, "now", "m0")
    ask(session, "one", "m1", agent_name="reader", max_iterations=3)
    ask(session, [{"text": "two"}, {"image": address(PNG)}], "m2", agent_name="painter", enable_reasoning=False)
    ask(session, "three", "m3", agent_name="writer", max_iterations=7, follows="m0")

    manager, runner = manage(store)
    manager.recover(store.unfinished())
    session = manager.open("demo")
    for number in range(3):
        await started(runner, number + 1)
        runner.run.emit({"type": "final_answer", "content": f"answer {number}"})
        runner.run.end()

    specs = [run.spec for run in runner.runs]
    assert [(spec.prompt.split()[0], spec.agent_name, spec.max_iterations) for spec in specs] == [
        ("one", "reader", 3),
        ("two", "painter", 20),
        ("three", "writer", 7),
    ]
    assert [list(part) for part in specs[1].parts] == [["text"], ["image", "name"]]
    assert [[turn["prompt"] for turn in spec.history] for spec in specs] == [["now"], ["now", "one"], ["now"]]
    runs = [(run["message_id"], run["enable_reasoning"], run["status"]) for run in session.state["runs"]]
    assert runs == [
        ("m0", True, "interrupted"),
        ("m1", True, "completed"),
        ("m2", False, "completed"),
        ("m3", True, "completed"),
    ]


async def test_a_queued_prompt_is_recognized_after_a_restart(store):
    manager, _ = manage(store)
    session = manager.open("demo")
    for number in range(4):
        ask(session, "hi", f"m{number}", max_iterations=5)

    manager, runner = manage(store)
    session = manager.open("demo")

    assert ask(session, "hi", "m1", max_iterations=5) == [{"type": "ack", "data": {"id": "m1"}}]
    (conflict,) = ask(session, "hi", "m1", max_iterations=6)
    assert conflict["data"]["code"] == "id_conflict"
    session.handle({"type": "withdraw", "payload": {"message_id": "m2"}})
    await started(runner)
    session.stop()
    runner.run.end()
    assert [message["withdrawn"] for message in session.state["messages"]] == [None, None, "withdrawn", "stopped"]
    assert len(runner.runs) == 1


async def test_an_untaken_steering_prompt_gets_a_run_after_a_restart(store):
    manager, _ = manage(store)
    session = manager.open("demo")
    ask(session, "hi", "m1")
    ask(session, "faster", "m2", steer=True)

    manager, runner = manage(store)
    manager.recover(store.unfinished())

    await started(runner)
    assert runner.run.spec.prompt == "faster"


async def test_a_prompt_queued_by_an_earlier_version_is_withdrawn(store):
    message = {"id": "m1", "content": "hi", "timestamp": 1.0, "follows": None}
    store.begin("demo", "e", None)
    store.append("demo", 0, [{"type": "user_message", "seq": 1, "data": message}])

    manager, _ = manage(store)
    manager.recover(store.unfinished())

    assert [message["withdrawn"] for message in manager.transcript("demo")["messages"]] == ["interrupted"]
    assert store.unfinished() == []


async def test_a_session_whose_log_fails_is_reloaded_from_the_stored_events(store, monkeypatch):
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
