"""`connect` with a real server and real, interrupted connections."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import signal
from functools import partial
from itertools import pairwise

import pytest

from reasoning_widget import connect
from reasoning_widget.client import Disconnected, NotAllowed, opening
from reasoning_widget.client.link import Link
from reasoning_widget.protocol import MAX_FILE_BYTES, ProtocolError
from tests.parts import PNG
from tests.server.client import connected, new_session
from tests.server.proxy import Proxy


def at(server, session_id=None, **options):
    """Return a connection to a session of the server, by default a new one."""
    options.setdefault("token", server.token)
    return connect(options.pop("url", server.origin), session_id or new_session(), **options)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


def told(steps):
    return [(step["type"], step["content"]) for step in steps]


# Asking


async def test_steps_are_yielded_when_they_are_complete(server):
    async with at(server) as chat:
        steps = [step async for step in chat.ask("hello", agent="echo")]
        assert told(steps) == [("thought", "Repeat it."), ("final_answer", "You said: hello")]
        assert steps == chat.steps
        assert [run["status"] for run in chat.runs] == ["completed"]
        answer = await chat.ask("again").answer()  # by default, the last agent answers
        assert (answer.text, answer.status, len(answer.steps)) == ("You said: again", "completed", 2)
        assert {"echo", "researcher"} <= {agent["name"] for agent in chat.agents}


async def test_images_and_files_are_sent_and_can_be_fetched(server, tmp_path):
    (tmp_path / "red.png").write_bytes(PNG)
    session_id = new_session()
    parts = [{"text": "look"}, {"image": tmp_path / "red.png"}, {"file": bytes(MAX_FILE_BYTES), "name": "long.csv"}]
    async with at(server, session_id) as chat:
        answer = await chat.ask(parts, agent="looks").answer()
    seen = f"look | red.png data:image/png;base64 {len(PNG)} | long.csv data:text/csv;base64 {MAX_FILE_BYTES}"
    assert answer.text == f"{seen} []"

    async with at(server, session_id) as chat:
        image, file = (part.get("image") or part.get("file") for part in chat.messages[0]["parts"][1:])
        assert base64.b64decode(await chat.value(image["blob"])) == PNG
        assert base64.b64decode(await chat.value(file["blob"])) == bytes(MAX_FILE_BYTES)
        with pytest.raises(KeyError):
            await chat.value("nothing")
        assert (await chat.ask("again").answer()).text == f"again [{seen!r}]"


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([{"image": b"no picture"}], "PNG, JPEG, GIF and WebP"),
        ([{"image": "none.png"}], "none.png cannot be read"),
        ([{"file": bytes(5 * 1024**2), "name": f"{n}.bin"} for n in range(2)], "together"),
    ],
)
async def test_an_invalid_attachment_raises_an_error_and_nothing_is_sent(server, parts, says):
    async with at(server) as chat:
        with pytest.raises(ValueError, match=says):
            chat.ask(parts, agent="looks")
        assert chat.state["messages"] == []


async def test_a_prompt_with_a_file_is_asked_once_despite_lost_connections(server):
    cuts = [2 * 1024**2, 3 * 1024**2]
    async with Proxy(server.origin, cuts) as proxy, at(server, url=proxy.origin, retry_after=[0] * 5) as chat:
        question = chat.ask([{"text": "look"}, {"file": bytes(4 * 1024**2), "name": "a.bin"}], agent="looks")
        assert (await question.answer()).status == "completed"
        assert len(chat.state["messages"]) == len(chat.runs) == 1
        assert proxy.cut_count == 2


async def test_with_tokens_a_step_is_yielded_whenever_it_grows(server):
    async with at(server) as chat:
        steps = [step async for step in chat.ask("30 0.02", agent="count", tokens=True)]
    texts = [step["content"] for step in steps if step["type"] == "final_answer"]
    assert len(texts) > 5
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert texts[-1].split() == [f"word{number}" for number in range(30)]
    assert [step["status"] for step in steps][-1] == "done"


async def test_without_reasoning_only_the_answer_is_yielded(server):
    async with at(server) as chat:
        assert told([step async for step in chat.ask("hi", agent="echo", reasoning=False)]) == [
            ("final_answer", "You said: hi")
        ]


async def test_a_failed_run_gives_an_answer_too(server):
    async with at(server) as chat:
        answer = await chat.ask("go", agent="crash").answer()
        assert answer.status == "failed"
        assert answer.error is not None
        assert "exit status was 3" in answer.error


@pytest.mark.parametrize(("prompt", "code"), [("  ", "empty_message"), ("x" * 300_000, "too_large")])
async def test_a_rejected_prompt_raises_an_error_with_the_reason(server, prompt, code):
    async with at(server) as chat:
        with pytest.raises(ProtocolError) as refused:
            await chat.ask(prompt, agent="echo").answer()
        assert refused.value.code == code
        assert (await chat.ask("hello", agent="echo").answer()).status == "completed"


def cells(steps):
    """Return the lengths of the steps' tables. Their pictures have the same lengths."""
    outputs = [step["outputs"][0] for step in steps if "outputs" in step]
    lengths = [len(output["application/json"]["cells"]) for output in outputs]
    assert [len(output["image/png"]) for output in outputs] == lengths
    return lengths


