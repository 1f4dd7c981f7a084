"""Heartbeats, idle and expired sessions, waiting runs, and stores that cannot be opened."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from reasoning_widget.session.schema import MIGRATIONS, SCHEMA_VERSION
from reasoning_widget.session.store import SessionStore
from tests.server.client import bare_connection, connected, new_session
from tests.server.rest import call

PING = b"\x89\x00"
MISTAKES = {
    "no_colon": "tests.server.agents",
    "not_there": "tests.nowhere:Agent",
    "no_agent": "tests.server.agents:WORDS",
}


@pytest.fixture(scope="module")
def narrow(tmp_path_factory, start_server):
    """One run at a time, a quick heartbeat, sessions of ten days at most and soon out of memory, mistakes in its
    configuration, and a store that was written by the first version.
    """
    home = tmp_path_factory.mktemp("narrow")
    write_store_of_version_1(home / "data" / "reasoning-widget" / "sessions.db", {"long-ago": 11, "yesterday": 1})
    more = {"AgentManager": {"agents": MISTAKES}}
    limits: dict[str, Any] = {"max_runs": 1, "ping_interval": 0.2, "retention_days": 10, "idle_after": 0.2}
    with start_server(home, more=more, **limits) as server:
        yield server


def write_store_of_version_1(path, ages):
    """Create sessions, and return their ids by their age in days."""
    path.parent.mkdir(parents=True)
    db = sqlite3.connect(path, isolation_level=None)
    MIGRATIONS[1](db)
    db.execute("PRAGMA user_version = 1")
    for name, days in ages.items():
        message = {"id": "m", "content": "by an older one", "timestamp": time.time() - days * 86400, "follows": None}
        events = [("session_info", {"title": name}), ("user_message", message)]
        events.append(("message_withdrawn", {"message_id": "m", "reason": "stopped"}))
        db.execute("INSERT INTO session VALUES (?, 'e', ?)", (name, len(events)))
        for seq, (kind, data) in enumerate(events, 1):
            frame = json.dumps({"type": kind, "seq": seq, "data": data})
            db.execute("INSERT INTO event VALUES (?, ?, ?)", (name, seq, frame))
    db.close()


async def silent(server, session_id):
    """Connect a client that reads but never answers, and return everything it received until it was dropped."""
    reader, writer = await bare_connection(server, session_id)
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


async def test_only_a_client_that_misses_two_heartbeats_is_dropped(narrow):
    session_id = new_session()
    async with connected(narrow, session_id) as client:
        received = await asyncio.wait_for(silent(narrow, session_id), 60)
        assert received.startswith(b"HTTP/1.1 101")
        assert received.count(PING) == 2
        await client.send("ping")
        await client.until("pong")


def test_sessions_are_deleted_after_the_configured_time(narrow):
    assert call(narrow, "GET", "sessions/long-ago").status == 404
    assert call(narrow, "GET", "sessions/yesterday").status == 200


async def test_a_store_of_an_earlier_version_is_upgraded(narrow):
    (found,) = call(narrow, "GET", "sessions?q=older").json["sessions"]
    assert (found["id"], found["title"], found["messages"]) == ("yesterday", "yesterday", 1)
    async with connected(narrow, "yesterday") as client:
        await client.until("message_withdrawn")
        await client.ask("And by this one?")
        await client.until("run_finished")
        told = [message["content"] for message in client.state["messages"]]
    assert told == ["by an older one", "And by this one?"]
    store = narrow.log.parent / "data" / "reasoning-widget" / "sessions.db"
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    db.close()


async def test_idle_sessions_are_unloaded_until_they_are_needed(narrow):
    session_id = new_session()
    async with connected(narrow, session_id) as client:
        await client.ask("hello")
        await client.until("run_finished")
        async with asyncio.timeout(60):  # sessions of other tests are unloaded, too
            while live_sessions(narrow) != 1:
                await asyncio.sleep(0.05)
        await client.ask("again")
        await client.until("run_finished")
    async with asyncio.timeout(60):
        while live_sessions(narrow) != 0:
            await asyncio.sleep(0.05)
    known = f"after={client.state['last_seq']}&epoch={client.state['epoch']}"
    async with connected(narrow, session_id) as other, connected(narrow, session_id, known) as back:
        assert (await back.receive())["data"]["last_seq"] == client.state["last_seq"]
        while other.state["last_seq"] < client.state["last_seq"]:
            await other.receive()
        assert other.state == client.state
        assert live_sessions(narrow) == 1
        await back.ask("once more")
        await other.until("run_finished")
        assert other.steps()[-1] == ("final_answer", "You said: once more")


def live_sessions(server):
    """Return the number of sessions in memory."""
    (number,) = re.findall(
        rb"^reasoning_widget_live_sessions (\S+)$", call(server, "GET", "metrics").body, re.MULTILINE
    )
    return float(number)


async def test_messages_that_wait_for_a_worker_are_queued(narrow):
    first, second = new_session(), new_session()
    async with connected(narrow, first) as busy, connected(narrow, second) as queued:
        await busy.ask("go", "wait")
        await busy.until("reasoning_step")
        await queued.ask("hi", message_id="m")
        await queued.until("ack")
        await queued.send("ping")
        await queued.until("pong")
        assert [(message["run_id"], message["withdrawn"]) for message in queued.state["messages"]] == [(None, None)]
        info = call(narrow, "GET", f"sessions/{second}").json
        assert (info["messages"], info["pending"], info["runs"], info["status"]) == (1, 1, 0, None)
        assert b"reasoning_widget_waiting_runs 1.0" in call(narrow, "GET", "metrics").body
        await busy.send("stop")
        await queued.until("run_finished")
        assert call(narrow, "GET", f"sessions/{second}").json["pending"] == 0


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        (
            "no_colon",
            'could not be loaded from `tests.server.agents`: it must have the form "package.module:attribute"',
        ),
        ("not_there", "could not be loaded from `tests.nowhere:Agent`: ModuleNotFoundError: No module named"),
        ("no_agent", 'The agent "no_agent" cannot be used'),
        ("nobody", 'There is no agent "nobody". Known agents: '),
    ],
)
async def test_a_mistake_in_the_configuration_of_an_agent_is_its_answer(narrow, agent, message):
    async with connected(narrow, new_session()) as client:
        await client.ask("hi", agent)
        await client.until("run_finished")
        ((kind, content),) = client.steps()
    assert kind == "error"
    assert message in content


async def test_a_store_that_cannot_be_opened_is_reported_and_left_untouched(tmp_path, start_server):
    path = tmp_path / "sessions.db"
    damaged = b"This is no database at all."
    path.write_bytes(damaged)
    with start_server(tmp_path, store_path=str(path)) as server:

        async def told(message):
            requests = [
                ("GET", "health", None),
                ("GET", "sessions", None),
                ("GET", "sessions/x/export", None),
                ("PATCH", "sessions/x", {"title": "x"}),
                ("POST", "tickets", {"session_id": "x"}),
            ]
            answers = [call(server, *request) for request in requests]
            with pytest.raises(InvalidStatus) as refused:
                async with connected(server, "x"):
                    pass
            handshake = refused.value.response
            bodies = [answer.json for answer in answers] + [json.loads(handshake.body)]
            assert {answer.status for answer in answers} | {handshake.status_code} == {503}
            assert {body["code"] for body in bodies} == {"service_unavailable"}
            assert all(message in body["message"] for body in bodies)
            assert call(server, "GET", "agents").status == call(server, "GET", "metrics").status == 200

        await told(f"{path} is not a database of sessions, or is damaged: move it away")
        assert path.read_bytes() == damaged

        damaged = b"SQLite format 3\x00" + bytes(84) + b"\x13" * 4000
        path.write_bytes(damaged)
        await told(f"{path} is damaged")
        assert path.read_bytes() == damaged

        path.unlink()
        newer = sqlite3.connect(path)
        newer.execute("PRAGMA user_version = 99")
        newer.execute("CREATE TABLE session (id)")
        newer.close()
        content = path.read_bytes()
        await told("written by a newer reasoning-widget (schema 99): update the package")
        assert path.read_bytes() == content

        path.unlink()
        other = SessionStore(path, "http://127.0.0.1:1/, process 7")
        await told("in use by http://127.0.0.1:1/, process 7: stop that server, or name another file")
        other.close()

        assert call(server, "GET", "health").json == {"status": "ok"}, "it is tried again"
    assert "the sessions cannot be served" in server.log.read_text()
