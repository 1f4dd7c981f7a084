"""The state of a watched run, shared by everything that observes it."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable
from typing import Any

from ...compat.carried import Ends
from ...compat.qwen.methods import AGENT_METHODS, RUN
from ...protocol import MimeBundle, Step
from ..base import RunContext
from ..exceptions import MaxIterationsReached, Stopped
from . import hooks
from .candidates import Candidates
from .chunks import EndReason
from .hooks import Call
from .marks import split_thoughts
from .reported import ReportedMessages
from .results import field, render
from .steps import OpenStep, Place, StepMaker
from .work import ToolRun, Worker


class WatchedRun:
    """One run: its steps, its limit, and why it has to end.

    Args:
        agent: The `qwen_agent.Agent` that received the prompt.
        name: The name on its steps.
        context: The run's context.
        max_iterations: How many model calls the run may make.
        emit: Receives the steps.

    Attributes:
        iteration: How many model calls the run has made.
        response: The messages that the agent yielded last.
        ended: Why the run has to end; None while it may continue.
        over: Whether the run has ended. Threads of the agent may still work.
        failed: Whether it ended with an exception.
        end_reasons: Why answers of models are incomplete, by the ids of their steps.
        last_end: Why the newest answer of a model is incomplete; None if it is complete.
        task: Identifies the work of `agent` itself.
    """

    def __init__(
        self, agent: Any, name: str, context: RunContext, max_iterations: int, emit: Callable[[Step], None]
    ) -> None:
        self.agent = agent
        self.name = name
        self.context = context
        self.max_iterations = max_iterations
        self.lock = threading.RLock()
        self.iteration = 0
        self.response: list[Any] = []
        self.ended: Exception | None = None
        self.over = False
        self.failed = False
        self.end_reasons: dict[str, EndReason] = {}
        self.last_end: EndReason | None = None
        self.task: Any = agent
        self._emit_step = emit
        self._shown: dict[str, Step] = {}
        self._announced: list[tuple[Any, OpenStep]] = []
        self._own_methods = contextlib.ExitStack()
        self._hooked: dict[tuple[int, str], Any] = {}
        """The objects whose own methods are observed. References to them keep their ids unique."""
        self.maker = StepMaker(self._emit, context.run_id or secrets.token_hex(4))
        self.candidates = Candidates(lambda: answer_of(self.response[-1] if self.response else None)[0])
        self.reported = ReportedMessages(
            self.maker,
            lambda: list(self._shown.values()),
            self._place_of_message,
            self.candidates,
            lambda use: self.announce(self.task, use),
        )

    # The end ------------------------------------------------------------------------------------------------------

    @property
    def must_end(self) -> bool:
        """Whether nothing new may begin, because the run was stopped or has failed."""
        return self.context.stopping or self.failed or self.ended is not None

    def check(self) -> None:
        """Do nothing while the run may continue.

        Raises:
            Ends: The run has to end.
        """
        if self.must_end:
            raise Ends(self.ended or Stopped())

    def end_with(self, error: Exception) -> Ends:
        """Record why the run has to end, unless there is a reason already.

        Returns:
            The exception to raise.
        """
        with self.lock:
            self.ended = self.ended or error
        return Ends(error)

    def next_iteration(self) -> int:
        """Count a model call that is about to be made, and return its number.

        Raises:
            Ends: The run has reached its limit, or has to end.
        """
        with self.lock:
            self.check()
            if self.iteration >= self.max_iterations:
                raise self.end_with(MaxIterationsReached(self.max_iterations))
            self.iteration += 1
            return self.iteration

    # Steps --------------------------------------------------------------------------------------------------------

    def _emit(self, step: Step) -> None:
        with self.lock:
            if self.over:
                return
            if "parent_id" not in step:
                self._shown[step["id"]] = step
            try:
                self._emit_step(step)
            except Stopped as stopped:
                raise self.end_with(stopped) from None

    def begin_at_top_level(self) -> None:
        """Note that a step begins at top level, so that the messages which the agent has yielded are complete."""
        if not self.candidates.model_is_working:
            self.reported.finish(self.response)

    def worker(self, call: Call) -> Worker:
        """Return the innermost agent that works in `call`, and the tool result within which it works."""
        agent, task, parent_id = None, None, None
        for each in call.stack():
            if isinstance(each.note, ToolRun):
                parent_id = each.note.result.step["id"]
                break
            if each.name in AGENT_METHODS:
                agent = each.target if agent is None else agent
                task = each if task is None and each.name == RUN and each.target is agent else task
        if agent is None:  # a tool calls a model itself, on behalf of the agent that called the tool
            agent = next((each.target for each in call.stack() if each.name in AGENT_METHODS), self.agent)
        return Worker(agent, agent if task is None else task, parent_id)

    def place(self, worker: Worker, iteration: int | None = None) -> Place:
        """Return where a step of `worker` belongs.

        Args:
            worker: The working agent.
            iteration: The number of its model call; by default that of the newest call of the run.
        """
        agent = worker.agent
        name = self.name if agent is self.agent else getattr(agent, "name", None) or type(agent).__name__
        return Place(name, iteration or max(self.iteration, 1), worker.parent_id)

    def _place_of_message(self, message: Any) -> Place:
        name = field(message, "name") if field(message, "role") == "assistant" else None
        own = name is None or name == getattr(self.agent, "name", None)
        return Place(self.name if own else str(name), max(self.iteration, 1), None)

    # Announced tool calls -----------------------------------------------------------------------------------------

    def announce(self, task: Any, use: OpenStep) -> None:
        """Expect `task` to make the tool call that `use` shows."""
        self._announced.append((task, use))

    def forget_announced(self, task: Any) -> None:
        """Expect no more tool calls of `task`, because it calls its model again."""
        with self.lock:
            self._announced = [entry for entry in self._announced if entry[0] is not task]

    def pop_announced(self, task: Any, name: str, arguments: str) -> OpenStep | None:
        """Remove and return the announced call of that tool, preferably with the same arguments, or None."""
        with self.lock:
            mine = [entry for entry in self._announced if entry[0] is task and entry[1].step["tool"]["name"] == name]
            same = (entry for entry in mine if entry[1].step["tool"].get("arguments") == arguments)
            chosen = next(same, mine[0] if mine else None)
            if chosen is None:
                return None
            self._announced.remove(chosen)
            return chosen[1]

    # Methods of single objects ------------------------------------------------------------------------------------

    def observe(self, target: Any, *names: str) -> None:
        """Until the run is over, observe those of the named methods that `target` itself overrides."""
        for name in names:
            if target is not None and not hooks.is_observed(target, name):
                self.replace(target, name, name)

    def replace(self, target: Any, name: str, handler: str) -> None:
        """Until the run is over, pass calls of `target.name` to that handler, if the object has attributes."""
        with self.lock:
            if not self.over and (id(target), name) not in self._hooked:
                self._hooked[id(target), name] = target
                with contextlib.suppress(AttributeError, TypeError):  # it has no attributes
                    self._own_methods.enter_context(hooks.own_method(target, name, handler))

    def restore(self) -> None:
        """Put the objects' own methods back."""
        self._own_methods.close()


def answer_of(message: Any) -> tuple[str, list[MimeBundle]]:
    """Return the text and the outputs of a message if it may be an answer, otherwise empty ones."""
    if message is None or message["role"] not in {"assistant", "user"} or message.get("function_call"):
        return "", []
    text, outputs = render(message["content"])
    return split_thoughts(text).text, outputs
