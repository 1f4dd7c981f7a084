"""Runs in real threads."""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reasoning_widget.agents.base import BaseAgent, BlockingAgent, current_run
from reasoning_widget.agents.exceptions import AgentError
from reasoning_widget.session.runner import ThreadRunner
from reasoning_widget.session.session import Session
from reasoning_widget.session.sqlite import SQLiteLog
from reasoning_widget.session.watcher import Watcher
from tests.session.manual import ask


class Async(BaseAgent):
    def __init__(self, work):
        self.work = work

    def run_with_reasoning_stream(self, prompt, max_iterations=20):
        return self.work(prompt)


class Blocking(BlockingAgent):
    def __init__(self, work):
        self.work = work

    def run_blocking(self, prompt, max_iterations, emit):
        self.work(emit)


class Only:
    def __init__(self, make):
        self.make = make

    def get(self, name):
        return self.make()

    def list(self):
        return [{"name": "researcher", "description": ""}]


def open_with(agent):
    make = agent if callable(agent) else lambda: agent
    agents = Only(make)
    return Session("demo", log=SQLiteLog(), agents=agents, runner=ThreadRunner(agents))


async def settled(session, message_id="m1"):
    await asyncio.wait_for(session.wait_for(lambda: session.message_is_settled(message_id, session.epoch)), 30)
    return session.state["runs"][-1], list(session.state["steps"].values())


async def test_an_async_agent_runs_off_the_sessions_loop():
    threads = []

    async def work(prompt):
        threads.append(threading.current_thread())
        yield {"type": "final_answer", "content": prompt.upper()}

    session = open_with(Async(work))
    ask(session, "hi", "m1")
    run, steps = await settled(session)

    assert (run["status"], steps[0]["content"]) == ("completed", "HI")
    assert threads[0] is not threading.current_thread()


async def test_an_agent_may_append_to_its_steps():
    async def work(prompt):
        yield {"type": "thought", "id": "t", "content": "", "status": "streaming"}
        for number in range(3000):
            yield {"type": "thought", "id": "t", "append": f"{number} "}
            if number == 1500:
                await asyncio.sleep(0.05)
        yield {"type": "thought", "id": "t", "append": "end", "status": "done"}
        yield {"type": "final_answer", "content": "done"}

    session = open_with(Async(work))
    ask(session, "go", "m1")
    run, steps = await settled(session)

    assert run["status"] == "completed"
    assert steps[0]["content"] == "".join(f"{number} " for number in range(3000)) + "end"
    assert (steps[0]["status"], steps[1]["content"]) == ("done", "done")


async def test_an_invalid_append_ends_the_run_with_an_error_for_its_author():
    async def work(prompt):
        yield {"type": "thought", "id": "t", "append": "nothing to append to"}

    session = open_with(Async(work))
    ask(session, "go", "m1")
    run, steps = await settled(session)

    assert run["status"] == "failed"
    assert "no step with this `id` was yielded before" in steps[-1]["content"]


async def test_a_step_of_a_custom_type_is_logged():
    async def work(prompt):
        yield {"type": "plan", "content": "First look, then leap."}
        yield {"type": "final_answer", "content": "done"}

    session = open_with(Async(work))
    ask(session, "go", "m1")
    run, steps = await settled(session)

    assert run["status"] == "completed"
    assert (steps[0]["type"], steps[0]["content"], steps[0]["status"]) == ("plan", "First look, then leap.", "done")


async def test_steps_yielded_in_a_burst_arrive_merged_and_complete():
    def work(emit):
        text = ""
        for number in range(8000):
            text += f"w{number} "
            emit({"type": "final_answer", "id": "a", "content": text})

    session = open_with(Blocking(work))
    watcher = Watcher(session)
    ask(session, "hi", "m1")
    batches = 0
    while not session.message_is_settled("m1", session.epoch):
        await watcher.changed()
        watcher.read()
        batches += 1
    _, steps = await settled(session)

    assert steps[0]["content"].split() == [f"w{number}" for number in range(8000)]
    assert batches < 800


