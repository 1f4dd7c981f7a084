from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from reasoning_widget.agents.base import (
    BaseAgent,
    BlockingAgent,
    RunContext,
    StepBuffer,
    as_current_run,
    check_step,
    current_run,
)
from reasoning_widget.agents.exceptions import AgentError, MaxIterationsReached, Stopped
from reasoning_widget.protocol import Part, Step
from tests.parts import PNG, address

WAIT_S = 30


class Worker(BlockingAgent):
    """Runs the test's function in its thread."""

    def __init__(self, work: Callable[[Callable[[Step], None]], None]) -> None:
        self._work = work

    def run_blocking(self, prompt: str, max_iterations: int, emit: Callable[[Step], None]) -> None:
        self._work(emit)


def text(content: str, step_id: str = "a") -> Step:
    return {"type": "final_answer", "content": content, "id": step_id}


async def test_the_plain_chat_is_the_last_answer_at_top_level() -> None:
    class Talker(BaseAgent):
        async def run_with_reasoning_stream(self, prompt: str, max_iterations: int = 20) -> AsyncIterator[Step]:
            yield {"type": "thought", "content": "Hm."}
            yield text(f"To {prompt!r} I sa", "b")
            yield text(f"To {prompt!r} I say yes", "b")
            yield {**text("nested", "c"), "parent_id": "b"}

    assert await Talker().run("Well?") == "To 'Well?' I say yes"


async def test_blocking_work_is_streamed_while_it_runs() -> None:
    go_on = threading.Event()

    def work(emit: Callable[[Step], None]) -> None:
        emit(text("one"))
        assert go_on.wait(WAIT_S)
        emit(text("one two"))

    contents = []
    async for step in Worker(work).run_with_reasoning_stream("?"):
        contents.append(step["content"])
        go_on.set()

    assert contents == ["one", "one two"]


async def test_an_error_in_blocking_work_is_raised_after_its_steps() -> None:
    def work(emit: Callable[[Step], None]) -> None:
        emit(text("half"))
        raise ValueError("broken")

    steps: Any = Worker(work).run_with_reasoning_stream("?")

    assert (await anext(steps))["content"] == "half"
    with pytest.raises(ValueError, match="broken"):
        await anext(steps)


async def test_work_that_cancels_itself_fails() -> None:
    def work(emit: Callable[[Step], None]) -> None:
        raise asyncio.CancelledError

    with pytest.raises(AgentError, match="was cancelled"):
        [step async for step in Worker(work).run_with_reasoning_stream("?")]


async def test_closing_the_stream_stops_the_work() -> None:
    stopped = threading.Event()
    ended: list[BaseException] = []

    def work(emit: Callable[[Step], None]) -> None:
        with current_run().on_stop(stopped.set):
            emit(text("one"))
            assert stopped.wait(WAIT_S)
            try:
                emit(text("one two"))
            except Stopped as error:
                ended.append(error)

    steps: Any = Worker(work).run_with_reasoning_stream("?")
    assert (await anext(steps))["content"] == "one"
    thread = next(t for t in threading.enumerate() if t.name.startswith("agent"))
    await steps.aclose()

    await asyncio.to_thread(thread.join, WAIT_S)
    assert len(ended) == 1


async def test_the_callers_run_is_the_current_run_in_the_works_thread() -> None:
    seen: list[RunContext] = []
    run = RunContext("mine")
    with as_current_run(run):
        async for _ in Worker(lambda emit: seen.append(current_run())).run_with_reasoning_stream("?"):
            pass

    assert seen == [run]


def test_an_event_loop_can_end_while_a_tool_hangs() -> None:
    hanging = threading.Event()

    def work(emit: Callable[[Step], None]) -> None:
        emit(text("one"))
        hanging.wait()

    async def ask_and_leave() -> str:
        steps: Any = Worker(work).run_with_reasoning_stream("?")
        step = await anext(steps)
        await steps.aclose()
        return str(step["content"])

    # With the loop's own executor, this would wait for the tool.
    assert asyncio.run(ask_and_leave()) == "one"
    hanging.set()


def test_a_buffer_keeps_the_newest_snapshots_in_order_of_first_appearance() -> None:
    woken: list[None] = []
    buffer = StepBuffer(lambda: woken.append(None))

    buffer.put(text("a", "1"))
    buffer.put(text("b", "2"))
    buffer.put(text("aa", "1"))
    buffer.put({"type": "thought", "content": "loose"})
    buffer.put({"type": "thought", "content": "loose"})

    assert [step["content"] for step in buffer.drain()] == ["aa", "b", "loose", "loose"]
    assert len(woken) == 1
    assert buffer.drain() == []
    buffer.put(text("aaa", "1"))
    assert len(woken) == 2


def test_a_step_that_becomes_the_answer_follows_the_steps_in_between() -> None:
    buffer = StepBuffer(lambda: None)
    buffer.put({"type": "thought", "content": "It is so.", "id": "1"})
    buffer.put({"type": "thought", "content": "That will do.", "id": "2"})
    buffer.put({"type": "final_answer", "content": "It is so.", "id": "1"})

    assert [step["content"] for step in buffer.drain()] == ["It is so.", "That will do.", "It is so."]


def test_a_buffer_keeps_the_order_of_type_changes() -> None:
    buffer = StepBuffer(lambda: None)

    buffer.put({"type": "thought", "content": "It is 3.", "id": "1"})
    buffer.put({"type": "final_answer", "content": "[ST", "id": "2"})
    buffer.put({"type": "final_answer", "content": "[STOP]", "id": "2"})
    buffer.put({"type": "thought", "content": "[STOP]", "id": "2"})
    buffer.put({"type": "final_answer", "content": "It is 3.", "id": "1"})

    assert [(step["id"], step["type"], step["content"]) for step in buffer.drain()] == [
        ("1", "thought", "It is 3."),
        ("2", "final_answer", "[STOP]"),
        ("2", "thought", "[STOP]"),
        ("1", "final_answer", "It is 3."),
    ]


