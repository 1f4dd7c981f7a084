"""The types for authors of agents: `make types` checks these agents as strictly as the package itself."""

from collections.abc import AsyncIterator, Callable

import pytest

from reasoning_widget import BaseAgent, BlockingAgent
from reasoning_widget.agents.functions import function_agent
from reasoning_widget.agents.growing import whole_steps
from reasoning_widget.protocol import AgentStep, Step


async def planner(prompt: str) -> AsyncIterator[AgentStep]:
    yield {"type": "plan", "id": "p", "content": "Look", "iteration": 1}
    yield {"type": "plan", "id": "p", "append": ", then leap.", "status": "done"}
    yield {"type": "tool_use", "id": "t", "content": "", "tool": {"name": "look", "arguments": ""}}
    yield {"type": "tool_use", "id": "t", "append": "{}", "channel": "arguments"}
    yield {"type": "final_answer", "content": prompt}


class Planner(BaseAgent):
    async def run_with_reasoning_stream(self, prompt: str, max_iterations: int = 20) -> AsyncIterator[AgentStep]:
        async for step in planner(prompt):
            yield step


class BlockingPlanner(BlockingAgent):
    def run_blocking(self, prompt: str, max_iterations: int, emit: Callable[[AgentStep], None]) -> None:
        emit({"type": "plan", "id": "p", "content": "Look"})
        emit({"type": "plan", "id": "p", "append": ", then leap."})
        emit({"type": "final_answer", "content": prompt})


class WholeSteps(BaseAgent):
    """An agent that never appends may use the narrower type `Step`."""

    async def run_with_reasoning_stream(self, prompt: str, max_iterations: int = 20) -> AsyncIterator[Step]:
        yield {"type": "plan", "content": "Look, then leap."}
        yield {"type": "final_answer", "content": prompt}


class BlockingWholeSteps(BlockingAgent):
    def run_blocking(self, prompt: str, max_iterations: int, emit: Callable[[Step], None]) -> None:
        emit({"type": "plan", "content": "Look, then leap."})
        emit({"type": "final_answer", "content": prompt})


def mistaken() -> list[AgentStep]:
    """Errors that the types detect; `mypy` also reports an unnecessary `ignore`."""
    return [
        {"type": "thought"},  # type: ignore[list-item]
        {"type": "thought", "append": "more"},  # type: ignore[list-item]
        {"type": "thought", "id": "t", "append": "more", "channel": "title"},  # type: ignore[typeddict-item]
    ]


@pytest.mark.parametrize(
    "agent", [function_agent(planner), Planner(), BlockingPlanner(), WholeSteps(), BlockingWholeSteps()]
)
async def test_agents_with_step_types_of_their_own_type_check_and_work(agent: BaseAgent) -> None:
    contents: dict[str, str] = {}
    async for step in whole_steps(agent.run_with_reasoning_stream("hi")):
        contents[step["type"]] = step["content"]

    assert contents["plan"] == "Look, then leap."
    assert contents["final_answer"] == "hi"
