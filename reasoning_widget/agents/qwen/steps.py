"""Convert the messages of Qwen-Agent's models and tools to steps.

A model call yields all its messages again with each token. Only the last one is processed while it grows, so that the
work for a token does not depend on the length of the answer.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

from ...protocol import MimeBundle, Step, StepType, ToolCall, Usage
from .chunks import EndReason
from .marks import split_thoughts
from .results import field, render

_THOUGHT, _ACTION, _FINAL_ANSWER = "Thought:", "\nAction:", "Final Answer:"

OWN_CALL_PREFIX = "own-"
"""The prefix of the ids of tool calls that an agent makes without its model. No model is told of these calls."""


class OpenStep:
    """A step that may still change."""

    def __init__(self, step: Step, emit: Callable[[Step], None]) -> None:
        self.step = step
        self._emit = emit
        self._started = time.perf_counter()

    def emit(self) -> None:
        """Emit the step as it is now."""
        self._emit(self.step)

    def pause(self) -> None:
        """Emit the step with its duration: its content is complete, but its type may still change."""
        self.step["duration"] = time.perf_counter() - self._started
        self._emit(self.step)

    def close(self, status: Any = "done") -> None:
        """Emit the step for the last time."""
        self.step["status"] = status
        self.step.setdefault("duration", time.perf_counter() - self._started)
        self._emit(self.step)


class Place(NamedTuple):
    """Where a step belongs."""

    agent: str
    """The name of the agent."""
    iteration: int
    """The number of the model call, from 1."""
    parent_id: str | None
    """The step within which a nested agent works; None at top level."""


class StepMaker:
    """Opens the steps of one run."""

    def __init__(self, emit: Callable[[Step], None], token: str) -> None:
        self._emit = emit
        self._token = token
        self._number = itertools.count(1)

    def open(self, kind: StepType, place: Place) -> OpenStep:
        """Create an empty step, which is not emitted yet."""
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

    def call_id(self, prefix: str = "") -> str:
        """Return a unique id for a tool call; the ids of models are often all the same."""
        return f"{prefix}{self._token}-{next(self._number)}"


@dataclass
class _Thoughts:
    """The thoughts of one message: how many of their characters are in closed steps, and the open step."""

    closed: int = 0
    length: int = 0
    step: OpenStep | None = None

    def close(self) -> None:
        if self.step is not None:
            self.step.close()
            self.closed, self.step = self.length, None


@dataclass
class _Text:
    """The text of one message: how many characters are in a closed step, and where a thought interrupted the rest."""

    closed: int = 0
    interrupted_at: int | None = None


class ModelCall:
    """The steps of one model call.

    Args:
        maker: Opens the steps.
        place: Where they belong.
        on_tool_use: Called with each tool call as it appears.
        react: Whether the model writes its tool calls as text, in the ReAct format.

    Attributes:
        usage: The tokens of the answer, if the server counted them.
        end: Why the answer is incomplete; None if it is complete.
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
        self._sizes: list[tuple[int, ...]] = []
        self._thoughts: dict[int, _Thoughts] = {}
        self._texts: dict[int, _Text] = {}
        self._counts_before_last = (0, 0, 0, 0)
        self._counts = [0, 0, 0, 0]
        self._calls_tool = False
        self._ended = False
        self.usage: Usage | None = None
        self.end: EndReason | None = None

    def update(self, messages: list[Any]) -> None:
        """Show what is new in `messages`, all that the model has written in this call so far."""
        self._messages = messages
        sizes = [_size(message) for message in messages[:-1]]
        if sizes != self._sizes or not messages:
            self._sizes = sizes
            self._show_all()
            return
        self._counts = list(self._counts_before_last)
        self._show_message(messages[-1], is_last=not self._ended, goes_on=True)

    def finish(self) -> OpenStep | None:
        """Close the steps of the call.

        Returns:
            The text that is the answer unless another step follows; it stays open.
        """
        self._ended = True
        seen = self._show_all()
        for key, known in list(self._open.items()):
            gone = key not in seen and key[0] in {"text", "call", "result"}
            if gone or (key[0] == "text" and not known.step["content"].strip() and "outputs" not in known.step):
                self._withdraw(known)
        self._move_answers_last()
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

    def run_in_parallel(self) -> None:
        """Note that other calls run at the same time, so that no text of this call is the answer."""
        self._nested = True

    def _move_answers_last(self) -> None:
        """Move an answer after the thought that follows it, if nothing else follows."""
        for number, state in self._texts.items():
            shown = self._open.get(("text", number))
            if state.interrupted_at is None or shown is None or shown.step["type"] != "final_answer":
                continue
            text = shown.step["content"]
            self._withdraw(shown)
            self._open["moved", len(self._open)] = shown
            answer = self._open["text", number] = self._maker.open("final_answer", self._place)
            answer.step["content"] = text

    @property
    def texts(self) -> list[str]:
        """The texts of the model, as it wrote them."""
        return [text for message in self._messages if (text := render(field(message, "content") or "")[0].strip())]

    @property
    def step_ids(self) -> list[str]:
        """The ids of the steps."""
        return [each.step["id"] for each in self._open.values()]

    @property
    def has_steps(self) -> bool:
        """Whether the model has written anything."""
        return bool(self._open)

    def _show_all(self) -> set[tuple[str, int]]:
        self._calls_tool = any(field(m, "function_call") for m in self._messages)
        self._counts = [0, 0, 0, 0]
        # A text before a tool call may continue after it.
        others = [i for i, message in enumerate(self._messages) if not field(message, "function_call")]
        last_text = others[-1] if others else 0
        for i, message in enumerate(self._messages[:-1]):
            self._show_message(message, is_last=False, goes_on=i >= last_text)
        self._counts_before_last = tuple(self._counts)  # type: ignore[assignment]
        if self._messages:
            self._show_message(self._messages[-1], is_last=True, goes_on=True)
        names = ("thought", "text", "call", "result")
        return {(name, i) for name, count in zip(names, self._counts, strict=True) for i in range(count)}

    def _show_message(self, message: Any, *, is_last: bool, goes_on: bool) -> None:
        if isinstance(message, dict):
            message = SimpleNamespace(**{"reasoning_content": None, "function_call": None, **message})
        content = message.content
        function_call = message.function_call
        if message.role == "function":
            self._show_result(message)
            return
        thought = render(message.reasoning_content)[0] if message.reasoning_content else ""
        text, outputs = (content, []) if isinstance(content, str) else render(content)
        split = split_thoughts(text, ended=self._ended)
        if split.thoughts:
            thought = f"{thought}\n\n{split.thoughts}" if thought else split.thoughts
        number = self._counts[0]
        self._counts[0] += 1
        thinks = is_last and not split.text.strip() and function_call is None
        self._show_thought(number, thought, is_last=thinks)
        if content:
            self._show_content(split.text, outputs, is_last=is_last and function_call is None, goes_on=goes_on)
        if function_call is not None:
            self._show_call(function_call, is_last=is_last)

    def _show_thought(self, number: int, thought: str, *, is_last: bool) -> None:
        """Show the thoughts of a message. Thoughts that follow a text or a tool call are a new step."""
        if not thought:
            return
        known = self._thoughts.setdefault(number, _Thoughts())
        new = thought[known.closed :].lstrip("\n") if known.closed else thought
        if known.step is None:
            if not new.strip():
                return
            known.step = self._open_thought(new)
            self._open["thought", len(self._open)] = known.step
        elif known.step.step["content"] == new:
            if not is_last:
                known.close()
            return
        known.length = len(thought)
        known.step.step["content"] = new
        known.step.emit()

    def _open_thought(self, thought: str) -> OpenStep:
        """Open a step for a thought: that of the text if the thought was shown as text until its mark appeared."""
        key = ("text", self._counts[1])
        text = self._open.get(key)
        shown = "" if text is None or text.step["status"] != "streaming" else str(text.step["content"]).strip()
        if text is None or not shown or not thought.lstrip().startswith(shown):
            if text is not None and shown:
                self._texts[key[1]].interrupted_at = len(text.step["content"])
            return self._maker.open("thought", self._place)
        del self._open[key]
        self._texts[key[1]] = _Text()  # the text after the mark is a new one
        text.step["type"] = "thought"
        return text

    def _show_content(self, text: str, outputs: list[MimeBundle], *, is_last: bool, goes_on: bool) -> None:
        if self._react:
            self._show_react(text, is_last=is_last)
            return
        kind: StepType = "final_answer" if is_last and not self._nested and not self._calls_tool else "thought"
        self._show_text(kind, text, outputs, goes_on=goes_on)

    def _show_react(self, text: str, *, is_last: bool) -> None:
        if is_last and not self._ended:
            text = _without_start_of(text, _ACTION, _FINAL_ANSWER)
        before, mark, answer = text.partition(_FINAL_ANSWER)
        thought, action, _ = before.partition(_ACTION)
        thought = thought.strip().removeprefix(_THOUGHT).lstrip()
        if _THOUGHT.startswith(thought):
            thought = ""
        undecided = is_last and not mark and not action and not self._nested
        self._show_text("final_answer" if undecided else "thought", thought, [], goes_on=is_last and not mark)
        if mark:
            kind: StepType = "thought" if self._nested else "final_answer"
            self._show_text(kind, answer.strip(), [], goes_on=is_last)

    def _show_text(self, kind: StepType, text: str, outputs: list[MimeBundle], *, goes_on: bool) -> None:
        number = self._counts[1]
        key = ("text", number)
        self._counts[1] += 1
        state = self._texts.setdefault(number, _Text())
        text = text[state.closed :]
        if state.interrupted_at is not None and text[state.interrupted_at :].strip():
            # A thought interrupted the text, so the part before it was not the answer.
            before = self._open.pop(key)
            self._open["moved", len(self._open)] = before
            before.step["type"], before.step["content"] = "thought", text[: state.interrupted_at]
            before.close()
            text = text[state.interrupted_at :]
            state.closed, state.interrupted_at = state.closed + state.interrupted_at, None
        known = self._open.get(key)
        if known is None:
            if not text.strip() and not outputs:
                return
            known = self._open[key] = self._maker.open(kind, self._place)
            for thoughts in self._thoughts.values():
                thoughts.close()
        elif known.step["status"] != "streaming" or (
            goes_on and known.step["type"] == kind and known.step["content"] == text and not outputs
        ):
            return
        step = known.step
        step["type"], step["content"] = kind, text
        if outputs:
            step["outputs"] = outputs
        if goes_on:
            known.emit()
        else:
            known.close()

    def _show_call(self, function_call: Any, *, is_last: bool) -> None:
        name = field(function_call, "name") or ""
        arguments = field(function_call, "arguments") or ""
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
        """Show a result that the agent reports itself, of a tool call that was not observed."""
        key = ("result", self._counts[3])
        self._counts[3] += 1
        if key in self._open:
            return
        result = self._maker.open("tool_result", self._place)
        self._open[key] = result
        result.step["content"], outputs = render(message.content)
        use = self._open.get(("call", key[1]))
        call_id = use.step["tool"].get("call_id", "") if use is not None else self._maker.call_id()
        result.step["tool"] = ToolCall(name=field(message, "name") or "", call_id=call_id)
        if outputs:
            result.step["outputs"] = outputs
        result.close()

    @staticmethod
    def _withdraw(known: OpenStep) -> None:
        if known.step["status"] == "streaming":
            known.step["type"] = "thought" if known.step["type"] == "final_answer" else known.step["type"]
            known.step["content"] = ""
            known.close()


def _without_start_of(text: str, *marks: str) -> str:
    """Remove an end of `text` that may be the beginning of a mark, and would be withdrawn later."""
    longest = max(
        (length for mark in marks for length in range(1, len(mark)) if text.endswith(mark[:length])), default=0
    )
    return text[: len(text) - longest]


def _size(message: Any) -> tuple[int, ...]:
    """Return the lengths of a message's parts, which show that it has grown."""
    call = field(message, "function_call")
    content = field(message, "content") or ""
    return (
        len(field(message, "reasoning_content") or ""),
        len(content) if isinstance(content, str) else sum(len(field(item, "text") or "") + 1 for item in content),
        len(field(call, "arguments") or "") if call else -1,
    )
