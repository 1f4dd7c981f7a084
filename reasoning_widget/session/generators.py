"""Assigns what a generator prints and displays after it has yielded a call to the result of that call."""

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
    """A call without a result."""

    tool: JSON
    parent: str | None
    result: JSON
    """The step of its result, as far as that is known."""
    shown: list[MimeBundle] = field(default_factory=list)
    """What the generator printed and displayed for it."""
    is_shown: bool = False
    """Whether the step of its result was emitted."""


class OpenCalls:
    """Passes on the steps of a generator, and adds what it prints to the results of its calls.

    All methods must be called in the same context.

    Args:
        emit: Called with each step.
    """

    def __init__(self, emit: Callable[[AgentStep], None]) -> None:
        self._emit = emit
        self._calls: list[_Open] = []
        self._at_work: _Open | None = None
        self._before: list[MimeBundle] = []
        """What the call at work had shown before."""
        self._capture = ExitStack()
        self._results: dict[str, _Open] = {}
        """The calls whose results were shown before the generator yielded them, by the generator's id of the result."""
        self._announced: set[str] = set()
        self._count = itertools.count(1)

    def put(self, step: AgentStep) -> None:
        """Pass on a step that the generator has yielded."""
        wire = cast("JSON", step)
        if "append" in wire:
            call = self._results.get(wire.get("id", ""))
            self._emit(cast("AgentStep", wire if call is None else {**wire, "id": call.result["id"]}))
            return
        if wire["type"] == "tool_result":
            wire = self._result(wire)
        elif wire["type"] == "final_answer" and "parent_id" not in wire:
            self.close()
        if wire.get("parent_id") in self._results:
            wire = {**wire, "parent_id": self._results[wire["parent_id"]].result["id"]}
        self._emit(cast("AgentStep", wire))
        if wire["type"] == "tool_use" and self._is_new(wire):
            self._calls.append(self._opened(wire))
        self._capture_oldest()

    def close(self) -> None:
        """Stop capturing: there are no further results."""
        self._release(self._at_work)
        self._calls.clear()

    def _is_new(self, step: JSON) -> bool:
        """Whether this is the first snapshot of a call. What is printed while the call grows belongs to it, too."""
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
        """Return the step of a result, with what was shown for its call."""
        call = self._results.get(step.get("id", ""))
        if call is None:
            call = call_of(step.get("tool", {}), step.get("parent_id"), self._calls)
            if call is None:
                return step
            self._release(call)
            self._calls.remove(call)
            if not call.is_shown and not call.shown:
                return step
            if "id" in step:
                self._results[step["id"]] = call
        whole = {} if "id" in step else {"status": "done"}
        return {**whole, **step, "id": call.result["id"], "outputs": [*call.shown, *outputs_of(step)]}

    def _capture_oldest(self) -> None:
        """Assign what is printed from now on to the oldest call, unless another one is at work."""
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

    def _release(self, finished: _Open | None) -> None:
        """Stop capturing, and assign what was printed since the last step to the call whose result was yielded."""
        with suppress(ValueError):  # the generator ran in another task, whose context is gone
            self._capture.close()  # shows the figures that are still open
        call, self._at_work = self._at_work, None
        if call is None or finished is None or call is finished:
            return
        finished.shown = [*finished.shown, *call.shown[len(self._before) :]]
        call.shown = self._before
        if call.is_shown:
            self._emit(cast("AgentStep", {**call.result, "outputs": call.shown}))
