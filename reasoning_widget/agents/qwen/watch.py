"""Run a Qwen-Agent agent, and observe it from inside.

The messages that an agent yields do not say when a tool starts or whether it failed, and nothing about agents that this
agent creates. Therefore the methods of every agent, model and tool that works for the run are observed, in all threads,
wherever the object was created. Afterwards all of them are as before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ...compat.carried import Ends
from ...compat.qwen.limit import with_limit
from ...compat.qwen.methods import (
    CALL_MODEL,
    CALL_TOOL,
    CHAT,
    RUN,
    RUN_UNCHECKED,
    SELECT_SPEAKER,
    patches,
    represents_person,
)
from ..base import propagate_run
from ..exceptions import AgentError, MaxIterationsReached, Stopped
from . import hooks, people
from .chunks import EndReason
from .hooks import Call
from .model_calls import ModelCalls
from .results import field
from .steps import Place
from .tool_calls import ToolCalls
from .watched_run import WatchedRun, answer_of

_ENDS_IN_ANSWER: dict[EndReason, str] = {
    "length": (
        "The answer was cut short: the model reached its token limit. Ask it to continue, or allow longer answers "
        "(`max_tokens` in the model's `generate_cfg`)."
    ),
    "content_filter": (
        "The answer was cut short: a content filter on the model's server removed the rest. Ask in other words."
    ),
    "error": "The answer was cut short: the model's server reported an error. The part before it is above. Ask again.",
}


class Watch:
    """Runs an agent, and emits the steps of everything that happens.

    Args:
        run: The run.
    """

    def __init__(self, run: WatchedRun) -> None:
        self._run = run
        self._models = ModelCalls(self._run)
        self._tools = ToolCalls(self._run)
        self._hooks = contextlib.ExitStack()
        self._working_count = 0
        """How many threads and pooled calls work for the run besides its own thread."""

    # The run ------------------------------------------------------------------------------------------------------

    def run(self, messages: list[Any]) -> None:
        """Pass `messages` to the agent, and emit its steps until it has answered.

        Raises:
            Stopped: The run was stopped.
            MaxIterationsReached: The run reached its limit of model calls.
            AgentError: There is no answer.
        """
        run = self._run
        try:
            with run.context.on_stop(self._models.connections.stop), self._watching():
                self._read(run.agent.run(messages))
                run.check()
                self._finish()
        except (Exception, Ends) as error:
            # A closed connection may lead to any exception, and an agent may replace the reason why it had to end.
            if run.context.stopping and not isinstance(error, Stopped):
                raise Stopped from error
            if run.ended is not None and error is not run.ended:
                raise run.ended from error
            if isinstance(error, Ends):
                raise error.reason from error
            raise

    def _read(self, responses: Iterable[list[Any]]) -> None:
        run = self._run
        try:
            for response in responses:
                if run.context.stopping:
                    break
                run.response = response
                run.candidates.update()
                if not run.candidates.model_is_working:
                    run.reported.update(response)
        finally:
            close = getattr(responses, "close", None)  # only generators have it
            if close is not None:
                close()

    def _finish(self) -> None:
        """Show the answer, given the agent's last response.

        Raises:
            MaxIterationsReached: The agent gave up after a tool call.
            AgentError: There is no answer.
        """
        run = self._run
        run.reported.finish(run.response, last_is_answer=True)
        last = run.response[-1] if run.response else None
        text, outputs = answer_of(last)
        chosen = run.candidates.choose(text, run.reported.is_shown)
        if chosen is not None:
            end = run.end_reasons.get(chosen.step["id"])
            chosen.close("failed" if end else "done")
            if end:
                raise AgentError(_ENDS_IN_ANSWER[end])
        elif text.strip() or outputs:
            answer = run.maker.open("final_answer", Place(run.name, max(run.iteration, 1), None))
            answer.step["content"] = text
            if outputs:
                answer.step["outputs"] = outputs
            answer.close()
        elif field(last, "role") == "function":
            raise MaxIterationsReached(run.iteration)
        else:
            raise self._models.no_answer()

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        self._hooks.callback(self._models.connections.close)
        self._hooks.enter_context(propagate_run())
        self._hooks.enter_context(hooks.watching(self, lambda: patches(hooks.observed)))
        self._hooks.callback(self._run.restore)
        try:
            with hooks.root_of(self):
                yield
        except BaseException as error:
            self._leave(error)
            raise
        self._leave(None)

    def _leave(self, error: BaseException | None) -> None:
        """End the run. If it has answered, its threads continue unobserved; if it has failed, they are made to end."""
        run = self._run
        with run.lock:
            run.over = True
            run.failed = error is not None
            stay = run.must_end and self._working_count > 0
        if error is not None:
            self._models.connections.stop()
        if not stay:
            self._hooks.close()

    # For the hooks ------------------------------------------------------------------------------------------------

    def handlers(self) -> Mapping[str, hooks.Handler]:
        """Return the functions that are called in place of the methods, by the methods' names."""
        agent: dict[str, hooks.Handler] = {
            RUN: self._run_agent,
            RUN_UNCHECKED: self._run_with_raised_limit,
            SELECT_SPEAKER: self._select_agent,
        }
        return {**agent, **self._models.handlers(), **self._tools.handlers()}

    def check(self) -> None:
        """Check whether new work may begin.

        Raises:
            Ends: The run has to end.
        """
        self._run.check()

    def super_called(self, call: Call) -> None:
        """Count a model's second request for one answer, and raise an agent's own limit.

        Raises:
            Ends: The run has to end.
        """
        self.check()
        if call.name == RUN_UNCHECKED:
            self._raise_limit(call)
        elif call.name == CHAT and call.outer is not None and call.outer.super_calls > 1:
            self._run.next_iteration()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Keep the hooks in place while a thread works, so that it can be made to end after the run has failed."""
        run = self._run
        with run.lock:
            if run.over and not self._working_count:
                run.check()  # nobody would see the work
            counts = not run.over or run.must_end
            self._working_count += counts
        try:
            yield
        finally:
            with run.lock:
                self._working_count -= counts
                leave = counts and run.over and run.must_end and not self._working_count
            if leave:
                self._hooks.close()

    # Agents -------------------------------------------------------------------------------------------------------

    def _run_agent(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        run = self._run
        run.check()
        run.observe(call.target, CALL_MODEL, CALL_TOOL)
        run.observe(getattr(call.target, "llm", None), CHAT)
        if call.target is run.agent and run.task is run.agent:
            run.task = call
        return self._ask_person(call) if represents_person(call.target) else call(*args, **kwargs)

    def _ask_person(self, call: Call) -> Iterator[list[Any]]:
        """Ask the person whose turn it is in a group chat, and yield their message."""
        from qwen_agent.llm.schema import USER, Message

        run = self._run
        worker = run.worker(call)
        text = self._wait_for_person(lambda: people.ask_for_message(run.context, call.target.name))
        step = run.maker.open("thought" if worker.parent_id else "final_answer", run.place(worker))
        step.step["content"] = text
        if worker.parent_id:
            step.close()
        elif text.strip():
            run.begin_at_top_level()
            step.emit()
            run.candidates.add(step)
        yield [Message(role=USER, content=text, name=call.target.name)]

    def _select_agent(
        self, call: Call, messages: Any, mentioned_agents_name: list[str] | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Let a group chat select its next speaker, or ask the person if it is set to manual."""
        group = call.target
        if getattr(group, "agent_selection_method", "") == "manual" and not mentioned_agents_name:
            return self._wait_for_person(lambda: people.ask_for_speaker(self._run.context, group.agents))
        return call(messages, mentioned_agents_name, *args, **kwargs)

    def _wait_for_person(self, ask: Callable[[], Any]) -> Any:
        self._run.check()
        try:
            return ask()
        except (Stopped, AgentError) as error:
            raise self._run.end_with(error) from None

    def _run_with_raised_limit(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        self._raise_limit(call)
        return call.unobserved(*args, **kwargs)

    def _raise_limit(self, call: Call) -> None:
        """Raise Qwen-Agent's own limit, which ends an agent silently, above the limit of the run."""
        call.function = with_limit(call.function, self._run.max_iterations + 1)
