"""Make steps of the messages that Qwen-Agent's models and tools produce.

A model call yields its messages over and over, each time longer. Only the last of them is looked at while it grows: the
work for a token must not depend on what came before it.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

from ...protocol import Step, StepType, ToolCall, Usage
from .results import render

_SPECIAL = ("<tool_call>", "<think>")
_LONGEST_SPECIAL = max(map(len, _SPECIAL))
_THINK, _END_THINK = "<think>", "</think>"
_FINAL_ANSWER = "Final Answer:"


class OpenStep:
    """A step that is not finished yet."""

    def __init__(self, step: Step, emit: Callable[[Step], None]) -> None:
        self.step = step
        self._emit = emit
        self._started = time.perf_counter()

    def emit(self) -> None:
        """Show it as it is now."""
        self._emit(self.step)

    def close(self, status: Any = "done") -> None:
        """Show it for the last time."""
        self.step["status"] = status
        self.step["duration"] = time.perf_counter() - self._started
        self._emit(self.step)


class Place(NamedTuple):
    """Where a step belongs."""

    agent: str
    """The name of the agent that takes it."""
    iteration: int
    """The number of the model call, from 1."""
    parent_id: str | None
    """The step within which a nested agent takes it."""


class StepMaker:
    """Opens the steps of one run."""

    def __init__(self, emit: Callable[[Step], None], token: str) -> None:
        self._emit = emit
        self._token = token
        self._number = itertools.count(1)

    def open(self, kind: StepType, place: Place) -> OpenStep:
        """A new step, with nothing in it, not shown yet."""
        step: Step = {
            "type": kind,
            "content": "",
            "id": f"step-{next(self._number)}",
            "status": "streaming",
            "agent": place.agent,
            "iteration": place.iteration,
            "timestamp": time.time(),
        }
        if place.parent_id is not None:
            step["parent_id"] = place.parent_id
        return OpenStep(step, self._emit)

    def call_id(self) -> str:
        """An id for a tool call: the models' own are often all the same."""
        return f"{self._token}-{next(self._number)}"