def test_changing_a_step_does_not_change_the_buffer() -> None:
    buffer = StepBuffer(lambda: None)
    step = text("as it was")
    buffer.put(step)
    step["content"] = "as it is"

    assert buffer.drain()[0]["content"] == "as it was"


def test_putting_a_step_into_a_closed_buffer_raises_stopped() -> None:
    buffer = StepBuffer(lambda: None)
    buffer.close()

    with pytest.raises(Stopped):
        buffer.put(text("late"))


def test_a_stop_calls_each_callback_once() -> None:
    run = RunContext()
    told: list[str] = []

    def fail() -> None:
        told.append("failing")
        raise RuntimeError

    with run.on_stop(fail), run.on_stop(lambda: told.append("listening")):
        with run.on_stop(lambda: told.append("left before")):
            pass
        run.request_stop()
        run.request_stop()

    assert told == ["failing", "listening"]
    assert run.stopping


def test_a_callback_registered_after_the_stop_is_called_at_once() -> None:
    run = RunContext()
    run.request_stop()
    told: list[str] = []

    with run.on_stop(lambda: told.append("late")):
        assert told == ["late"]


def test_asking_without_a_session_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no session"):
        current_run().ask({"kind": "question", "prompt": "Why?"})
    assert current_run().steering() == []
    assert current_run().history == []


@pytest.mark.parametrize(
    "step",
    [
        {"type": "thought", "content": ""},
        {"type": "plan", "content": "of a type of its own"},
        {"type": "error", "content": "no", "id": "a", "status": "failed", "something": "new"},
    ],
)
def test_a_valid_step_is_accepted_unchanged(step: dict[str, Any]) -> None:
    assert check_step(step) is step


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("Hello", "str 'Hello'"),
        (None, "NoneType"),
        ({"content": "no type"}, "'None'"),
        ({"type": "", "content": ""}, "''"),
        ({"type": "<b>Plan</b>", "content": ""}, "'<b>Plan</b>'"),
        ({"type": "p" * 65, "content": ""}, "'pppp"),
        ({"type": ["thought"], "content": ""}, "thought"),
        ({"type": "thought"}, "`content` is NoneType"),
        ({"type": "thought", "content": 7}, "`content` is int"),
        ({"type": "thought", "content": "", "id": 7}, "`id`"),
        ({"type": "thought", "content": "", "status": "sleeping"}, "'sleeping'"),
    ],
)
def test_an_invalid_step_is_rejected_with_an_example(value: object, problem: str) -> None:
    with pytest.raises(AgentError) as caught:
        check_step(value)

    assert problem in str(caught.value)
    assert '{"type": "thought", "content": "…"}' in str(caught.value)


def test_errors_with_an_explanation_are_shown_unchanged() -> None:
    agent = Worker(lambda emit: None)

    assert agent.explain(AgentError("Plug it in.")) == "Plug it in."
    assert "7 model calls" in agent.explain(MaxIterationsReached(7))
    assert "ZeroDivisionError" in agent.explain(ZeroDivisionError("division by zero"))


class Told(BaseAgent):
    """Answers with its prompt and the types of the run's parts."""

    async def run_with_reasoning_stream(
        self, prompt: str | list[Part], max_iterations: int = 20
    ) -> AsyncIterator[Step]:
        yield {"type": "final_answer", "content": f"{prompt!r} {[next(iter(part)) for part in current_run().parts]}"}


class TakesParts(Told):
    takes_parts = True


class Blocking(BlockingAgent):
    def run_blocking(self, prompt: str, max_iterations: int, emit: Callable[[Step], None]) -> None:
        emit({"type": "final_answer", "content": f"{prompt!r} {[next(iter(part)) for part in current_run().parts]}"})


PARTS: list[dict[str, Any]] = [{"text": "look"}, {"image": PNG, "name": "red.png"}]


@pytest.mark.parametrize("make", [Told, Blocking])
async def test_a_text_agent_gets_the_names_of_parts_and_can_read_them(make: type[BaseAgent]) -> None:
    assert await make().run(PARTS) == "'look\\n\\n[image: red.png]' ['text', 'image']"
    assert await make().run("look") == "'look' []"


async def test_an_agent_that_takes_parts_gets_them_if_there_are_attachments() -> None:
    sent = [{"text": "look"}, {"image": address(PNG), "name": "red.png"}]

    assert await TakesParts().run(PARTS) == f"{sent!r} ['text', 'image']"
    assert await TakesParts().run([{"text": "look"}, {"text": "closer"}]) == "'look\\n\\ncloser' []"


async def test_a_blocking_agent_is_streamed_with_parts() -> None:
    steps = [step["content"] async for step in Blocking().run_with_reasoning_stream(PARTS)]

    assert steps == ["'look\\n\\n[image: red.png]' ['text', 'image']"]


async def test_an_invalid_part_is_reported_before_the_agent_is_asked() -> None:
    with pytest.raises(ValueError, match=r"none\.png cannot be read"):
        await Told().run([{"image": "none.png"}])


async def test_a_nested_agent_gets_its_own_parts() -> None:
    """The parts of the outer run do not change."""
    with as_current_run(RunContext(parts=[{"text": "outer"}])):
        assert await TakesParts().run(PARTS) == f"{[PARTS[0], {**PARTS[1], 'image': address(PNG)}]!r} ['text']"
