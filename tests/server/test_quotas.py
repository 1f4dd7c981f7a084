"""The limits for each user; refused messages can be sent again."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from reasoning_widget import connect
from reasoning_widget.client import Disconnected
from reasoning_widget.protocol import ProtocolError
from tests.server.client import Client, connected, new_session
from tests.server.people import as_, shared_server
from tests.server.rest import bearer, call, spoken_in

BYTES = 20_000


@pytest.fixture(scope="module")
def limited(tmp_path_factory, start_server):
    limits = {"sessions": 4, "queued": 2, "connections": 3, "bytes": BYTES}
    options: dict[str, Any] = {f"max_{what}_per_user": most for what, most in limits.items()}
    with shared_server(tmp_path_factory.mktemp("limited"), **options) as server:
        yield server


@pytest.fixture
def of(limited):
    """Connect as a user, and delete the session in the end."""
    yield lambda name, session_id, **more: connected(limited, session_id, additional_headers=as_(name), **more)
    for name in ("ada", "bob"):
        for info in call(limited, "GET", "sessions", headers=as_(name)).json["sessions"]:
            call(limited, "DELETE", f"sessions/{info['id']}", headers=as_(name))


async def refused(client: Client, message_id: str) -> str:
    error = (await client.until("error"))["data"]
    assert (error["code"], error["id"]) == ("quota", message_id)
    return str(error["message"])


async def test_sessions(limited, of):
    names = [new_session() for _ in range(5)]
    for name in names[:4]:
        async with of("ada", name) as client:
            await client.ask("hi")
            await client.until("run_finished")
    async with of("ada", names[4]) as client:
        said = await refused(client, await client.ask("one more", message_id="m"))
        assert (
            said == "you have 4 sessions, which is the limit: delete one that you no longer need, then send this again"
        )
        assert call(limited, "GET", f"sessions/{names[4]}", headers=as_("ada")).status == 404
        async with of("ada", names[0]) as old:  # existing sessions continue
            await old.ask("again")
            await old.until("run_finished")
        async with of("bob", new_session()) as other:  # so do those of other users
            await other.ask("hi")
            await other.until("run_finished")
        call(limited, "DELETE", f"sessions/{names[1]}", headers=as_("ada"))
        await client.ask("one more", message_id="m")
        await client.until("run_finished")


async def test_queued_messages(limited, of):
    one, two = new_session(), new_session()
    async with of("ada", one) as first, of("ada", two) as second:
        await first.ask("go", "wait")
        await first.until("run_started")
        await first.ask("next", message_id="q1")
        await first.until("ack")
        await second.ask("go", "wait")
        await second.until("run_started")
        ticket = call(limited, "POST", "tickets", {"session_id": two, "access": "talk"}, as_("ada")).json["ticket"]
        async with connected(limited, two, additional_headers=bearer(ticket)) as program:
            await program.ask("next", message_id="q2")
            await program.until("ack")
            said = await refused(program, await program.ask("too many"))
        assert said.startswith("at most 2 messages of yours may be queued at once: withdraw one, or send this again")
        await refused(second, await second.ask("too many", message_id="q3"))

        await first.ask("next", message_id="q1")  # sent again, because the reply was lost
        assert (await first.until("ack"))["data"]["id"] == "q1"
        async with of("bob", new_session()) as other:
            await other.ask("hi")
            await other.until("run_finished")

        await first.send("withdraw", "w", message_id="q1")
        await first.until("ack")
        await second.ask("too many", message_id="q3")
        assert (await second.until("ack"))["data"]["id"] == "q3"
        for client in (first, second):
            await client.send("stop")
            await client.until("run_finished")


async def test_stored_bytes(limited, of):
    session_id = new_session()
    async with of("ada", session_id) as client:
        await client.ask("hi")
        await client.until("run_finished")
        said = await refused(client, await client.ask("x" * BYTES))
        assert said.startswith("there is no room for this message: you may store 20.0 kB, of which 1.")
        assert said.endswith(" kB are in use. Delete or clear some of your sessions, then send this again")
        await client.ask("70000", "table", message_id="m")  # the output of a run is stored completely
        await client.until("run_finished")
        assert len(client.state["runs"]) == 2
        await refused(client, await client.ask("hi", message_id="n"))
        await client.ask("70000", "table", message_id="m")  # sent again, because the reply was lost
        await client.until("ack")
        assert call(limited, "GET", f"sessions/{session_id}/export", headers=as_("ada")).status == 200

        await client.send("clear", epoch=client.state["epoch"])
        await client.until("session")
        await client.ask("hi", message_id="n")
        await client.until("run_finished")


async def test_an_attachment_counts(limited, of):
    async with of("ada", new_session()) as client:
        parts = [{"text": "Look"}, {"file": f"data:text/plain;base64,{'QUFB' * 8000}", "name": "a.txt"}]
        await client.send("chat", "m", message=parts, agent_name="echo")
        assert "there is no room" in await refused(client, "m")


async def test_connections(limited, of):
    names = [new_session() for _ in range(4)]
    async with of("ada", names[0]) as first, of("ada", names[1]), of("ada", names[2]), of("bob", names[3]) as other:
        async with of("ada", names[0]) as fourth:
            with pytest.raises(ConnectionClosed) as closed:
                await fourth.until("nothing")
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4429
            assert closed.value.rcvd.reason.startswith("a user may have at most 3 connections at once: close")
            assert fourth.frames == []
        for client in (first, other):
            await client.send("ping")
            await client.until("pong")


async def test_unidentified_users_share_limits_and_the_client_explains_a_refusal(tmp_path, start_server):
    with start_server(tmp_path, max_connections_per_user=1, max_sessions_per_user=1) as server:
        session_id = await spoken_in(server, new_session())
        async with connected(server, session_id):
            with pytest.raises(Disconnected, match="a user may have at most 1 connection at once: close another"):
                async with connect(server.address, session_id, token=server.token):
                    pass
        async with connect(server.address, new_session(), token=server.token) as chat:
            with pytest.raises(ProtocolError, match="you have 1 session, which is the limit: delete one"):
                await chat.ask("hi", agent="echo").answer()
            assert call(server, "DELETE", f"sessions/{session_id}").status == 204
            answer = await chat.ask("hi", agent="echo").answer()
            assert answer.text == "You said: hi"
