"""Slow work does not block the server: searches, exports, deletions, and Stop with many queued messages."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from tornado import web

from reasoning_widget.protocol import MAX_QUEUED
from reasoning_widget.server import exports
from reasoning_widget.server.export_job import ExportJob
from reasoning_widget.server.exports import Exports
from reasoning_widget.session.log import StorageError
from reasoning_widget.session.store import SessionReader, SessionStore
from tests.server.client import connected, new_session
from tests.server.rest import call
from tests.session.manual import ask, open_session
from tests.session.test_store import events, put, said, thought


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def store(path):
    store = SessionStore(path, "a test")
    yield store
    store.close()


def fill(store, session_id, steps):
    """Store a session with a number of steps."""
    started = {"run_id": "r", "message_id": "m1", "agent_name": "a", "enable_reasoning": True, "timestamp": 1.0}
    step = {"run_id": "r", "iteration": 1, "timestamp": 1.0, "status": "done", "agent": "a"}
    thoughts = [
        (
            "reasoning_step",
            {**step, "type": "thought", "id": f"r.{n}", "index": n, "content": f"Thought **{n}** of it."},
        )
        for n in range(steps)
    ]
    put(store, session_id, said("Think.", 1), ("run_started", started), *thoughts)


async def busy_while(work):
    """Await `work`; return its result, and the number of turns that the event loop had meanwhile."""
    turns = 0
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
        await asyncio.sleep(0.001)
    return await task, turns


# Exports


@pytest.mark.slow
@pytest.mark.parametrize("kind", exports.FORMATS)
async def test_a_long_export_in_a_process_equals_one_in_a_thread(store, path, kind):
    fill(store, "one", 300)
    job = ExportJob(kind, str(path), "one", size=10**6)
    (session_id, file), turns = await busy_while(Exports().write(job))
    with file:
        content = file.read()
    assert session_id == "one"
    assert turns > 20, "the loop went on"
    short, other = await Exports().write(ExportJob(kind, str(path), "one"))
    assert (short, other.read()) == ("one", content), "a short one is made in the same way"
    assert b"299" in content


@pytest.mark.slow
async def test_an_export_that_takes_too_long_is_explained(store, path):
    fill(store, "one", 10_000)
    with pytest.raises(web.HTTPError, match="took more than 1 s: try another format"):
        await Exports().write(ExportJob("html", str(path), "one", size=10**7, seconds=1))


@pytest.mark.slow
async def test_an_export_that_takes_too_much_memory_is_explained(store, path):
    step = {"run_id": "r", "iteration": 1, "timestamp": 1.0, "status": "done", "type": "tool_result", "id": "s"}
    output = {"image/png": {"blob": "b", "size": 60_000_000}}
    put(store, "one", said("Draw.", 1), ("reasoning_step", {**step, "content": "", "output": output}))
    store.put_blob("one", "b", "A" * 60_000_000)
    with pytest.raises(web.HTTPError, match="too long to be exported as json") as refused:
        await Exports().write(ExportJob("json", str(path), "one", size=10**8, memory=150 * 1024**2))
    assert refused.value.status_code == 413


async def test_the_export_of_a_damaged_session_is_refused(store, path):
    fill(store, "one", 3)
    store._db.execute("UPDATE event SET frame = x'00' WHERE seq = 2")
    for size in (0, 10**6):
        with pytest.raises((web.HTTPError, StorageError), match="damaged"):
            await Exports().write(ExportJob("html", str(path), "one", size=size))


async def test_an_export_includes_the_text_of_open_steps(server, tmp_path):
    session_id = new_session()
    async with connected(server, session_id) as client:
        await client.ask(str(tmp_path / "end"), "talk")
        while not any("word9 " in content for _, content in client.steps()):
            await client.receive()
        answer = call(server, "GET", f"sessions/{session_id}/export?format=json")
        (tmp_path / "end").touch()
    assert answer.status == 200
    assert b"word9" in answer.body
    assert answer.headers["Content-Length"] or answer.headers["Transfer-Encoding"] == "chunked"
    json.loads(answer.body)


# Search


async def test_a_search_does_not_block_the_writer(store, path):
    put(store, "one", said("mariana"))
    reader = SessionReader(path)
    assert [info["id"] for info in reader.search("maria")["sessions"]] == ["one"]
    put(store, "two", said("mariana trench"))
    assert [info["id"] for info in reader.search("m")["sessions"]] == ["two", "one"]
    with pytest.raises(StorageError, match=r"readonly|cannot be written"):
        reader.delete("one")
    reader.close()


def test_a_search_that_takes_too_long_is_explained(store, path):
    fill(store, "one", 3000)
    reader = SessionReader(path, 0.0)
    with pytest.raises(StorageError, match="takes too long: search for a longer word"):
        reader.search("ж")
    reader.close()
    assert store.search("thought")["sessions"]


# Deleting


async def test_a_long_session_is_deleted_in_slices(store):
    fill(store, "one", 5000)
    began = time.process_time()
    store.delete("one")
    first = time.process_time() - began
    assert store.search("thought")["sessions"] == []
    slices = 0
    while store.purge(0.004):
        slices += 1
    assert slices > 5
    whole = time.process_time() - began
    assert first < whole / 2, "whoever deletes it does not wait for all of it"
    assert store._db.execute("SELECT count(*) FROM passage").fetchone() == (0,)


async def test_deleting_everything_blocks_nothing(store):
    for number in range(100):
        fill(store, f"session-{number}", 50)
    taken = []

    def timed(step, *arguments):
        began = time.thread_time()
        result = step(*arguments)
        taken.append(time.thread_time() - began)
        return result

    for number in range(100):
        timed(store.delete, f"session-{number}")
    while timed(store.purge, 0.004):
        pass
    assert max(taken) < sum(taken) / 20, "the rest is left for later"
    assert store._db.execute("SELECT count(*) FROM passage").fetchone() == (0,)
    # The index merges automatically again.
    automerge = "SELECT v FROM passage_index_config WHERE k = 'automerge'"
    assert store._db.execute(automerge).fetchone() == (4,)


async def test_an_index_merges_automatically_again_after_an_interrupted_deletion(path):
    automerge = "SELECT v FROM passage_index_config WHERE k = 'automerge'"
    store = SessionStore(path, "a test")
    fill(store, "one", 500)
    with store._transaction():
        store._take_name("one")
    store.purge(0)
    assert store._db.execute(automerge).fetchone() == (0,)
    store.close()
    store = SessionStore(path, "a test")
    while store.purge(0.004):
        pass
    assert store._db.execute(automerge).fetchone() == (4,)
    assert store._db.execute("SELECT count(*) FROM passage").fetchone() == (0,)
    store.close()


# Stop


async def test_the_number_of_queued_messages_is_limited():
    session, runner = open_session()
    for number in range(MAX_QUEUED + 1):  # one of them runs
        (reply,) = ask(session, "hi", f"m{number}")
        assert reply["type"] == "ack"
    (error,) = ask(session, "hi", "one too many")
    assert (error["data"]["code"], error["data"]["id"]) == ("queue_full", "one too many")
    (repeated,) = ask(session, "hi", "m3")
    assert repeated["type"] == "ack", "what waits already is no new one"
    (steering,) = ask(session, "hi", "steer", steer=True)
    assert steering["data"]["code"] == "queue_full"
    session.handle({"type": "withdraw", "payload": {"message_id": "m5"}})
    (reply,) = ask(session, "hi", "another")
    assert reply["type"] == "ack"

    session.stop()
    runner.run.end()
    states = [message["withdrawn"] for message in session.state["messages"]]
    assert states.count("stopped") == MAX_QUEUED
    (reply,) = ask(session, "again", "after")
    assert reply["type"] == "ack"


async def test_thousands_of_queued_messages_of_an_earlier_version_are_closed(store):
    put(store, "demo", *(said("hi", number) for number in range(6000)))
    session, _ = open_session(store)
    assert {message["withdrawn"] for message in session.state["messages"]} == {"interrupted"}
    assert len(events(thought("x"))) == 1
