"""Executes runs. In a kernel, each has its own thread; a server has worker processes (`worker_pool`)."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..agents.base import (
    BaseAgent,
    BlockingAgent,
    RunContext,
    StepBuffer,
    Turn,
    as_current_run,
    check_request,
    check_step,
    prompt_as_taken,
)
from ..agents.error_origin import error_origin as place_of
from ..agents.errors import redact
from ..agents.functions import BlockingFunctionAgent
from ..compat.pyplot import persons_figures
from ..protocol import AgentStep, MimeBundle, Part, Raised, Step
from .capture import captured_output, nothing_cleared
from .generators import OpenCalls

FLUSH_INTERVAL = 1 / 55
"""Seconds. Steps are passed on at once if none were for that long; otherwise, they are merged until it is over: Jupyter
Server drops a kernel's messages above 1,000 a second. With its other messages, a run stays below 60 a second."""


@dataclass(frozen=True)
class RunSpec:
    """The task of a run, as plain data that can be sent to another process."""

    run_id: str
    agent_name: str
    prompt: str
    """The prompt as a text, which names its attachments."""
    max_iterations: int
    history: list[Turn]
    parts: list[Part] = field(default_factory=list)
    """The parts of the prompt; empty if it is only a text."""


class OnEnd(Protocol):
    """Called when a run has ended."""

    def __call__(self, error: BaseException | None, explanation: str, raised: Raised | None = None) -> None:
        """Pass the exception that ended the run, if any, its explanation for people, and where it was raised."""


@dataclass(frozen=True)
class RunHost:
    """A session's callbacks for a run. All but `steering` are called on the session's loop."""

    on_steps: Callable[[list[Step]], None]
    """Called with the newest snapshots of steps that have changed."""
    on_end: OnEnd
    """Called once, when the run has ended."""
    on_request: Callable[[dict[str, Any], Future[Any]], None]
    """Called when the agent asks the person; the future takes the reply."""
    on_keep: Callable[[object, str | None], None]
    """Called with a live object for the person, and the agent's id of the object's step, if known."""
    steering: Callable[[], list[str]]
    """Returns the messages for the next model call. Called in the run's thread."""


class RunHandle(ABC):
    """A run that was started."""

    @abstractmethod
    def stop(self) -> None:
        """Take no more steps, and ask the run to end. `on_end` is called if it does."""


class AgentFactory(Protocol):
    """Makes agents for a runner."""

    def get(self, name: str) -> BaseAgent:
        """Make the agent with that name.

        Raises:
            ValueError: There is none; the message lists the known names.
        """


class Runner(ABC):
    """Executes runs."""

    def when_free(self, begin: Callable[[], bool]) -> None:
        """Call `begin` when another run can start: at once, unless the runner limits the number of runs.

        `begin` starts a run and returns True, or returns False if there is none left to start.
        """
        begin()

    @abstractmethod
    def start(self, spec: RunSpec, host: RunHost) -> RunHandle:
        """Start a run, and return at once. Must be called on the session's loop."""


class ThreadRunner(Runner):
    """Executes each run in a daemon thread. Threads cannot be killed: a stopped run that does not end is abandoned.

    Args:
        agents: The agents. An agent is made in its run's own thread: importing a framework may take seconds.
    """

    def __init__(self, agents: AgentFactory) -> None:
        self._agents = agents

    def start(self, spec: RunSpec, host: RunHost) -> RunHandle:
        """Start a thread for the run."""
        run = _ThreadRun(spec, host, self._agents, asyncio.get_running_loop())
        threading.Thread(target=run.main, name=f"reasoning-{spec.run_id}", daemon=True).start()
        return run


