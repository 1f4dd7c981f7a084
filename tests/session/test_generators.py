"""Agents that are generators: a call is open until its result comes, and text printed meanwhile belongs to it."""

import asyncio
import threading
from typing import Any

import pytest

from reasoning_widget.agents.functions import function_agent
from tests.session.manual import ask, open_session
from tests.session.test_runner import Async, open_with, settled


def use(name: str = "t", **more: str) -> Any:
    return {"type": "tool_use", "content": "", "tool": {"name": name, "arguments": "{}", **more}}


def result(name: str = "t", **more: str) -> Any:
    return {"type": "tool_result", "content": f"of {name}", "tool": {"name": name, **more}}


ANSWER: Any = {"type": "final_answer", "content": "Done."}


async def run(agent):
    session = open_with(function_agent(agent))
    ask(session, "go", "m1")
    _, steps = await settled(session)
    return steps


def printed(steps):
    """Return the printed text of each result, by the result's content."""
    found = {}
    for step in steps:
        if step["type"] == "tool_result":
            found[step["content"]] = "".join(output["text/plain"] for output in step.get("outputs", []))
    return found


def asynchronous(*actions):
    async def agent(prompt):
        for action in (*actions, ANSWER):
            if isinstance(action, str):
                print(action, end="")
            else:
                yield action

    return agent


def synchronous(*actions):
    def agent(prompt):
        for action in (*actions, ANSWER):
            if isinstance(action, str):
                print(action, end="")
            else:
                yield action

    return agent


@pytest.mark.parametrize("how", [asynchronous, synchronous])
@pytest.mark.parametrize(
    ("actions", "shown", "elsewhere"),
    [
        ([use(), "one ", "two", result()], {"of t": "one two"}, ""),
        (["before ", use(), "in", result(), "after"], {"of t": "in"}, "before after"),
        ([use("a"), "in a", result("a"), use("b"), "in b", result("b")], {"of a": "in a", "of b": "in b"}, ""),
        ([use("a"), use("b"), "in a", result("a"), "in b", result("b")], {"of a": "in a", "of b": "in b"}, ""),
        # The second result comes first.
        ([use("a"), use("b"), "in b", result("b"), "in a", result("a")], {"of a": "in a", "of b": "in b"}, ""),
        (
            [use(call_id="1"), use(call_id="2"), "in 2", {**result(call_id="2"), "content": "2"}, result(call_id="1")],
            {"2": "in 2", "of t": ""},
            "",
        ),
        ([use(), "in", {"type": "tool_result", "content": "unnamed"}], {"unnamed": "in"}, ""),
        ([{**use(), "id": "u"}, "in", {**result(), "id": "r", "status": "done"}], {"of t": "in"}, ""),
        ([{**use(), "status": "done"}, "in", result()], {"of t": "in"}, ""),
        ([use(), "in", {**result(), "status": "failed"}], {"of t": "in"}, ""),
        ([use(), "in", {**result(), "outputs": [{"text/plain": " given"}]}], {"of t": "in given"}, ""),
        ([use(), {"type": "thought", "content": "It takes long."}, "in", result()], {"of t": "in"}, ""),
        ([use(), "in", {**result(), "id": "r", "status": "streaming"}, {**result(), "id": "r", "status": "done"}],
         {"of t": "in"}, ""),
    ],
)  # fmt: skip
async def test_text_printed_between_call_and_result_belongs_to_the_call(how, actions, shown, elsewhere, capsys):
    steps = await run(how(*actions))

    assert printed(steps) == shown
    assert capsys.readouterr().out == elsewhere
    assert all(step["status"] in ("done", "failed") for step in steps)


async def test_the_answer_closes_calls_without_inventing_results():
    steps = await run(asynchronous(use(), use("u")))

    assert [(step["type"], step["status"]) for step in steps] == [
        ("tool_use", "done"),
        ("tool_use", "done"),
        ("final_answer", "done"),
    ]


async def test_a_call_is_open_and_shows_its_output_until_its_result():
    goes_on = threading.Event()

    async def agent(prompt):
        yield use()
        print("half")
        await asyncio.to_thread(goes_on.wait)
        yield result()
        yield ANSWER

    session = open_with(function_agent(agent))
    ask(session, "go", "m1")
    await asyncio.wait_for(session.wait_for(lambda: len(session.state["steps"]) == 2), 30)
    assert [(step["type"], step["status"]) for step in session.state["steps"].values()] == [
        ("tool_use", "streaming"),
        ("tool_result", "streaming"),
    ]
    assert "half" in next(reversed(session.state["steps"].values()))["outputs"][0]["text/plain"]
    goes_on.set()
    _, steps = await settled(session)
    assert [step["status"] for step in steps] == ["done"] * 3


async def test_a_run_that_fails_during_a_call_keeps_the_calls_output():
    def agent(prompt):
        yield use()
        print("half")
        raise ValueError("broken")

    use_, result_, error = await run(agent)

    assert result_["outputs"] == [{"text/plain": "half\n"}]
    assert (use_["status"], result_["status"], error["type"]) == ("failed", "failed", "error")


async def test_an_agent_of_a_custom_class_shows_the_same():
    async def work(prompt):
        yield use()
        print("in")
        yield result()

    session = open_with(Async(work))
    ask(session, "go", "m1")
    _, steps = await settled(session)

    assert printed(steps) == {"of t": "in\n"}


async def test_a_call_and_its_result_include_the_time_between_them():
    session, runner = open_session()  # its clock advances half a second each time it is read
    ask(session, "go", "m1")
    runner.run.emit({"type": "thought", "content": "Hm."})
    runner.run.emit(use())
    made, *_ = (step for step in session.state["steps"].values() if step["type"] == "tool_use")
    assert made["status"] == "streaming"
    session._clock()
    runner.run.emit(result())
    runner.run.emit(ANSWER)
    runner.run.end()

    _, called, told, _ = session.state["steps"].values()
    assert (called["status"], told["status"]) == ("done", "done")
    assert told["timestamp"] == called["timestamp"]
    assert told["duration"] >= called["duration"] >= 1


@pytest.mark.parametrize("more", [{"duration": 0.25}, {"timestamp": 5.0}])
async def test_times_given_by_the_agent_are_used(more):
    session, runner = open_session()
    ask(session, "go", "m1")
    runner.run.emit(use())
    runner.run.emit(result() | more)
    runner.run.end()

    _, told = session.state["steps"].values()
    assert more.items() <= told.items()
