"""A server whose peers vanish, whose runs wait for each other, and whose store cannot be opened."""

from __future__ import annotations

import asyncio
import json
import sqlite3

import pytest
from websockets.exceptions import InvalidStatus

from reasoning_widget.session.store import SessionStore
from tests.server.client import connected, new_session
from tests.server.conftest import reasoning_server
from tests.server.rest import call

PING = b"\x89\x00"
MISTAKES = {
    "no_colon": "tests.server.agents",
    "not_there": "tests.nowhere:Agent",
    "no_agent": "tests.server.agents:WORDS",
}


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """One run at a time, a quick heartbeat, sessions of ten days at most, and mistakes in its configuration."""
    home = tmp_path_factory.mktemp("narrow")
    store = SessionStore(home / "data" / "reasoning-widget" / "sessions.db", "an earlier server")
    for name in ("long-ago", "yesterday"):
        store.begin(name, "e")
    store._db.execute("UPDATE session SET updated = updated - 11 * 86400 WHERE id = 'long-ago'")
    store._db.execute("UPDATE session SET updated = updated - 86400 WHERE id = 'yesterday'")
    store.close()
    more = {"AgentManager": {"agents": MISTAKES}}
    with reasoning_server(home, more=more, max_runs=1, ping_interval=0.2, retention_days=10) as server:
        yield server


async def silent(server, session_id):
    """A peer that reads, but never answers: everything it was sent until it was dropped."""
    host, port = server.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [
        f"GET /ws/chat/{session_id} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Authorization: token {server.token}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


async def test_a_peer_that_is_gone_is_dropped_after_two_beats_and_one_that_is_there_is_not(narrow):
    session_id = new_session()
    async with connected(narrow, session_id) as client:
        received = await asyncio.wait_for(silent(narrow, session_id), 60)
        assert received.startswith(b"HTTP/1.1 101")
        assert received.count(PING) == 2
        await client.send("ping")
        await client.until("pong")


def test_sessions_are_kept_for_as_long_as_is_configured(narrow):
    assert call(narrow, "GET", "sessions/long-ago").status == 404
    assert call(narrow, "GET", "sessions/yesterday").status == 200


async def test_what_waits_for_room_is_shown_as_queued(narrow):
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
        ("no_colon", 'could not be loaded from `tests.server.agents`: write it as "package.module:attribute"'),
        ("not_there", "could not be loaded from `tests.nowhere:Agent`: ModuleNotFoundError: No module named"),
        ("no_agent", 'The agent "no_agent" cannot be used'),
        ("nobody", 'There is no agent "nobody". Known are: '),
    ],
)
async def test_a_mistake_in_the_configuration_is_told_by_who_is_asked(narrow, agent, message):
    async with connected(narrow, new_session()) as client:
        await client.ask("hi", agent)
        await client.until("run_finished")
        ((kind, content),) = client.steps()
    assert kind == "error"
    assert message in content


async def test_a_store_that_cannot_be_opened_is_told_by_all_who_need_it_and_left_as_it_is(tmp_path):
    path = tmp_path / "sessions.db"
    damaged = b"This is no database at all."
    path.write_bytes(damaged)
    with reasoning_server(tmp_path, store_path=str(path)) as server:

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