@pytest.mark.parametrize(
    ("yielded", "says"),
    [
        ("text", "not a dictionary"),
        ({"type": "Day dream", "content": ""}, "'Day dream'"),
        ({"type": "thought"}, "`content` is NoneType"),
        ({"type": "thought", "content": "", "id": 3}, "`id`"),
        ({"type": "thought", "content": "", "status": "open"}, "'open'"),
    ],
)
async def test_the_error_for_an_invalid_step_shows_a_valid_one(yielded, says):
    async def work(prompt):
        yield {"type": "thought", "content": "fine so far"}
        yield yielded

    session = open_with(Async(work))
    ask(session, "hi", "m1")
    run, steps = await settled(session)

    assert run["status"] == "failed"
    assert [step["type"] for step in steps] == ["thought", "error"]
    assert says in steps[1]["content"]
    assert '"type": "thought"' in steps[1]["content"]


async def test_error_messages_of_agents_contain_no_keys():
    refusal = "401: Incorrect API key provided: sk-proj-abcDEF123456."

    async def work(prompt):
        yield {"type": "tool_use", "content": "look()"}
        yield {"type": "tool_result", "content": refusal, "status": "failed"}
        if prompt == "dressed":
            raise AgentError(refusal)
        raise ValueError(refusal)

    session = open_with(Async(work))
    for number, prompt in enumerate(("dressed", "bare")):
        ask(session, prompt, f"m{number}")
        _, steps = await settled(session, f"m{number}")

    told = [step["content"] for step in steps if step["status"] == "failed"]
    assert len(told) == 4
    assert all("401: Incorrect API key" in text and "abcDEF" not in text for text in told)


async def test_an_exception_ends_the_run_and_the_next_prompt_is_answered():
    async def work(prompt):
        yield {"type": "thought", "id": "t", "content": "hm"}
        if prompt == "bad":
            raise ValueError("no luck")

    session = open_with(Async(work))
    ask(session, "bad", "m1")
    run, steps = await settled(session)
    ask(session, "good", "m2")
    again, _ = await settled(session, "m2")

    assert (run["status"], again["status"]) == ("failed", "completed")
    assert [(step["type"], step["status"]) for step in steps] == [("thought", "failed"), ("error", "failed")]
    assert "ValueError: no luck" in steps[1]["content"]


async def test_a_run_ends_if_its_agent_cannot_be_made():
    def make():
        raise LookupError("no such agent: known are a, b")

    session = open_with(make)
    ask(session, "hi", "m1")
    run, steps = await settled(session)

    assert run["status"] == "failed"
    assert "known are a, b" in steps[0]["content"]


async def test_stop_cancels_an_async_agent():
    cleaned = threading.Event()

    async def work(prompt):
        yield {"type": "thought", "content": "waiting"}
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    session = open_with(Async(work))
    ask(session, "hi", "m1")
    await session.wait_for(lambda: bool(session.state["steps"]))
    session.stop()
    run, _ = await settled(session)

    assert run["status"] == "stopped"
    assert cleaned.wait(10)


async def test_stop_wakes_a_blocked_agent_through_its_callback():
    closed = threading.Event()

    def work(emit):
        emit({"type": "thought", "content": "reading"})
        with current_run().on_stop(closed.set):
            assert closed.wait(10)
        assert current_run().stopping
        emit({"type": "thought", "content": "too late"})

    session = open_with(Blocking(work))
    ask(session, "hi", "m1")
    await session.wait_for(lambda: bool(session.state["steps"]))
    session.stop()
    run, steps = await settled(session)

    assert run["status"] == "stopped"
    assert [step["content"] for step in steps] == ["reading"]


async def test_a_run_that_never_returns_is_abandoned(monkeypatch):
    monkeypatch.setattr("reasoning_widget.session.session.STOP_GRACE", 0.0)
    release = threading.Event()

    def work(emit):
        emit({"type": "tool_result", "id": "r", "content": "", "tool": {"name": "hang"}, "status": "streaming"})
        release.wait(30)

    session = open_with(Blocking(work))
    ask(session, "hi", "m1")
    await session.wait_for(lambda: bool(session.state["steps"]))
    session.stop()
    run, steps = await settled(session)
    release.set()

    assert (run["status"], steps[0]["status"]) == ("stopped", "stopped")
    assert "may still be running" in steps[0]["content"]