async def test_values_too_long_for_a_frame_are_in_their_places(server):
    session_id = new_session()
    async with at(server, session_id) as chat, at(server, session_id) as other:
        watching = other.watch()
        answers = [chat.ask(str(length), agent="table").answer() for length in (100_000, 2_000_000)]
        for answer, length in zip(await asyncio.gather(*answers), (100_000, 2_000_000), strict=True):
            assert cells(answer.steps) == [length]
        steps = [step async for step in chat.ask("300000", agent="table")]
        assert (cells(steps), [step["type"] for step in steps]) == (
            [300_000],
            ["tool_use", "tool_result", "final_answer"],
        )
        seen = [await anext(watching) for _ in range(9)]
        assert cells(seen) == cells(chat.steps) == [100_000, 2_000_000, 300_000]
        assert [step["type"] for step in seen] == ["tool_use", "tool_result", "final_answer"] * 3
        assert chat.waiting == 0
    async with at(server, session_id) as chat:
        assert cells(chat.steps) == [100_000, 2_000_000, 300_000]


async def test_a_value_interrupted_by_a_lost_connection_is_requested_again(server):
    enough = 400_000  # bytes, in the middle of the value
    async with (
        Proxy(server.origin, [enough] * 3) as proxy,
        at(server, url=proxy.origin, retry_after=[0] * 5) as chat,
    ):
        assert cells((await chat.ask("3000000", agent="table").answer()).steps) == [3_000_000]
        assert proxy.cut_count == 3


async def test_a_missing_value_does_not_delay_the_answer(server):
    async with at(server) as chat:
        answer = await chat.ask("go", agent="reference").answer()
        assert answer.steps[0]["outputs"] == [{"application/json": {"blob": "of nothing", "size": 1}}]


async def test_the_history_is_loaded_by_default(server):
    session_id = new_session()
    async with at(server, session_id) as chat:
        await chat.ask("one", agent="echo").answer()
        steps = chat.steps
    async with at(server, session_id) as chat:
        assert chat.steps == steps
    async with at(server, session_id, history=False) as chat:
        assert chat.steps == []
        await chat.ask("two", agent="echo").answer()
        assert told(chat.steps)[-1] == ("final_answer", "You said: two")


# Stop, clear, reply, watch


async def test_leaving_the_loop_stops_its_run(server):
    async with at(server) as chat:
        question = chat.ask("go", agent="wait", tokens=True)
        steps = aiter(question)
        assert (await anext(steps))["content"] == "Hm."
        await steps.aclose()
        assert question.result().status == "stopped"


async def test_cancelling_an_ask_stops_its_run_or_withdraws_its_prompt(server):
    session_id = new_session()
    async with at(server, session_id) as chat:
        first = chat.ask("go", agent="wait")
        second = asyncio.create_task(chat.ask("later", agent="echo").answer())
        await until(lambda: len(chat.state["messages"]) == 2)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert chat.state["messages"][1]["withdrawn"] == "withdrawn"
        assert chat.runs[0]["status"] == "running"
        third = asyncio.create_task(first.answer())
        await asyncio.sleep(0)
        third.cancel()
        with pytest.raises(asyncio.CancelledError):
            await third
        assert [run["status"] for run in chat.runs] == ["stopped"]


async def test_stop_and_clear(server):
    async with at(server) as chat:
        await chat.stop()  # harmless without a run
        answer = asyncio.create_task(chat.ask("go", agent="wait").answer())
        await until(lambda: chat.runs)
        await chat.stop()
        assert (await answer).status == "stopped"
        await chat.clear()
        await until(lambda: not chat.runs)
        assert (await chat.ask("hello", agent="echo").answer()).text == "You said: hello"


