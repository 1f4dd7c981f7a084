"""A server's runs, each in a worker process, so that an agent that hangs or crashes does not affect others."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..agents.exceptions import AgentError
from ..clean import clean_json
from ..protocol import JSON
from .runner import RunHandle, RunHost, Runner, RunSpec
from .worker_process import Worker, WorkerDied
from .worker_run import WorkerRun

_log = logging.getLogger(__name__)

_START_TIMEOUT: Final = 120.0  # seconds within which a process must be ready for its first run
_IDLE: Final = 600.0  # seconds after which an idle worker ends if there are more than the spare ones


class WorkerPool(Runner):
    """Executes each run in a worker process that does nothing else meanwhile.

    All methods must be called on one asyncio loop. Spare workers have imported Qwen-Agent, which takes two seconds; a
    worker that is started for a waiting run takes that run first. A worker is used again if its run left nothing
    behind. If a run does not end when it is stopped, its worker and all processes that it started are killed.

    Args:
        agents: Agents by name, ``"package.module:attribute"``, in addition to those of installed packages.
        config: Traitlets configuration for the workers.
        llm: A Qwen-Agent model configuration for agents that take one.
        max_runs: The maximum number of active runs; others wait in order.
        spare: The number of idle workers that are kept ready.
        folder: The working folder of the agents.
    """

    def __init__(
        self,
        *,
        agents: dict[str, str],
        config: JSON | None = None,
        llm: JSON | None = None,
        max_runs: int = 4,
        spare: int = 1,
        folder: Path | None = None,
    ) -> None:
        self._setup: JSON = clean_json({"type": "setup", "agents": agents, "config": config or {}, "llm": llm})
        self._max_runs = max_runs
        self._spare = spare
        self._folder = folder
        self._waiting: deque[Callable[[], bool]] = deque()
        self._runs: set[WorkerRun] = set()
        self._ready: list[Worker] = []
        self._waiters: deque[asyncio.Future[Worker]] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[int | None]] = set()
        self._workers: set[Worker] = set()
        self._closed = False

    @property
    def running(self) -> int:
        """The number of active runs."""
        return len(self._runs)

    @property
    def waiting(self) -> int:
        """The number of sessions waiting to start a run."""
        return len(self._waiting)

    @property
    def workers(self) -> int:
        """The number of worker processes."""
        return len(self._workers)

    def when_free(self, begin: Callable[[], bool]) -> None:
        """Call `begin` when fewer than `max_runs` runs are active, in the order of the calls."""
        self._waiting.append(begin)
        self._begin_waiting()

    def start(self, spec: RunSpec, host: RunHost) -> RunHandle:
        """Start a run, and return at once."""
        run = WorkerRun(spec, host, self)
        self._runs.add(run)
        return run

    def keep_spares(self) -> None:
        """Start workers until the wanted number of spare ones is ready or starting."""
        while not self._closed and len(self._ready) + len(self._starting) < self._spare:
            self._begin_worker()

    async def close(self) -> None:
        """Kill all workers, and wait until they have exited."""
        self._closed = True
        self._waiting.clear()
        for run in list(self._runs):
            run.abandon()
        for task in list(self._starting):
            task.cancel()
        await asyncio.gather(*self._starting, *self._ending, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in list(self._workers)))
        self._workers.clear()
        self._ready.clear()

    # Called by the runs

    async def acquire(self) -> Worker:
        """Return a ready worker for one run, waiting for it if necessary.

        Raises:
            AgentError: No worker could be started.
        """
        worker = self._pop_ready()
        if worker is None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            if len(self._starting) < len(self._waiters):
                self._begin_worker()
            try:
                worker = await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self.offer(waiter.result())
                raise
        self.keep_spares()
        return worker

    def offer(self, worker: Worker) -> None:
        """Give a ready worker to a waiting run, or keep it as a spare."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(worker)
                return
        self._ready.append(worker)
        if len(self._ready) <= self._spare:
            worker.warm_up()
        else:
            asyncio.get_running_loop().call_later(_IDLE, self._retire, worker, worker.runs)

    async def release(self, worker: Worker) -> None:
        """Use the worker of a finished run again if it becomes ready in time; otherwise replace it."""
        if await worker.is_ready():
            self.offer(worker)
        else:
            await self.replace(worker)

    async def replace(self, worker: Worker) -> None:
        """Kill a worker, and start a spare one if too few are left."""
        self._workers.discard(worker)
        self.keep_spares()
        await worker.end()

    def done(self, run: WorkerRun) -> None:
        """Note that a run has finished, and start a waiting one."""
        self._runs.discard(run)
        self._begin_waiting()

    def _begin_waiting(self) -> None:
        while self._waiting and len(self._runs) < self._max_runs and not self._closed:
            self._waiting.popleft()()

    # The workers

    def _begin_worker(self) -> None:
        task = asyncio.get_running_loop().create_task(self._start_worker())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start_worker(self) -> None:
        error: AgentError
        try:
            worker = await Worker.start(self._setup, self._folder)
        except OSError as reason:
            error = AgentError(f"No process could be started for the agent: {reason}.")
        else:
            self._workers.add(worker)
            if await worker.is_ready(_START_TIMEOUT):
                self.offer(worker)
                return
            self._workers.discard(worker)
            timed_out = worker.unresponsive
            status = await worker.end()
            late = AgentError(f"A process for the agent was not ready after {_START_TIMEOUT:g} s.")
            error = late if timed_out else WorkerDied(status)
        _log.error("reasoning-widget: a worker did not start: %s", error)
        waiter = next((waiter for waiter in self._waiters if not waiter.done()), None)
        if waiter is not None:
            self._waiters.remove(waiter)
            waiter.set_exception(error)

    def _pop_ready(self) -> Worker | None:
        while self._ready:
            worker = max(reversed(self._ready), key=lambda worker: worker.warm)  # the newest, of warm ones if possible
            self._ready.remove(worker)
            if worker.alive:
                return worker
            self._workers.discard(worker)
            worker.close()
        return None

    def _retire(self, worker: Worker, runs: int) -> None:
        """End a surplus worker, unless it has had a run since."""
        if worker in self._ready and worker.runs == runs and len(self._ready) > self._spare:
            self._ready.remove(worker)
            self._workers.discard(worker)
            task = asyncio.get_running_loop().create_task(worker.end())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