class ModelCall:
    """The steps of one model call.

    Args:
        maker: Opens the steps.
        place: Where they belong.
        on_tool_use: Told of each tool call as it appears.
        react: The model writes its tool calls as text, in the ReAct format.
    """

    def __init__(
        self,
        maker: StepMaker,
        place: Place,
        on_tool_use: Callable[[OpenStep], None],
        *,
        react: bool = False,
    ) -> None:
        self._maker = maker
        self._place = place
        self._nested = place.parent_id is not None
        self._on_tool_use = on_tool_use
        self._react = react
        self._open: dict[tuple[str, int], OpenStep] = {}
        self._messages: list[Any] = []
        self._counts_before_last = (0, 0, 0, 0)
        self._counts = [0, 0, 0, 0]
        self._calls_tool = False
        self._ended = False
        self.usage: Usage | None = None

    def update(self, messages: list[Any]) -> None:
        """Show what is new in `messages`: everything the model wrote in this call until now."""
        if len(messages) == len(self._messages):
            self._messages = messages
            self._counts = list(self._counts_before_last)
            if messages:
                self._show_message(messages[-1], is_last=not self._ended)
            return
        self._messages = messages
        self._show_all()

    def finish(self) -> OpenStep | None:
        """Close the call's steps.

        Returns:
            The text that is the answer unless something follows it: it stays open.
        """
        self._ended = True
        seen = self._show_all()
        for key in [key for key in self._open if key not in seen]:
            self._take_back(self._open[key])
        still_open = [each for each in self._open.values() if each.step["status"] == "streaming"]
        if self.usage is not None and self._open:
            (still_open or list(self._open.values()))[-1].step["usage"] = self.usage
        answer = next((each for each in reversed(still_open) if each.step["type"] == "final_answer"), None)
        for each in still_open:
            if each is not answer:
                each.close()
        if answer is not None:
            answer.emit()
        return answer

    @property
    def said_something(self) -> bool:
        """Whether there is any step."""
        return bool(self._open)

    def _show_all(self) -> set[tuple[str, int]]:
        self._calls_tool = any(_field(m, "function_call") for m in self._messages)
        self._counts = [0, 0, 0, 0]
        for message in self._messages[:-1]:
            self._show_message(message, is_last=False)
        self._counts_before_last = tuple(self._counts)  # type: ignore[assignment]
        if self._messages:
            self._show_message(self._messages[-1], is_last=True)
        names = ("reasoning", "text", "call", "result")
        return {(name, i) for name, count in zip(names, self._counts, strict=True) for i in range(count)}

    def _show_message(self, message: Any, *, is_last: bool) -> None:
        if isinstance(message, dict):
            message = SimpleNamespace(**{"reasoning_content": None, "function_call": None, **message})
        content = message.content
        function_call = message.function_call
        if message.role == "function":
            self._show_result(message)
            return
        if message.reasoning_content:
            thought, _ = render(message.reasoning_content)
            self._show_text(0, "thought", thought, None, is_last=is_last and not content and function_call is None)
        if content:
            self._show_content(content, is_last=is_last and function_call is None)
        if function_call is not None:
            self._show_call(function_call, is_last=is_last)

    def _show_content(self, content: Any, *, is_last: bool) -> None:
        text, output = (content, None) if isinstance(content, str) else render(content)
        if text.startswith(_THINK):
            thought, end, text = text[len(_THINK) :].partition(_END_THINK)
            self._show_text(0, "thought", thought.strip("\n"), None, is_last=is_last and not end)
            text = text.lstrip("\n")
            if not end:
                return
        if is_last and not self._ended:
            text = _without_special_start(text)
        if self._react:
            self._show_react(text, is_last=is_last)
            return
        kind: StepType = "final_answer" if is_last and not self._nested and not self._calls_tool else "thought"
        self._show_text(1, kind, text, output, is_last=is_last and not self._calls_tool)

    def _show_react(self, text: str, *, is_last: bool) -> None:
        before, mark, answer = text.partition(_FINAL_ANSWER)
        thought, action, _ = before.partition("\nAction:")
        thought = thought.strip().removeprefix("Thought:").lstrip()
        undecided = is_last and not mark and not action and not self._nested
        self._show_text(1, "final_answer" if undecided else "thought", thought, None, is_last=is_last and not mark)
        if mark:
            kind: StepType = "thought" if self._nested else "final_answer"
            self._show_text(1, kind, answer.strip(), None, is_last=is_last)

    def _show_text(
        self, channel: int, kind: StepType, text: str, output: dict[str, Any] | None, *, is_last: bool
    ) -> None:
        key = ("text" if channel else "reasoning", self._counts[channel])
        self._counts[channel] += 1
        known = self._open.get(key)
        if known is None:
            if not text and not output:
                return
            known = self._open[key] = self._maker.open(kind, self._place)
        elif known.step["status"] != "streaming" or (
            is_last and known.step["type"] == kind and known.step["content"] == text
        ):
            return
        step = known.step
        step["type"] = kind
        step["content"] = text
        if output:
            step["output"] = output
        if is_last:
            known.emit()
        else:
            known.close()

    def _show_call(self, function_call: Any, *, is_last: bool) -> None:
        name = _field(function_call, "name") or ""
        arguments = _field(function_call, "arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        key = ("call", self._counts[2])
        self._counts[2] += 1
        known = self._open.get(key)
        if known is None:
            known = self._open[key] = self._maker.open("tool_use", self._place)
            known.step["tool"] = {"name": name, "call_id": self._maker.call_id()}
            self._on_tool_use(known)
        elif known.step["status"] != "streaming":
            return
        tool = known.step["tool"]
        if is_last and tool.get("arguments") == arguments and tool["name"] == name:
            return
        known.step["tool"] = ToolCall(name=name, arguments=arguments, call_id=tool.get("call_id", ""))
        if is_last:
            known.emit()
        else:
            known.close()

    def _show_result(self, message: Any) -> None:
        """A result that the agent reports itself, of a tool that nobody saw it call."""
        key = ("result", self._counts[3])
        self._counts[3] += 1
        if key in self._open:
            return
        result = self._maker.open("tool_result", self._place)
        self._open[key] = result
        result.step["content"], output = render(message.content)
        use = self._open.get(("call", key[1]))
        call_id = use.step["tool"].get("call_id", "") if use is not None else self._maker.call_id()
        result.step["tool"] = ToolCall(name=_field(message, "name") or "", call_id=call_id)
        if output:
            result.step["output"] = output
        result.close()

    @staticmethod
    def _take_back(known: OpenStep) -> None:
        if known.step["status"] == "streaming":
            known.step["type"] = "thought" if known.step["type"] == "final_answer" else known.step["type"]
            known.step["content"] = ""
            known.close()


def _without_special_start(text: str) -> str:
    """`text` without an end that may be the beginning of a tag: it would only be taken back."""
    at = text.rfind("<", -_LONGEST_SPECIAL)
    if at >= 0 and any(tag.startswith(text[at:]) for tag in _SPECIAL):
        return text[:at]
    return text


def _field(message: Any, name: str) -> Any:
    return message.get(name) if isinstance(message, dict) else getattr(message, name, None)
