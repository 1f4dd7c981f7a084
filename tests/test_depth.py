"""Deeply nested JSON from any source is reported, and nothing else is lost."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from concurrent.futures import Future
from typing import Any

import pytest

from reasoning_widget import connect
from reasoning_widget.clean import clean_json
from reasoning_widget.client.transport import _frame
from reasoning_widget.depth import MAX_DEPTH, TOO_DEEP, is_deep, loads, shallow
from reasoning_widget.export.reading import read_session
from reasoning_widget.protocol import ProtocolError, encode
from reasoning_widget.session.pipe import HEADER_BYTES, StepReceiver, StepSender, packed, unpacked
from tests.export.sessions import fold, played
from tests.server.client import connected, new_session
from tests.server.rest import call
from tests.session.manual import ask, open_session


def nested(levels, inner=1, key=None):
    """Return a list or an object within so many others."""
    value = inner
    for _ in range(levels):
        value = [value] if key is None else {key: value}
    return value


def nested_text(levels, key=None):
    """Return the JSON of such a value, of any depth."""
    opening, closing = ("[", "]") if key is None else (f'{{"{key}": ', "}")
    return f"{opening * levels}1{closing * levels}"


DEPTHS = [MAX_DEPTH + 1, 100, 500, 700, 900, 950, 5_000, 100_000]
SHAPES = [None, "a"]


def levels_of(value):
    if isinstance(value, dict):
        return 1 + max(map(levels_of, value.values()), default=0)
    return 1 + max(map(levels_of, value), default=0) if isinstance(value, list) else 0


# Values


@pytest.mark.parametrize("levels", DEPTHS)
@pytest.mark.parametrize("key", SHAPES)
def test_a_deep_value_is_cut_at_the_limit(levels, key):
    clean = clean_json({"kept": "all of it", "deep": nested(levels, key=key), "after": [1, 2]})
    assert (clean["kept"], clean["after"]) == ("all of it", [1, 2])
    assert levels_of(clean) == MAX_DEPTH
    assert TOO_DEEP in encode(clean).decode()


@pytest.mark.parametrize("key", SHAPES)
def test_a_value_at_the_limit_is_whole(key):
    value = nested(MAX_DEPTH, key=key)
    assert clean_json(value) == value
    assert not is_deep(value)
    assert is_deep([value])


@pytest.mark.slow
def test_recursive_and_endless_values_are_cut():
    within: list[Any] = [1]
    within.append(within)
    within.append({"again": within})
    clean = clean_json(within)
    assert clean[0] == 1
    assert "within itself" in clean[1]

    shared = ["x"]
    assert clean_json([shared, shared]) == [["x"], ["x"]], "used twice is no circle"

    bomb: Any = "x"
    for _ in range(60):
        bomb = [bomb, bomb]
    assert "too many values" in encode(clean_json(bomb)).decode()


class Odd(str):
    __slots__ = ()


class Unspeakable:
    def __repr__(self):
        raise RuntimeError


class Count(int):
    pass


class Share(float):
    pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (10**40, str(10**40)),
        (-(10**40), str(-(10**40))),
        pytest.param(10**5000, "<int>", id="long"),
        (2**64 - 1, 2**64 - 1),
        (Odd("x"), "x"),
        (Count(3), 3),
        (Share(0.5), 0.5),
        (math.inf, None),
        (Unspeakable(), "<Unspeakable>"),
        ({Odd("k"): (1, {2})}, {"k": [1, [2]]}),
        (OrderedDict(a=1), {"a": 1}),
    ],
)
def test_values_that_json_cannot_represent_are_converted(value, expected):
    clean = clean_json(value)
    assert clean == expected
    assert json.loads(encode(clean)) == expected


# Text


@pytest.mark.parametrize("levels", DEPTHS)
@pytest.mark.parametrize("key", SHAPES)
def test_a_deep_text_is_read_except_for_its_too_deep_parts(levels, key):
    text = f'{{"before": "[[[ \\" {{{{", "deep": {nested_text(levels, key)}, "after": [1, {{"b": 2}}]}}'
    value = loads(text)
    assert (value["before"], value["after"]) == ('[[[ " {{', [1, {"b": 2}])
    flat = json.loads(shallow(text, 1))
    assert flat == {"before": '[[[ " {{', "deep": TOO_DEEP, "after": TOO_DEEP}


@pytest.mark.parametrize("text", ["", "[" * 5_000, '["', "]" * 5_000, '{"a": ' * 5_000, "[[1]", '\\"[["'])
def test_a_text_that_is_not_json_raises_an_error(text):
    with pytest.raises(ValueError, match=r".*"):
        loads(text)
    with pytest.raises(ValueError, match=r".*"):
        json.loads(shallow(text, 1))


# Agents and tools


def steps_with(value):
    yield {"type": "thought", "content": "First."}
    yield {"type": "tool_use", "content": "", "tool": {"name": "t", "call_id": "1", "arguments": {"deep": value}}}
    output = {"text/plain": "shown", "application/json": value}
    yield {"type": "tool_result", "content": "ready", "tool": {"name": "t", "call_id": "1"}, "output": output}
    yield {"type": "tool_result", "content": "", "tool": {"name": "t", "call_id": "2", "more": value}}
    yield {"type": "final_answer", "content": "Last.", "usage": {"input_tokens": value}}


@pytest.mark.parametrize("levels", DEPTHS)
@pytest.mark.parametrize("key", SHAPES)
@pytest.mark.parametrize("process", [False, True])
async def test_a_deep_value_of_an_agent_loses_nothing_else(levels, key, process):
    session, runner = open_session()
    ask(session, "hi", "m1")
    sender, receiver = StepSender(), StepReceiver()
    for step in steps_with(nested(levels, key=key)):
        runner.run.emit(receiver.step(unpacked(packed(sender.message(step))[HEADER_BYTES:])) if process else step)
    runner.run.end()

    (run,) = session.state["runs"]
    assert run["status"] == "completed"
    _thought, use, result, _other, answer = (session.state["steps"][step_id] for step_id in run["steps"])
    assert (answer["type"], answer["content"], result["content"]) == ("final_answer", "Last.", "ready")
    assert result["outputs"][0]["text/plain"] == "shown"
    assert TOO_DEEP in encode(result["outputs"][0]["application/json"]).decode()
    assert TOO_DEEP in use["tool"]["arguments"]


@pytest.mark.parametrize(
    "step",
    [
        {"type": "tool_use", "content": "", "tool": "search"},
        {"type": "tool_result", "content": "", "output": "text"},
        {"type": "thought", "content": "x", "usage": 5, "iteration": "two", "parent_id": ["a"]},
    ],
)
async def test_an_invalid_step_is_reported_and_earlier_steps_are_kept(step):
    session, runner = open_session()
    ask(session, "hi", "m1")
    runner.run.emit({"type": "thought", "content": "Before."})
    runner.run.emit(step)
    runner.run.end()
    steps = list(session.state["steps"].values())
    assert steps[0]["content"] == "Before."
    (run,) = session.state["runs"]
    if run["status"] == "failed":
        assert "was not understood" in steps[-1]["content"]
    else:
        assert len(steps) == 2


@pytest.mark.parametrize("levels", DEPTHS)
async def test_a_deep_request_is_made_without_its_too_deep_parts(levels):

    session, runner = open_session()
    ask(session, "hi", "m1")
    request = {"kind": "approval", "prompt": "May I?", "details": {"deep": nested(levels), "flat": 1}}
    runner.run.host.on_request(request, Future())
    (logged,) = session.state["requests"].values()
    assert (logged["prompt"], logged["details"]["flat"]) == ("May I?", 1)
    assert levels_of(logged["details"]) == MAX_DEPTH


# Messages


@pytest.mark.parametrize("levels", [*DEPTHS[:6], 20_000])
async def test_a_deep_message_over_a_comm_is_refused_and_the_request_stays_open(levels):

    session, runner = open_session()
    ask(session, "hi", "m1")
    answer: Future[Any] = Future()
    runner.run.host.on_request({"kind": "question", "prompt": "Which?"}, answer)
    (request_id,) = session.state["requests"]

    def answered(value):
        payload = {"request_id": request_id, "value": value}
        return session.handle({"type": "answer", "id": "a1", "payload": payload})

    (error,) = answered(nested(levels))
    assert (error["data"]["code"], error["data"]["id"]) == ("too_deep", "a1")
    assert "64 levels" in error["data"]["message"]
    assert not answer.done()
    (reply,) = answered(nested(MAX_DEPTH))
    assert reply["type"] == "ack"
    assert answer.result() == nested(MAX_DEPTH)
    for _ in range(2):
        (error,) = ask(session, "hi", "m2", junk=nested(levels))
        assert error["data"]["code"] == "too_deep"


@pytest.mark.parametrize("key", SHAPES)
async def test_a_deep_message_over_a_socket_is_refused_and_the_connection_stays_open(server, key):
    async with connected(server, new_session()) as client:
        for levels in DEPTHS:
            payload = f'{{"request_id": "r", "value": {nested_text(levels, key)}}}'
            await client.socket.send(f'{{"type": "answer", "payload": {payload}, "id": "a{levels}"}}')
            error = (await client.until("error"))["data"]
            assert (error["code"], error["id"]) == ("too_deep", f"a{levels}")
            await client.socket.send("[" * levels)
            assert (await client.until("error"))["data"]["code"] in ("too_deep", "bad_json")
        await client.ask("Still there?")
        await client.until("run_finished")
        assert client.steps()[-1] == ("final_answer", "You said: Still there?")


@pytest.mark.parametrize("levels", DEPTHS)
@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", "sessions/x"), ("POST", "tickets"), ("POST", "export?format=html")]
)
def test_a_deep_body_is_refused(server, method, path, levels):
    answer = call(server, method, path, nested_text(levels).encode()[: 60 * 1024])
    assert answer.status == 400
    assert call(server, "GET", "health").status == 200


# Files and clients


@pytest.mark.parametrize("levels", DEPTHS)
@pytest.mark.parametrize("key", SHAPES)
@pytest.mark.parametrize("how", [str, bytes])
async def test_a_deep_value_in_a_file_loses_nothing_else(levels, key, how):
    step = {"type": "tool_result", "content": "ready", "output": {"text/plain": "shown", "application/json": "HERE"}}
    file = played({"type": "thought", "content": "Hm."}, step, {"type": "final_answer", "content": "It is."})
    text = json.dumps(file).replace('"HERE"', nested_text(levels, key))

    read = read_session(text if how is str else text.encode())

    state = fold(read.file["events"])
    assert [step["content"] for step in state["steps"].values()] == ["Hm.", "ready", "It is."]
    if levels > 100:
        assert read.notes == [f"Values in the file that were nested more than {MAX_DEPTH} levels deep are left out."]


async def test_a_value_at_the_limit_survives_a_file():
    value = nested(MAX_DEPTH - 1)
    file = played({"type": "tool_result", "content": "", "output": {"application/json": value}})
    read = read_session(json.dumps(file))
    (step,) = fold(read.file["events"])["steps"].values()
    assert step["outputs"][0]["application/json"] == value
    assert read.notes == []


@pytest.mark.parametrize("levels", DEPTHS)
def test_a_client_reads_a_deep_frame_except_for_its_too_deep_parts(levels):
    frame = _frame(f'{{"type": "request", "seq": 7, "data": {{"details": {nested_text(levels)}, "request_id": "r"}}}}')
    assert frame is not None
    assert (frame["seq"], frame["data"]["request_id"]) == (7, "r")


async def test_a_deep_reply_of_a_client_is_refused_before_it_is_sent(server):

    async with connect(server.address, new_session(), token=server.token) as chat:
        for levels in DEPTHS:
            with pytest.raises(ProtocolError, match="64 levels"):
                await chat.answer("r", nested(levels))
        assert (await chat.ask("hi", agent="echo").answer()).status == "completed"
