"""The units of work in a watched run: a working agent, a request to a model, a tool call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ...protocol import MimeBundle
from .steps import OpenStep


class Worker(NamedTuple):
    """A working agent."""

    agent: Any
    task: Any
    """Identifies the work: the same agent may work in several threads at once."""
    parent_id: str | None
    """The tool result within which the agent works; None at top level, even if another agent received the prompt."""


class ModelRequest:
    """A request to a model, which counts as an iteration of the run."""

    def __init__(self, worker: Worker, number: int, messages: Any) -> None:
        self.worker = worker
        self.number = number
        self.messages = messages
        self.is_shown = False
        """Whether a call already shows the answer: of nested calls for one request, only one does."""


class ToolRun:
    """The execution of a tool call.

    Attributes:
        tool: The tool; None if there is no tool of that name.
        result: The step of its result.
        truncated: Whether the model reached its token limit in the middle of the call.
        value: The tool's return value.
        model_value: The return value as the model receives it; None until the tool has returned.
        error: The exception that the tool raised.
    """

    def __init__(self, tool: Any, result: OpenStep, *, truncated: bool) -> None:
        self.tool = tool
        self.result = result
        self.truncated = truncated
        self.value: Any = None
        self.model_value: Any = None
        self.error: BaseException | None = None

    def show_outputs(self, outputs: list[MimeBundle]) -> None:
        """Show what the tool has printed and displayed so far."""
        self.result.step["outputs"] = outputs
        self.result.emit()

    def observe(self, call: Callable[[], Any]) -> Any:
        """Call the tool, and record the return value or exception, which Qwen-Agent then converts to text."""
        try:
            self.value = call()
        except BaseException as error:
            self.error = error
            raise
        self.error = None
        return self.value