async def test_clearing_a_conversation_ends_its_open_prompts(server):
    async with at(server) as chat:
        answer = asyncio.create_task(chat.ask("go", agent="wait").answer())
        await until(lambda: chat.runs)
        await chat.clear()
        assert "cleared" in str((await answer).error)


async def test_a_request_of_the_agent_is_answered_by_a_function_or_by_a_call(server):
    async with at(server) as chat:

        async def colour(request):
            assert request["prompt"] == "Which colour?"
            return "blue"

        assert (await chat.ask("go", agent="question", on_request=colour).answer()).text == "blue, then."
        answer = asyncio.create_task(chat.ask("go", agent="question").answer())
        await until(lambda: chat.requests)
        await chat.answer(chat.requests[0]["request_id"], "red")
        assert (await answer).text == "red, then."
        assert chat.requests == []
        with pytest.raises(ProtocolError, match="no request"):
            await chat.answer("nothing", 1)


async def test_a_watcher_sees_the_prompts_of_others(server):
    session_id = new_session()
    async with at(server, session_id) as chat, at(server, session_id) as other:
        watching = chat.watch()
        await other.ask("hello", agent="echo").answer()
        steps = [await anext(watching), await anext(watching)]
        assert told(steps) == [("thought", "Repeat it."), ("final_answer", "You said: hello")]
        await until(lambda: chat.state == other.state)


async def test_a_prompt_without_await_is_sent_before_the_chat_closes(server):
    session_id = new_session()
    async with at(server, session_id) as chat:
        chat.ask("hello", agent="echo")
    async with connected(server, session_id, "after=0") as client:
        await client.until("user_message")


# Lost connections


async def test_a_run_is_followed_across_lost_connections(server):
    session_id = new_session()
    async with Proxy(server.origin) as proxy, at(server, session_id, url=proxy.origin, retry_after=[0] * 5) as chat:
        steps = []
        async for step in chat.ask("60 0.02", agent="count", tokens=True):
            steps.append(step)
            if len(steps) % 10 == 0:
                proxy.cut()
        assert steps[-1]["content"].split() == [f"word{number}" for number in range(60)]
        async with at(server, session_id) as undisturbed:
            assert chat.state == undisturbed.state


async def test_prompts_written_offline_are_sent_once_on_reconnecting_but_no_stop(server):
    session_id = new_session()
    async with Proxy(server.origin) as proxy, at(server, session_id, url=proxy.origin, retry_after=[3600]) as chat:
        waiting = chat.ask("go", agent="wait")
        await until(lambda: chat.runs)
        proxy.cut()
        await until(lambda: chat.connection.state == "waiting")
        with pytest.raises(Disconnected, match="does not wait"):
            await chat.stop()
        question = chat.ask("written while away", agent="echo")
        assert chat.waiting == 1
        await chat.reconnect()
        proxy.cut()
        await until(lambda: chat.connection.state == "waiting")
        await chat.reconnect()
        await until(lambda: chat.waiting == 0)
        await until(lambda: [each["content"] for each in chat.state["messages"]] == ["go", "written while away"])
        assert [run["status"] for run in chat.runs] == ["running"]
        assert not question.settled
        await chat.stop()
        assert (await waiting.answer()).status == "stopped"


async def test_waiting_calls_raise_once_retries_end_and_resume_after_reconnect(server):
    async with Proxy(server.origin) as proxy, at(server, url=proxy.origin, retry_after=[]) as chat:
        question = chat.ask("40 0.01", agent="count")
        watching = chat.watch()
        steps = aiter(question)
        await anext(steps)
        proxy.cut()
        with pytest.raises(Disconnected, match="was lost"):
            async for _ in steps:
                pass
        with pytest.raises(Disconnected):
            async for _ in watching:
                pass
        assert chat.connection.state == "resting"
        await chat.reconnect()
        answer = await question.answer()
        assert (answer.status, len(chat.runs)) == ("completed", 1)


async def test_an_unresponsive_server_is_disconnected_and_reconnected(tmp_path, monkeypatch, start_bare_server):
    monkeypatch.setattr(opening, "Link", partial(Link, pong_timeout=0.5))
    with start_bare_server(tmp_path) as server:
        async with at(server, ping_every=0.1, retry_after=[0.5] * 100) as chat:
            await chat.ask("hello", agent="echo").answer()
            os.kill(server.pid, signal.SIGSTOP)
            try:
                await until(lambda: chat.connection.state == "waiting")
                assert chat.connection.reason == "The server stopped responding."
                question = chat.ask("are you back?", agent="echo")
            finally:
                os.kill(server.pid, signal.SIGCONT)
            assert (await question.answer()).text == "You said: are you back?"
            assert [run["status"] for run in chat.runs] == ["completed", "completed"]


