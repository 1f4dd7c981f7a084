"""Helpers for the tests of Qwen-Agent agents: a tool made of a function, work in a thread, and Stop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from qwen_agent.tools.base import BaseTool

from reasoning_widget import Answer, ReasoningChat
from tests.raw_model import RawModel

WAIT_S = 30


class Tool(BaseTool):  # type: ignore[misc]
    """A tool made of a function, which gets the parsed arguments."""

    name = "tool"
    description = "Does something."
    parameters = {"type": "object", "properties": {"key": {"type": "string"}}, "required": []}

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self._function = function
        super().__init__()

    def call(self, params: str, **kwargs: Any) -> Any:
        return self._function(**self._verify_json_format_args(params))


@contextlib.contextmanager
def in_thread(work: Callable[[], Any]) -> Iterator[list[Any]]:
    """Work in a thread. After the block, the list contains the result of the work or its exception."""
    outcome: list[Any] = []

    def main() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=main)
    thread.start()
    try:
        yield outcome
    finally:
        thread.join(WAIT_S)
        assert not thread.is_alive()


def stopped_in_its_thought(model: RawModel, agent: Any) -> Answer:
    """Ask, stop once a part of a thought is shown, and check that the connection to the model is closed."""
    chat = ReasoningChat(agent, save=False)
    with in_thread(lambda: chat.ask("Weather?")) as answers:
        while not any(step["content"] for step in chat.steps) and not answers:
            model.closed.wait(0.01)
        chat.stop()
        assert model.closed.wait(WAIT_S)
    chat.close()
    answer: Answer = answers[0]
    return answer
