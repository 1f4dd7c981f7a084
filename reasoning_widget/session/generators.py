"""What a generator prints and displays at work on a call that it has yielded belongs to the result of that call."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import cast

from ..outputs import outputs_of
from ..protocol import JSON, AgentStep, MimeBundle
from .calls import OURS, call_of
from .capture import captured_output


@dataclass(eq=False)
class _Open:
    """A call whose result has not come."""

    tool: JSON
    parent: str | None
    result: JSON
    """The step of its result, as far as it is known."""
    shown: list[MimeBundle] = field(default_factory=list)
    """What the generator printed and displayed at work on it."""
    is_shown: bool = False
    """Whether there is a step of its result already."""


class OpenCalls:
    """Stands between a generator that yields steps and whoever takes them. All calls are made in the same context.

    Args:
        emit: Takes each step.
    """

    def __init__(self, emit: Callable[[AgentStep], None]) -> None:
        self._emit = emit
        self._calls: list[_Open] = []
        self._at_work: _Open | None = None
        self._before: list[MimeBundle] = []
        """What the call at work had shown when it was taken up."""
        self._capture = ExitStack()
        self._told: dict[str, _Open] = {}
        """Results that the generator tells under an id of its own."""
        self._announced: set[str] = set()
        self._count = itertools.count(1)

    def put(self, step: AgentStep) -> None:
        """The generator has yielded this."""
        wire = cast("JSON", step)
        if "append" in wire:
            told = self._told.get(wire.get("id", ""))
            self._emit(cast("AgentStep", wire if told is None else {**wire, "id": told.result["id"]}))
            return
        if wire["type"] == "tool_result":
            wire = self._result(wire)
        elif wire["type"] == "final_answer" and "parent_id" not in wire:
            self.close()
        if wire.get("parent_id") in self._told:
            wire = {**wire, "parent_id": self._told[wire["parent_id"]].result["id"]}
        self._emit(cast("AgentStep", wire))
        if wire["type"] == "tool_use" and self._is_new(wire):
            self._calls.append(self._opened(wire))
        self._take_up()

    def close(self) -> None:
        """No result comes any more."""
        self._release(self._at_work)
        self._calls.clear()

    def _is_new(self, step: JSON) -> bool:
        """Whether it is a call that has not been seen. What is printed while it grows belongs to it, too."""
        step_id = step.get("id")
        if step_id in self._announced or step.get("status") in ("failed", "stopped"):
            return False
        if step_id is not None:
            self._announced.add(step_id)
        return True

    def _opened(self, step: JSON) -> _Open:
        called: JSON = step.get("tool", {"name": "tool"})
        tool = {name: value for name, value in called.items() if name != "arguments"}
        same: JSON = {name: step[name] for name in ("parent_id", "agent", "iteration") if name in step}
        result: JSON = {"type": "tool_result", "id": f"{OURS}{next(self._count)}", "content": "", "tool": tool, **same}
        return _Open(tool, step.get("parent_id"), {**result, "status": "streaming"})

    def _result(self, step: JSON) -> JSON:
        """The step of a result, with what was shown at work on it."""
        call = self._told.get(step.get("id", ""))
        if call is None:
            call = call_of(step.get("tool", {}), step.get("parent_id"), self._calls)
            if call is None:
                return step
            self._release(call)
            self._calls.remove(call)
            if not call.is_shown and not call.shown:
                return step
            if "id" in step:
                self._told[step["id"]] = call
        whole = {} if "id" in step else {"status": "done"}
        return {**whole, **step, "id": call.result["id"], "outputs": [*call.shown, *outputs_of(step)]}

    def _take_up(self) -> None:
        """What is printed from now on belongs to the oldest call."""
        if self._at_work is None and self._calls:
            self._at_work = self._calls[0]
            self._before = self._at_work.shown
            self._capture.enter_context(captured_output(self._show))

    def _show(self, outputs: list[MimeBundle]) -> None:
        call = self._at_work
        if call is not None:
            call.shown = [*self._before, *outputs]
            call.is_shown = True
            self._emit(cast("AgentStep", {**call.result, "outputs": call.shown}))

    def _release(self, told: _Open | None) -> None:
        """What was printed last belongs to the call whose result comes now."""
        with suppress(ValueError):  # the generator was another task's, whose context is gone
            self._capture.close()  # shows the figures that are still open
        call, self._at_work = self._at_work, None
        if call is None or told is None or call is told:
            return
        told.shown = [*told.shown, *call.shown[len(self._before) :]]
        call.shown = self._before
        if call.is_shown:
            self._emit(cast("AgentStep", {**call.result, "outputs": call.shown}))