async def test_after_a_server_is_killed_the_client_reconnects_and_its_run_is_closed(tmp_path, start_bare_server):
    with start_bare_server(tmp_path) as server:
        async with at(server, retry_after=[0.2] * 200) as chat:
            talking = asyncio.create_task(chat.ask("/there/is/no/such/file", agent="talk").answer())
            await until(lambda: len(chat.steps) == 4)
            server.kill()
            await until(lambda: chat.connection.state != "open")
            later = chat.ask("are you back?", agent="echo")
            await asyncio.to_thread(server.start)
            answer = await talking
            assert answer.status == "interrupted"
            assert [step["status"] for step in answer.steps] == ["done", "done", "done", "stopped"]
            assert (await later.answer()).text == "You said: are you back?"


async def test_a_new_prompt_reconnects_after_retries_ended(server):
    async with Proxy(server.origin) as proxy, at(server, url=proxy.origin, retry_after=[]) as chat:
        proxy.cut()
        await until(lambda: chat.connection.state == "resting")
        assert (await chat.ask("hello", agent="echo").answer()).text == "You said: hello"


async def test_a_deleted_session_is_not_retried(server):
    session_id = new_session()
    async with at(server, session_id) as chat:
        await chat.ask("hello", agent="echo").answer()
        server.fetch("DELETE", f"reasoning-widget/api/sessions/{session_id}")
        with pytest.raises(Disconnected, match="deleted"):
            await anext(chat.watch())
        assert chat.connection.state == "deleted"
        with pytest.raises(Disconnected, match="deleted"):
            chat.ask("hello?")


# Access


def ticket(server, session_id, **options):
    body = {"session_id": session_id, **options}
    return server.fetch("POST", "reasoning-widget/api/tickets", body)


async def test_a_ticket_gives_access_until_it_is_revoked(server):
    session_id = new_session()
    made = ticket(server, session_id, access="talk")
    async with connect(server.origin, session_id, ticket=made["ticket"]) as chat:
        await chat.ask("hello", agent="echo").answer()
        server.fetch("DELETE", f"reasoning-widget/api/tickets/{made['id']}")
        with pytest.raises(NotAllowed, match="ticket has expired or was revoked"):
            await anext(chat.watch())
    with pytest.raises(NotAllowed, match="revoked"):
        async with connect(server.origin, session_id, ticket=made["ticket"]):
            pass


async def test_a_run_continues_when_its_ticket_expires(server):
    session_id = new_session()
    made = ticket(server, session_id, access="talk", expires_in=2)
    async with connect(server.origin, session_id, ticket=made["ticket"]) as chat:
        with pytest.raises(NotAllowed, match="ticket has expired or was revoked: get another one"):
            await chat.ask("go", agent="wait").answer()
        assert chat.connection.state == "refused"
        with pytest.raises(NotAllowed):
            chat.ask("hello?")
    another = ticket(server, session_id, access="talk")
    async with connect(server.origin, session_id, ticket=another["ticket"]) as chat:
        assert [run["status"] for run in chat.runs] == ["running"]
        await chat.stop()


async def test_asking_with_read_access_raises_an_error(server):
    session_id = new_session()
    made = ticket(server, session_id, access="read")
    async with connect(server.origin, session_id, ticket=made["ticket"]) as chat:
        with pytest.raises(ProtocolError, match="may watch"):
            await chat.ask("hello", agent="echo").answer()


@pytest.mark.parametrize("options", [{"token": None}, {"token": "wrong-secret"}, {"token": None, "ticket": "a.b.c"}])
async def test_invalid_credentials_are_refused_at_once(server, options):
    with pytest.raises(NotAllowed, match="refuses access") as refused:
        async with at(server, **options):
            pass
    assert "wrong-secret" not in str(refused.value)


async def test_an_unreachable_server_raises_an_error(server):
    with pytest.raises(Disconnected, match="No server answers at"):
        async with at(server, url="http://127.0.0.1:9"):
            pass
    with pytest.raises(Disconnected, match="There is no reasoning-widget"):
        async with at(server, url=f"{server.origin}/lab"):
            pass


async def test_the_token_is_in_no_log_and_no_repr(server, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "reasoning_widget.client.transport")
    way = at(server)
    async with way as chat:
        await chat.ask("hello", agent="echo").answer()
        assert server.token not in repr(way) + repr(chat) + repr(vars(chat))
    assert "Authorization: (not shown)" in caplog.text
    assert server.token not in caplog.text