async def test_a_tool_asks_and_waits_for_the_person():
    def work(emit):
        answer = current_run().ask({"kind": "question", "prompt": "Which?", "options": ["a", "b"]})
        emit({"type": "final_answer", "content": f"You said {answer}"})

    session = open_with(Blocking(work))
    ask(session, "hi", "m1")
    await session.wait_for(lambda: bool(session.state["requests"]))
    (request_id,) = session.state["requests"]
    session.handle({"type": "answer", "payload": {"request_id": request_id, "value": "b"}})
    _, steps = await settled(session)

    assert steps[0]["content"] == "You said b"


async def test_an_async_agent_awaits_the_person():
    async def work(prompt):
        approved = await current_run().ask({"kind": "approval", "prompt": "Delete?"})
        yield {"type": "final_answer", "content": str(approved)}

    session = open_with(Async(work))
    ask(session, "hi", "m1")
    await session.wait_for(lambda: bool(session.state["requests"]))
    (request_id,) = session.state["requests"]
    session.handle({"type": "answer", "payload": {"request_id": request_id, "value": True}})
    _, steps = await settled(session)

    assert steps[0]["content"] == "True"


@pytest.mark.parametrize(
    "request_", [{"kind": "form"}, {}, {"kind": "question", "options": "ab"}, {"kind": "approval", "timeout": "1 s"}]
)
@pytest.mark.parametrize("blocking", [True, False])
async def test_an_invalid_request_raises_in_the_agent_and_is_not_opened(request_, blocking):
    def work(emit):
        with pytest.raises(ValueError, match="nobody was asked"):
            current_run().ask({"prompt": "Delete?", **request_})
        emit({"type": "final_answer", "content": "I was not approved."})

    async def awaits(prompt):
        with pytest.raises(ValueError, match="nobody was asked"):
            await current_run().ask({"prompt": "Delete?", **request_})
        yield {"type": "final_answer", "content": "I was not approved."}

    session = open_with(Blocking(work) if blocking else Async(awaits))
    ask(session, "hi", "m1")
    run, steps = await settled(session)
    assert (run["status"], [step["content"] for step in steps]) == ("completed", ["I was not approved."])
    assert session.state["requests"] == {}


async def test_the_log_contains_the_origin_of_an_exception():
    async def work(prompt):
        yield {"type": "thought", "content": "Hm."}
        raise KeyError("sk-proj-abcdefghijklmnop123456")

    session = open_with(Async(work))
    ask(session, "hi", "m1")
    run, steps = await settled(session)
    raised = steps[-1]["raised"]
    assert run["status"] == "failed"
    assert raised["where"] == f"tests/session/test_runner.py, line {work.__code__.co_firstlineno + 2}, in work"
    assert raised["traceback"].startswith("Traceback (most recent call last):")
    assert 'runner.py"' not in raised["traceback"].replace("test_runner.py", "")
    assert "sk-proj" not in str(steps)


async def test_output_of_a_tool_is_only_in_its_step(capsys):
    printing, printed = threading.Event(), threading.Event()

    def work(emit):
        step = {"type": "tool_result", "id": "r", "content": "", "tool": {"name": "p"}, "status": "streaming"}
        emit(step)
        with current_run().capturing(lambda outputs: emit({**step, "outputs": outputs})):
            print("from the tool")
            printing.set()
            assert printed.wait(10)
            print("oops", file=sys.stderr)
        print("after the tool")

    session = open_with(Blocking(work))
    ask(session, "hi", "m1")
    with ThreadPoolExecutor() as pool:
        await asyncio.get_running_loop().run_in_executor(pool, printing.wait)
    print("from a cell")
    printed.set()
    _, steps = await settled(session)

    assert steps[0]["outputs"] == [{"text/plain": "from the tool\noops\n"}]
    assert capsys.readouterr().out == "from a cell\nafter the tool\n"


async def test_history_reaches_the_agent():
    async def work(prompt):
        earlier = [turn["prompt"] for turn in current_run().history]
        yield {"type": "final_answer", "content": ",".join(earlier)}

    session = open_with(Async(work))
    ask(session, "one", "m1")
    await settled(session)
    ask(session, "two", "m2")
    _, steps = await settled(session, "m2")

    assert steps[-1]["content"] == "one"
