"""A run in a worker process, as the server sees it."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from typing import Any, Final, Protocol

from ..agents.errors import redact
from ..agents.exceptions import AgentError, MaxIterationsReached, Stopped
from ..protocol import JSON, Raised
from .pipe import StepReceiver
from .runner import RunHandle, RunHost, RunSpec
from .worker_process import Worker, WorkerDied

_log = logging.getLogger(__name__)

_STOP_GRACE: Final = 0.5  # seconds after which the worker of a stopped run is killed; less than a session waits
_ATTEMPTS: Final = 3  # the maximum number of workers that are tried until one begins the run
_UNRESPONSIVE: Final = (
    "The agent's process was unresponsive for a minute, and was ended: it neither sent anything nor used the "
    "processor. The steps until then are kept."
)


class Workers(Protocol):
    """The workers that a run uses: a pool."""

    async def acquire(self) -> Worker:
        """Return a ready worker.

        Raises:
            AgentError: No worker could be started.
        """

    async def release(self, worker: Worker) -> None:
        """Return the worker of a finished run."""

    async def replace(self, worker: Worker) -> None:
        """Kill a worker that cannot be used."""

    def done(self, run: WorkerRun) -> None:
        """Note that a run has finished."""


class WorkerRun(RunHandle):
    """A run that a worker executes. It starts at once.

    Args:
        spec: What to do.
        host: The session's callbacks.
        workers: Provides the worker.
    """

    def __init__(self, spec: RunSpec, host: RunHost, workers: Workers) -> None:
        self._spec = spec
        self._host = host
        self._workers = workers
        self._steps = StepReceiver()
        self._worker: Worker | None = None
        self._begun = False
        self._stopping = False
        self._task = asyncio.get_running_loop().create_task(self._main())

    def stop(self) -> None:
        """Ask the agent to stop. Its worker is killed if it does not stop in time."""
        if self._stopping:
            return
        self._stopping = True
        if self._worker is not None:
            self._worker.send({"type": "stop"})
            asyncio.get_running_loop().call_later(_STOP_GRACE, self._kill, self._worker)
        elif self._begun:
            self._task.cancel()
        # Otherwise `_execute` ends the run: a task that is cancelled before it begins would not free its place.

    def abandon(self) -> None:
        """End at once, without calling the host."""
        self._task.cancel()

    def _kill(self, worker: Worker) -> None:
        if worker is self._worker:
            worker.kill()

    async def _main(self) -> None:
        error: BaseException | None = None
        explanation = ""
        raised: Raised | None = None
        try:
            error, explanation, raised = await self._execute()
        except (AgentError, Stopped, asyncio.CancelledError) as ended:
            if self._stopping:
                error = Stopped()
            elif isinstance(ended, AgentError):
                error, explanation = ended, str(ended)
            else:
                raise  # cancelled by `abandon`
        except Exception as unexpected:  # noqa: BLE001 (whatever a worker sends, only its run ends)
            _log.exception("reasoning-widget: a message of a worker could not be processed")
            reason = redact(repr(unexpected))
            error, explanation = unexpected, f"A message of the agent's process was not understood: {reason}."
            if self._worker is not None:
                self._worker.kill()
        finally:
            worker, self._worker = self._worker, None
            self._workers.done(self)
        self._host.on_end(error, explanation, raised)
        if worker is not None:
            await self._workers.release(worker)

    async def _execute(self) -> tuple[BaseException | None, str, Raised | None]:
        """Execute the run in a worker, and return the arguments of `RunHost.on_end`."""
        self._begun = True
        self._raise_if_stopping()
        for _ in range(_ATTEMPTS):
            worker = self._worker = await self._workers.acquire()
            worker.runs += 1
            worker.send({"type": "run", "spec": self._spec})
            if await worker.begins():
                break
            self._worker = None
            await self._workers.replace(worker)  # the agent has not begun there, so another worker may execute the run
            self._raise_if_stopping()
        else:
            raise AgentError(f"No process began the run: each of {_ATTEMPTS} was unresponsive, or had ended.")
        watch = asyncio.get_running_loop().create_task(worker.watch())
        try:
            end = await worker.receive_until("end", lambda message: self._receive(worker, message))
        finally:
            watch.cancel()
        if end is None and worker.unresponsive:
            raise AgentError(_UNRESPONSIVE)
        if end is None:
            raise WorkerDied(await worker.end())
        return _error_of(end["end"], end["explanation"]), end["explanation"], end.get("raised")

    def _raise_if_stopping(self) -> None:
        if self._stopping:
            raise Stopped

    def _receive(self, worker: Worker, message: JSON) -> None:
        if message["type"] == "steps":
            self._host.on_steps([self._steps.step(each) for each in message["steps"]])
        elif message["type"] == "steering":
            worker.send({"type": "answer", "id": message["id"], "value": self._host.steering()})
        elif message["type"] == "request":
            reply: Future[Any] = Future()
            reply.add_done_callback(lambda done: worker.send(_reply_message(message["id"], done)))
            self._host.on_request(message["request"], reply)


def _error_of(end: str, explanation: str) -> BaseException | None:
    if end == "completed":
        return None
    if end == "stopped":
        return Stopped()
    if end == "max_iterations":
        reached = MaxIterationsReached(0)
        reached.args = (explanation,)
        return reached
    return AgentError(explanation)


def _reply_message(question_id: int, reply: Future[Any]) -> JSON:
    message: JSON = {"type": "answer", "id": question_id}
    if reply.exception() is None:
        message["value"] = reply.result()
    return message
