"""Steps that grow by `append`."""

from typing import Any

import pytest

from reasoning_widget.agents.base import StepBuffer
from reasoning_widget.agents.exceptions import AgentError
from reasoning_widget.agents.functions import function_agent


def opened(**more: Any) -> Any:
    return {"type": "thought", "id": "1", "content": "", **more}


def more(text: object, **others: Any) -> Any:
    return {"type": "thought", "id": "1", "append": text, **others}


def drained(*steps: Any) -> list[Any]:
    buffer = StepBuffer(lambda: None)
    for step in steps:
        buffer.put(step)
    return buffer.drain()


def test_appended_texts_are_joined_and_a_later_snapshot_wins() -> None:
    buffer = StepBuffer(lambda: None)
    for step in (opened(content="a"), more("b"), more("c")):
        buffer.put(step)
    assert buffer.drain() == [opened(content="abc")]

    buffer.put(more("d", status="done"))
    assert buffer.drain() == [opened(content="abcd", status="done")]

    assert drained(opened(), more("lost"), opened(content="whole"), more("!")) == [opened(content="whole!")]


def test_each_channel_grows() -> None:
    tool = {"name": "t", "arguments": '{"a"'}
    (step,) = drained(
        opened(tool=tool, outputs=[{"image/png": "eA=="}]),
        more(": 1}", channel="arguments"),
        more("line\n", channel="output"),
        more("next\n", channel="output"),
    )
    assert step["tool"]["arguments"] == '{"a": 1}'
    assert step["outputs"] == [{"image/png": "eA=="}, {"text/plain": "line\nnext\n"}]
    assert tool["arguments"] == '{"a"', "the agent's own object"


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (more("x", id="unknown"), "no step with this `id`"),
        (more("x", type="final_answer"), "the step is a thought"),
        (more(7), "`append` is int"),
        (more("x", channel="title"), "'title', not one of content, arguments, output"),
        (more("x", channel="arguments"), "no `tool`"),
        (more("x", content="whole"), "`content` cannot come with `append`"),
    ],
)
def test_an_invalid_append_is_refused_and_loses_nothing(step: Any, problem: str) -> None:
    buffer = StepBuffer(lambda: None)
    buffer.put(opened(content="kept"))
    with pytest.raises(AgentError, match="The agent appended to the") as caught:
        buffer.put(step)

    assert problem in str(caught.value)
    assert buffer.drain() == [opened(content="kept")]


def test_a_closed_step_does_not_grow() -> None:
    with pytest.raises(AgentError, match=r"the step is closed .* a new `id`"):
        drained(opened(status="done"), more("late"))


async def test_the_answer_of_an_agent_without_a_chat_may_be_appended() -> None:
    async def agent(prompt: str) -> Any:
        yield {"type": "final_answer", "id": "a", "content": ""}
        for word in ("so ", "it ", "is"):
            yield {"type": "final_answer", "id": "a", "append": word}

    assert await function_agent(agent).run("?") == "so it is"
