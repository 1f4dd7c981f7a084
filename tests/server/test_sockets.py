"""The WebSocket of a real server."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from reasoning_widget.protocol import MAX_FILE_BYTES, Frame
from tests.parts import address
from tests.server.client import connected, new_session
from tests.server.rest import call


async def test_a_client_of_three_lines_needs_no_query(server):
    url, headers = server.socket_url(new_session()), {"Authorization": f"token {server.token}"}

    async with connect(url, additional_headers=headers) as socket:
        payload = {"message": "Your question here", "agent_name": "echo", "enable_reasoning": True}
        await socket.send(json.dumps({"type": "chat", "payload": payload}))
        frames: list[Frame] = []
        while not frames or frames[-1]["type"] != "run_finished":
            frames.append(json.loads(await socket.recv()))

    assert frames[0]["type"] == "session"
    assert {"echo", "researcher"} <= {agent["name"] for agent in frames[0]["data"]["agents"]}
    steps = [frame["data"] for frame in frames if frame["type"] == "reasoning_step"]
    assert [(step["type"], step["content"], step["status"]) for step in steps] == [
        ("thought", "Repeat it.", "done"),
        ("final_answer", "You said: Your question here", "done"),
    ]
    assert all(step["iteration"] == 1 and step["timestamp"] > 1.6e9 for step in steps)


async def test_an_answer_with_tokens_ends_as_without(server):
    session_id = new_session()
    async with connected(server, session_id) as client:
        await client.ask("40 0.01", "count")
        await client.until("run_finished")
        deltas = [frame for frame in client.frames if frame["type"] == "step_delta"]
        assert len(deltas) > 10
    async with connected(server, session_id, "after=0") as plain:
        await plain.until("run_finished")
        assert plain.state == client.state
        assert [step for step, _ in plain.steps()] == ["thought", "tool_use", "tool_result", "final_answer"]
        assert not any(frame["type"] == "step_delta" for frame in plain.frames)


async def test_a_returning_client_gets_exactly_what_it_missed(server):
    session_id = new_session()
    async with connected(server, session_id) as client:
        await client.ask("one")
        await client.until("run_finished")
        epoch, last = client.state["epoch"], client.state["last_seq"]
        async with connected(server, session_id, f"after={last}&epoch={epoch}&stream=tokens") as other:
            await other.ask("two")
            await other.until("run_finished")
            await client.until("run_finished")
            assert next(frame["seq"] for frame in other.frames if "seq" in frame) == last + 1
            assert client.steps()[2:] == other.steps()


@pytest.mark.parametrize("query", ["after=1000000&epoch={epoch}", "after=2&epoch=another", "after=0&epoch={epoch}"])
async def test_a_position_in_the_future_or_in_another_log_is_ignored(server, query):
    session_id = new_session()
    async with connected(server, session_id) as client:
        await client.ask("one")
        await client.until("run_finished")
        async with connected(server, session_id, query.format(epoch=client.state["epoch"])) as other:
            await other.until("run_finished")
            assert other.state == client.state


async def test_the_same_id_from_two_clients_is_one_message_or_a_conflict(server):
    session_id = new_session()
    async with connected(server, session_id) as one, connected(server, session_id) as two:
        await asyncio.gather(one.ask("same", message_id="m"), two.ask("same", message_id="m"))
        for client in (one, two):
            await client.until("run_finished")
            await client.send("ping")
            await client.until("pong")
            assert [frame["data"] for frame in client.frames if frame["type"] == "ack"] == [{"id": "m"}]
        assert one.state == two.state
        assert len(one.state["messages"]) == 1
        await two.ask("different", message_id="m")
        error = await two.until("error")
        assert (error["data"]["code"], error["data"]["id"]) == ("id_conflict", "m")


async def test_stop_withdraws_queued_messages(server):
    async with connected(server, new_session()) as client:
        await client.ask("go", "wait", "m1")
        await client.until("reasoning_step")
        await client.ask("later", "echo", "m2")
        await client.send("stop", "s", run_id=client.state["runs"][0]["run_id"])
        await client.until("message_withdrawn")
        await client.until("run_finished")
        assert client.state["runs"][0]["status"] == "stopped"
        assert client.state["messages"][1]["withdrawn"] == "stopped"


async def test_the_first_reply_to_a_question_counts(server):
    async with connected(server, new_session()) as client:
        await client.ask("go", "question")
        request = await client.until("request")
        await client.send("answer", "a1", request_id=request["data"]["request_id"], value="blue")
        await client.send("answer", "a2", request_id=request["data"]["request_id"], value="red")
        await client.until("run_finished")
        assert client.steps() == [("final_answer", "blue, then.")]
        assert next(iter(client.state["requests"].values()))["closed"]["by"]


@pytest.mark.parametrize(
    ("hanging", "crashing", "reason"),
    [("hang", "crash", "exit status was 3"), ("burn", "segfault", "it was ended by SIGSEGV")],
)
async def test_agents_that_crash_or_hang_do_not_disturb_others(server, hanging, crashing, reason):
    async with connected(server, new_session()) as hung, connected(server, new_session()) as other:
        await hung.ask("go", hanging)
        await hung.until("reasoning_step")
        await other.ask("go", crashing)
        await other.until("run_finished")
        assert other.state["runs"][0]["status"] == "failed"
        assert other.steps()[0] == ("thought", "Goodbye.")
        assert (other.steps()[-1][0], reason in other.steps()[-1][1]) == ("error", True)
        await other.ask("again")
        await other.until("run_finished")
        assert other.state["runs"][1]["status"] == "completed"
        await hung.send("stop", "s")
        await hung.until("run_finished")
        assert hung.state["runs"][0]["status"] == "stopped"
        await hung.ask("again")
        await hung.until("run_finished")
        assert hung.steps()[-1] == ("final_answer", "You said: again")


async def test_a_clear_starts_a_new_log_for_all_clients(server):
    session_id = new_session()
    async with connected(server, session_id) as one, connected(server, session_id) as two:
        await one.ask("secret")
        await one.until("run_finished")
        await two.until("run_finished")
        await one.send("clear", "c", epoch=one.state["epoch"])
        for client in (one, two):
            await client.until("session")
            assert client.state["messages"] == []
        assert one.state["epoch"] == two.state["epoch"]


async def test_attach_sends_the_events_after_a_position_again(server):
    async with connected(server, new_session()) as client:
        await client.ask("one")
        await client.until("run_finished")
        known = len(client.frames)
        await client.send("attach", "a", epoch=client.state["epoch"], after=0)
        await client.until("run_finished")
        again = [frame for frame in client.frames[known:] if "seq" in frame]
        assert [frame["seq"] for frame in again] == sorted({frame["seq"] for frame in again})
        assert again[-1]["seq"] == client.state["last_seq"]


# Bad input


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("no json", "bad_json"),
        ("[1, 2]", "bad_message"),
        ('"text"', "bad_message"),
        (b"\x00\x01", "bad_message"),
        ('{"type": "fly", "id": "x", "payload": {}}', "unknown_type"),
        ('{"type": "chat", "id": "x", "payload": {"message": 5, "agent_name": "echo"}}', "bad_message"),
        ('{"type": "chat", "id": 7, "payload": {}}', "bad_message"),
        ('{"type": "chat", "id": "x", "payload": {"message": " ", "agent_name": "echo"}}', "empty_message"),
        ('{"type": "blob", "id": "x", "payload": {"blob": "nothing"}}', "unknown_blob"),
        ('{"type": "attach", "id": "x", "payload": {"epoch": 3, "after": "x"}}', "bad_message"),
        ('{"type": "pull_model", "id": "x", "payload": {}}', "unknown_type"),
    ],
)
async def test_invalid_messages_get_an_error_and_do_not_affect_others(server, sent, code):
    session_id = new_session()
    async with connected(server, session_id) as client, connected(server, session_id) as other:
        await client.socket.send(sent)
        error = await client.until("error")
        assert error["data"]["code"] == code
        if isinstance(sent, str) and '"id": "x"' in sent:
            assert error["data"]["id"] == "x"
        await client.ask("still there?")
        for each in (client, other):
            await each.until("run_finished")
        assert [frame["type"] for frame in other.frames[:2]] == ["session", "session_info"]
        assert other.state == client.state


async def test_a_message_of_10_mb_is_refused_and_one_of_20_closes_only_its_connection(server):
    session_id = new_session()
    async with connected(server, session_id) as other:
        async with connected(server, session_id) as client:
            await client.ask("x" * 10_000_000)
            assert (await client.until("error"))["data"]["code"] == "too_large"
            with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012 (it may close while we send, or after it)
                await client.ask("x" * 20_000_000)
                await client.until("run_finished")
            assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
        await other.ask("still there?")
        await other.until("run_finished")
        assert len(other.state["messages"]) == 1


async def test_a_prompt_with_attachments_may_be_12_mib_long(server):
    session_id = new_session()
    parts = [{"text": "look"}, {"file": address(bytes(MAX_FILE_BYTES), "text/csv"), "name": "long.csv"}]
    async with connected(server, session_id) as client:
        await client.ask(parts, "looks")
        await client.until("run_finished")
        (message,) = client.state["messages"]
        assert (message["content"], message["parts"][0]) == ("look", {"text": "look"})
        kept = message["parts"][1]["file"]
        assert (kept["name"], kept["mime"], kept["bytes"]) == ("long.csv", "text/csv", MAX_FILE_BYTES)

        await client.send("blob", "b", blob=kept["blob"])
        texts = []
        while (frame := await client.receive())["type"] == "blob":
            texts.append(frame["data"]["text"])
        assert frame["type"] == "ack"
        assert base64.b64decode(json.loads("".join(texts))) == bytes(MAX_FILE_BYTES)
    value = call(server, "GET", f"sessions/{session_id}/blobs/{kept['blob']}").json
    assert base64.b64decode(value) == bytes(MAX_FILE_BYTES)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ([{"text": "x" * 2_000_000}], "too_large"),
        ([{"image": address(b"GIF89a" + bytes(6_000_000), "image/gif")}], "too_large"),
        ([{"file": address(bytes([n]) * 4_700_000), "name": f"{n}.bin"} for n in range(2)], "too_large"),
        ([{"file": address(bytes(9_500_000)), "name": "a.bin"}], "too_large"),
        ([{"image": address(b"BM" + bytes(2_000_000), "image/bmp")}], "bad_attachment"),
        ([{"image": "x" * 2_000_000, "file": ""}], "bad_message"),
        ("x" * 2_000_000, "too_large"),
    ],
)
async def test_refused_attachments_are_named_and_leave_the_connection_open(server, message, code):
    async with connected(server, new_session()) as client:
        await client.ask(message, "looks")
        error = (await client.until("error"))["data"]
        assert error["code"] == code
        await client.ask("still there?")
        await client.until("run_finished")
        assert len(client.state["messages"]) == 1


async def test_a_flood_of_messages_is_refused_and_does_not_disturb(server):
    session_id = new_session()
    async with connected(server, session_id) as flood, connected(server, session_id) as other:
        for number in range(1000):
            await flood.send("withdraw", f"w{number}", message_id="none")
        await other.ask("in between")
        await other.until("run_finished")
        codes = [(await flood.until("error"))["data"]["code"] for _ in range(1000)]
        assert set(codes) == {"unknown_message", "too_fast"}
        assert codes.count("unknown_message") >= 200
        assert other.steps()[-1] == ("final_answer", "You said: in between")


@pytest.mark.parametrize("session_id", ["a%20b", "x" * 129, "..%2F..%2Fx", "a.b", "%00"])
async def test_a_malformed_session_id_is_refused(server, session_id):
    with pytest.raises(InvalidStatus) as refused:
        async with connected(server, session_id):
            pass
    assert refused.value.response.status_code == 400
    assert "1 to 128 characters" in json.loads(refused.value.response.body)["message"]


async def test_a_session_id_with_dots_and_slashes_is_not_found(server):
    with pytest.raises(InvalidStatus) as refused:
        async with connected(server, "../../x"):
            pass
    assert refused.value.response.status_code == 404


@pytest.mark.parametrize("query", ["after=x", "after=-1", "after=1e9", "after=99999999999999999999"])
async def test_a_malformed_position_is_refused(server, query):
    with pytest.raises(InvalidStatus) as refused:
        async with connected(server, new_session(), query):
            pass
    assert refused.value.response.status_code == 400