class _ThreadRun(RunHandle):
    def __init__(self, spec: RunSpec, host: RunHost, agents: AgentFactory, loop: asyncio.AbstractEventLoop) -> None:
        self._spec = spec
        self._host = host
        self._agents = agents
        self._loop = loop
        self._context = _ThreadContext(spec, host, self._post, self._flush)
        self._buffer = StepBuffer(lambda: self._post(self._flush_when_due))
        self._flushed_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        self._flush()
        self._buffer.close()
        # The agent's own callbacks may block; the loop must not.
        threading.Thread(target=self._context.request_stop, name="reasoning-stop", daemon=True).start()

    # In the run's thread

    def main(self) -> None:
        agent: BaseAgent | None = None
        error: BaseException | None = None
        explanation = ""
        came_from: Raised | None = None
        try:
            with as_current_run(self._context), nothing_cleared():
                agent = self._agents.get(self._spec.agent_name)
                self._work(agent)
        except BaseException as raised:  # noqa: BLE001 (whatever an agent raises ends its run, not the process)
            error = raised
            explanation = _explain(agent, raised)
            with suppress(Exception):  # an agent's own exception may raise when it is inspected
                came_from = place_of(raised)
        self._post(lambda: self._end(error, explanation, came_from))

    def _work(self, agent: BaseAgent) -> None:
        prompt: Any = prompt_as_taken(agent, self._spec.parts or self._spec.prompt)
        if isinstance(agent, BlockingFunctionAgent):
            calls = OpenCalls(self._put)
            try:
                agent.run_blocking(prompt, self._spec.max_iterations, lambda step: calls.put(check_step(step)))
            finally:
                calls.close()
        elif isinstance(agent, BlockingAgent):
            # Directly from this thread: changing threads for each token would cost more than the token.
            agent.run_blocking(prompt, self._spec.max_iterations, self._put)
        else:
            asyncio.run(self._consume(agent, prompt))

    async def _consume(self, agent: BaseAgent, prompt: Any) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            with suppress(RuntimeError):  # the loop may have ended just now
                loop.call_soon_threadsafe(task.cancel)

        with self._context.on_stop(cancel):
            calls = OpenCalls(self._put)
            try:
                async for step in agent.run_with_reasoning_stream(prompt, self._spec.max_iterations):
                    calls.put(check_step(step))
            finally:
                calls.close()

    def _put(self, step: AgentStep) -> None:
        self._buffer.put(check_step(step))

    def _post(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(callback)

    # On the session's loop

    def _flush_when_due(self) -> None:
        wait = self._flushed_at + FLUSH_INTERVAL - self._loop.time()
        if wait <= 0:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(wait, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flushed_at = self._loop.time()
        steps = self._buffer.drain()
        if steps:
            self._host.on_steps(steps)

    def _end(self, error: BaseException | None, explanation: str, raised: Raised | None) -> None:
        self._flush()
        self._host.on_end(error, explanation, raised)


def _explain(agent: BaseAgent | None, error: BaseException) -> str:
    """Return the agent's explanation of its error, or else the error's own text, without keys."""
    if agent is not None:
        with suppress(Exception):
            return redact(agent.explain(error))
    return redact(str(error)) or type(error).__name__


class _ThreadContext(RunContext):
    """The current run of a thread in this process."""

    def __init__(
        self, spec: RunSpec, host: RunHost, post: Callable[[Callable[[], None]], None], flush: Callable[[], None]
    ) -> None:
        super().__init__(spec.run_id, spec.history, spec.parts)
        self._host = host
        self._post = post
        self._flush = flush

    def ask(self, request: dict[str, Any]) -> Any:
        """Ask the person. Return the reply, or in a coroutine an awaitable of it."""
        check_request(request)
        answer: Future[Any] = Future()

        def send() -> None:
            self._flush()  # the steps that the request is about are shown first
            self._host.on_request(request, answer)

        self._post(send)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return answer.result()
        return asyncio.wrap_future(answer)

    def steering(self) -> list[str]:
        """Return the messages for the next model call."""
        return self._host.steering()

    def keep(self, value: object, step_id: str | None = None) -> None:
        """Give the person a live object."""

        def send() -> None:
            self._flush()  # the session may not have seen its step yet
            self._host.on_keep(value, step_id)

        self._post(send)

    def capturing(self, on_outputs: Callable[[list[MimeBundle]], None]) -> AbstractContextManager[None]:
        """Capture what a tool prints and displays."""
        return captured_output(on_outputs)

    def persons_figures(self) -> AbstractContextManager[None]:
        """Protect the person's own matplotlib figures."""
        return persons_figures()
