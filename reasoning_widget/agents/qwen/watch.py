"""Watch a run of a Qwen-Agent agent from inside.

The messages that an agent yields say neither when a tool starts nor whether it failed, and nothing about agents that
this agent creates. Therefore a watch hooks the methods of every agent, model and tool that works for the run, wherever
it was created and in whichever thread it works. Afterwards all of them are as they were.
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
        "The answer was cut short: the model may write no more tokens. Ask it to go on, or allow longer answers "
        "(`max_tokens` in the model's `generate_cfg`)."
    ),
    "content_filter": (
        "The answer was cut short: a filter on the model's server took the rest away. Say it in other words."
    ),
    "error": "The answer was cut short: the model's server reported an error. What came before is above. Ask again.",
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
        self._at_work = 0
        """How many threads and calls work for the run beside its own thread."""

    # The run ------------------------------------------------------------------------------------------------------

    def work(self, messages: list[Any]) -> None:
        """Pass `messages` to the agent, and emit its steps until it has answered.

        Raises:
            Stopped: The run was stopped.
            MaxIterationsReached: It needed more model calls than it may make.
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
                run.candidates.heard()
                if not run.candidates.awaited:
                    run.reported.heard(response)
        finally:
            close = getattr(responses, "close", None)  # there is none if it is no generator
            if close is not None:
                close()

    def _finish(self) -> None:
        """Show the answer, given the agent's last response.

        Raises:
            MaxIterationsReached: The agent gave up after a tool call.
            AgentError: There is no answer.
        """
        run = self._run
        run.reported.finish(run.response, but_last=True)
        last = run.response[-1] if run.response else None
        text, outputs = answer_of(last)
        chosen = run.candidates.choose(text, run.reported.was_seen)
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
        """End the run. Its threads go on unobserved if it has answered, and are made to end if it has failed."""
        run = self._run
        with run.lock:
            run.over = True
            run.failed = error is not None
            stay = run.must_end and self._at_work > 0
        if error is not None:
            self._models.connections.stop()
        if not stay:
            self._hooks.close()

    # For the hooks ------------------------------------------------------------------------------------------------

    def handlers(self) -> Mapping[str, hooks.Handler]:
        """What is called in place of the methods, by their names."""
        agent: dict[str, hooks.Handler] = {
            RUN: self._run_agent,
            RUN_UNCHECKED: self._run_unlimited,
            SELECT_SPEAKER: self._select_agent,
        }
        return {**agent, **self._models.handlers(), **self._tools.handlers()}

    def check(self) -> None:
        """Let new work begin only while the run may continue.

        Raises:
            Ends: The run has to end.
        """
        self._run.check()

    def passed_on(self, call: Call) -> None:
        """A method calls the one that it overrides: count a model's second request, and lift an agent's own limit.

        Raises:
            Ends: The run has to end.
        """
        self.check()
        if call.name == RUN_UNCHECKED:
            self._lift_limit(call)
        elif call.name == CHAT and call.outer is not None and call.outer.passed > 1:
            self._run.next_iteration()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Keep the hooks in place for a thread's work, so that it can be made to end after the run has failed."""
        run = self._run
        with run.lock:
            if run.over and not self._at_work:
                run.check()  # nobody would see what it does
            counts = not run.over or run.must_end
            self._at_work += counts
        try:
            yield
        finally:
            with run.lock:
                self._at_work -= counts
                leave = counts and run.over and run.must_end and not self._at_work
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
        """It is a person's turn in a group chat."""
        from qwen_agent.llm.schema import USER, Message

        run = self._run
        worker = run.worker(call)
        text = self._wait_for_person(lambda: people.words_of(run.context, call.target.name))
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
        """A group chat selects its next speaker."""
        group = call.target
        if getattr(group, "agent_selection_method", "") == "manual" and not mentioned_agents_name:
            return self._wait_for_person(lambda: people.next_speaker(self._run.context, group.agents))
        return call(messages, mentioned_agents_name, *args, **kwargs)

    def _wait_for_person(self, ask: Callable[[], Any]) -> Any:
        self._run.check()
        try:
            return ask()
        except (Stopped, AgentError) as error:
            raise self._run.end_with(error) from None

    def _run_unlimited(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        self._lift_limit(call)
        return call.by_itself(*args, **kwargs)

    def _lift_limit(self, call: Call) -> None:
        """Qwen-Agent's own limit ends an agent silently: let the run's limit come first."""
        if call.function is not None:
            call.function = with_limit(call.function, self._run.max_iterations + 1)
