"""Where a server's runs execute: in worker processes, so that an agent that hangs or crashes harms nobody else."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from ..agents.errors import redact
from ..agents.exceptions import AgentError, MaxIterationsReached, Stopped
from ..protocol import JSON, Raised
from .pipe import ALIVE_INTERVAL, MessageReader, StepReceiver, packed
from .runner import RunHandle, RunHost, Runner, RunSpec
from .text import clean_json

_log = logging.getLogger(__name__)

_STOP_GRACE = 0.5  # seconds a run has to end by itself before its process is killed; less than the session gives it
_PATIENCE = 10.0
"""Seconds that a process which stands ready has to say that it begins, and one that is done to say that it is."""
_ATTEMPTS = 3  # processes that are given a run, until one begins it
_STARTING = 120.0  # seconds that a process has to be ready for its first run
_SILENT_LOOKS = 12  # looks, `ALIVE_INTERVAL` apart, at which a process was silent, and idle: then it stands still
_STOOD_STILL = (
    "The agent's process stood still for a minute, and was ended: it neither said anything nor used the processor. "
    "What it had said is kept."
)
_IDLE = 600.0  # seconds after which a worker ends that is more than the spare ones


class WorkerDied(AgentError):
    """The process of a run ended without a word."""

    def __init__(self, status: int | None) -> None:
        super().__init__(f"The agent's process ended unexpectedly: {_how(status)} What it had said is kept.")


class ProcessRunner(Runner):
    """Runs each run in a process that has nothing else to do meanwhile.

    Everything here must be called on one asyncio loop. Processes that stand ready have imported Qwen-Agent, which takes
    two seconds; one that is started because a run waits for it takes that run first. A process is used again after a
    run that has left nothing behind, and killed, with all it has started, after one that did not end when it was
    stopped.

    Args:
        agents: Agents by name, ``"package.module:attribute"``, besides those of installed packages.
        config: Traitlets configuration for the workers.
        llm: A Qwen-Agent model configuration for agents that take one.
        max_runs: How many go on at once; others wait their turn.
        spare: How many processes stand ready.
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
        self._runs: set[_ProcessRun] = set()
        self._ready: list[_Worker] = []
        self._waiters: deque[asyncio.Future[_Worker]] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[int | None]] = set()
        self._workers: set[_Worker] = set()
        self._closed = False

    @property
    def running(self) -> int:
        """How many runs are on."""
        return len(self._runs)

    @property
    def waiting(self) -> int:
        """How many sessions wait for room."""
        return len(self._waiting)

    @property
    def workers(self) -> int:
        """How many processes there are."""
        return len(self._workers)

    def when_free(self, begin: Callable[[], bool]) -> None:
        """See `Runner`."""
        self._waiting.append(begin)
        self._begin_waiting()

    def start(self, spec: RunSpec, host: RunHost) -> RunHandle:
        """See `Runner`."""
        run = _ProcessRun(spec, host, self)
        self._runs.add(run)
        return run

    def keep_spares(self) -> None:
        """See to it that as many processes as wanted stand ready, or are on their way."""
        while not self._closed and len(self._ready) + len(self._starting) < self._spare:
            self._begin_worker()

    async def close(self) -> None:
        """Kill every process, and wait until they are gone."""
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

    # For the runs

    async def take(self) -> _Worker:
        """A worker that is ready, for one run.

        Raises:
            AgentError: None could be started.
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
                    self.put_back(waiter.result())
                raise
        self.keep_spares()
        return worker

    def put_back(self, worker: _Worker) -> None:
        """A worker is ready for a run."""
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

    async def give_back(self, worker: _Worker) -> None:
        """A run is over: use its worker again if it says that it can be; else have another one ready."""
        if await worker.is_ready(_PATIENCE):
            self.put_back(worker)
        else:
            await self.replace(worker)

    async def replace(self, worker: _Worker) -> None:
        """End a worker that is of no more use, and have another one ready."""
        self._workers.discard(worker)
        self.keep_spares()
        await worker.end()

    def done(self, run: _ProcessRun) -> None:
        """A run is over: there is room for another."""
        self._runs.discard(run)
        self._begin_waiting()

    def _begin_waiting(self) -> None:
        while self._waiting and len(self._runs) < self._max_runs and not self._closed:
            self._waiting.popleft()()

    # The processes

    def _begin_worker(self) -> None:
        task = asyncio.get_running_loop().create_task(self._start_worker())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start_worker(self) -> None:
        error: AgentError
        try:
            worker = await _Worker.start(self._setup, self._folder)
        except OSError as why:
            error = AgentError(f"No process could be started for the agent: {why}.")
        else:
            self._workers.add(worker)
            if await worker.is_ready(_STARTING):
                self.put_back(worker)
                return
            self._workers.discard(worker)
            stuck = worker.stood_still
            status = await worker.end()
            late = AgentError(f"A process for the agent was not ready after {_STARTING:g} s.")
            error = late if stuck else WorkerDied(status)
        _log.error("reasoning-widget: a worker did not start: %s", error)
        waiter = next((waiter for waiter in self._waiters if not waiter.done()), None)
        if waiter is not None:
            self._waiters.remove(waiter)
            waiter.set_exception(error)

    def _pop_ready(self) -> _Worker | None:
        while self._ready:
            worker = max(reversed(self._ready), key=lambda worker: worker.warm)  # of several the newest
            self._ready.remove(worker)
            if worker.alive:
                return worker
            self._workers.discard(worker)
            worker.close()
        return None

    def _retire(self, worker: _Worker, runs: int) -> None:
        """End a worker that had nothing to do since."""
        if worker in self._ready and worker.runs == runs and len(self._ready) > self._spare:
            self._ready.remove(worker)
            self._workers.discard(worker)
            task = asyncio.get_running_loop().create_task(worker.end())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


class _ProcessRun(RunHandle):
    def __init__(self, spec: RunSpec, host: RunHost, runner: ProcessRunner) -> None:
        self._spec = spec
        self._host = host
        self._runner = runner
        self._steps = StepReceiver()
        self._worker: _Worker | None = None
        self._begun = False
        self._stopping = False
        self._task = asyncio.get_running_loop().create_task(self._main())

    def stop(self) -> None:
        """See `RunHandle`."""
        if self._stopping:
            return
        self._stopping = True
        if self._worker is not None:
            self._worker.send({"type": "stop"})
            asyncio.get_running_loop().call_later(_STOP_GRACE, self._kill, self._worker)
        elif self._begun:
            self._task.cancel()
        # Else `_run` will see it: a task that is cancelled before it begins would not make room for others.

    def abandon(self) -> None:
        """End at once, and tell nobody."""
        self._task.cancel()

    def _kill(self, worker: _Worker) -> None:
        if worker is self._worker:
            worker.kill()

    async def _main(self) -> None:
        error: BaseException | None = None
        explanation = ""
        raised: Raised | None = None
        try:
            error, explanation, raised = await self._run()
        except (AgentError, asyncio.CancelledError) as ended:
            if self._stopping:
                error = Stopped()
            elif isinstance(ended, AgentError):
                error, explanation = ended, str(ended)
            else:
                raise  # it was abandoned
        except Exception as unexpected:  # noqa: BLE001 (it is told, and the run is closed)
            _log.exception("reasoning-widget: a run could not be followed")
            said = redact(repr(unexpected))
            error, explanation = unexpected, f"What the agent's process said was not understood: {said}."
            if self._worker is not None:
                self._worker.kill()
        finally:
            worker, self._worker = self._worker, None
            self._runner.done(self)
        self._host.on_end(error, explanation, raised)
        if worker is not None:
            await self._runner.give_back(worker)

    async def _run(self) -> tuple[BaseException | None, str, Raised | None]:
        """Have a worker do it; how it ended: see `OnEnd`."""
        self._begun = True
        if self._stopping:
            return Stopped(), "", None
        for _ in range(_ATTEMPTS):
            worker = self._worker = await self._runner.take()
            worker.runs += 1
            worker.send({"type": "run", "spec": self._spec})
            if await worker.begins():
                break
            self._worker = None
            await self._runner.replace(worker)  # the agent has not begun there: another process may
            if self._stopping:
                return Stopped(), ""
        else:
            raise AgentError("No process begins the run: each of them stood still, or was ended.")
        watch = asyncio.get_running_loop().create_task(worker.watch())
        try:
            end = await worker.until("end", lambda message: self._take(worker, message))
        finally:
            watch.cancel()
        if end is None and worker.stood_still:
            raise AgentError(_STOOD_STILL)
        if end is None:
            raise WorkerDied(await worker.end())
        return _error(end["end"], end["explanation"]), end["explanation"], end.get("raised")

    def _take(self, worker: _Worker, message: JSON) -> None:
        if message["type"] == "steps":
            self._host.on_steps([self._steps.step(each) for each in message["steps"]])
        elif message["type"] == "steering":
            worker.send({"type": "answer", "id": message["id"], "value": self._host.steering()})
        elif message["type"] == "request":
            answer: Future[Any] = Future()
            answer.add_done_callback(lambda done: worker.send(_answered(message["id"], done)))
            self._host.on_request(message["request"], answer)


class _Worker(asyncio.SubprocessProtocol):
    """A process, from the server's side."""

    _transport: asyncio.SubprocessTransport

    def __init__(self) -> None:
        self._reader = MessageReader()
        self._unheard: deque[JSON] = deque()
        self._listener: Callable[[JSON | None], None] | None = None
        self._silent = False  # for good
        self._heard = 0
        self._paused = False
        self._killed = False
        self._turn: asyncio.Handle | None = None
        self._exited: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.warm = False
        self.runs = 0
        self.stood_still = False

    @classmethod
    async def start(cls, setup: JSON, folder: Path | None) -> _Worker:
        _, worker = await asyncio.get_running_loop().subprocess_exec(
            cls,
            *(sys.executable, "-P", "-m", f"{__package__}.worker"),
            stderr=None,
            cwd=folder,
            start_new_session=True,
        )
        worker.send(setup)
        return worker

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.SubprocessProtocol`."""
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """See `asyncio.SubprocessProtocol`. Straight from here to the session: a task would come a turn later."""
        self._heard += 1
        self._unheard.extend(message for message in self._reader.feed(data) if message.get("type") != "alive")
        self._hear()
        if self._unheard and not self._paused:
            self._paused = True  # an agent that says more than is taken waits, rather than fills the memory
            self._output.pause_reading()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """See `asyncio.SubprocessProtocol`."""
        if fd == 1:
            self._silent = True
            self._hear()

    def process_exited(self) -> None:
        """See `asyncio.SubprocessProtocol`."""
        self._exited.set_result(self._transport.get_returncode())

    @property
    def _output(self) -> asyncio.ReadTransport:
        return cast("asyncio.ReadTransport", self._transport.get_pipe_transport(1))

    # For the runs

    @property
    def alive(self) -> bool:
        return not self._exited.done()

    def send(self, message: JSON) -> None:
        """Say something; to one that is gone, in vain."""
        pipe = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
        if not pipe.is_closing():
            pipe.write(packed(message))

    async def until(self, last: str, take: Callable[[JSON], None]) -> JSON | None:
        """Wait for a message of type `last`; those before it are taken as they come. None if it is gone."""
        heard: asyncio.Future[JSON | None] = asyncio.get_running_loop().create_future()

        def listen(message: JSON | None) -> None:
            try:
                if message is not None and message["type"] != last:
                    take(message)
                    return
            except Exception as error:  # noqa: BLE001 (whoever waits is told)
                heard.set_exception(error)
            else:
                heard.set_result(message)
            self._listener = None

        self._listener = listen
        self._hear()
        try:
            return await heard
        finally:
            self._listener = None

    async def is_ready(self, patience: float) -> bool:
        """Wait until it can take a run; False if it never will, or needs more than `patience` seconds."""
        return await self._says("ready", patience) and not self._killed  # it may have said so just before

    async def begins(self) -> bool:
        """Wait until it begins the run that it was given; False if it does not: it is gone, or stands still."""
        return await self._says("begun", _PATIENCE)

    async def _says(self, what: str, patience: float) -> bool:
        try:
            return await asyncio.wait_for(self.until(what, lambda _message: None), patience) is not None
        except TimeoutError:
            self.stood_still = True
            return False

    async def watch(self) -> None:
        """While its run is on: kill it if it stands still. An agent may keep Python from running for long, and work."""
        silent, known = 0, (-1, -1.0)
        while True:
            await asyncio.sleep(ALIVE_INTERVAL)
            now = (self._heard, _processor_time(self._transport.get_pid()))
            # What waits for the server to take it says nothing of the process.
            silent = silent + 1 if now == known and not self._unheard else 0
            known = now
            if silent >= _SILENT_LOOKS:
                self.stood_still = True
                self.kill()
                return

    def warm_up(self) -> None:
        """Have it import what takes long, while nobody waits for it."""
        if not self.warm:
            self.warm = True
            self.send({"type": "warm_up"})

    def kill(self) -> None:
        """End it, with all that it has started."""
        self._killed = True
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._transport.get_pid(), signal.SIGKILL)
        elif self.alive:
            self._transport.kill()

    async def end(self) -> int | None:
        """Kill it, and wait until it is gone; its exit status if it was gone before."""
        self.kill()
        status = await asyncio.shield(self._exited)
        self.close()
        return status

    def close(self) -> None:
        """It is gone: let go of its pipes."""
        self._transport.close()

    def _hear(self) -> None:
        """Hand on what came, one message a turn: where an agent says a lot at once, others have theirs in between."""
        if self._listener is None or self._turn is not None:
            return
        if self._unheard:
            self._listener(self._unheard.popleft())
        elif self._silent:
            self._listener(None)
        if self._unheard or self._silent:
            self._turn = asyncio.get_running_loop().call_soon(self._hear_more)
        elif self._paused:
            self._paused = False
            self._output.resume_reading()

    def _hear_more(self) -> None:
        self._turn = None
        self._hear()


def _processor_time(pid: int) -> float:
    """Seconds for which a process has used the processor; what cannot be found out always changes."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return time.monotonic()
    return float(int(fields[11]) + int(fields[12]))


def _error(end: str, explanation: str) -> BaseException | None:
    if end == "completed":
        return None
    if end == "stopped":
        return Stopped()
    if end == "max_iterations":
        reached = MaxIterationsReached(0)
        reached.args = (explanation,)
        return reached
    return AgentError(explanation)


def _answered(question_id: int, answer: Future[Any]) -> JSON:
    message: JSON = {"type": "answer", "id": question_id}
    if answer.exception() is None:
        message["value"] = answer.result()
    return message


def _how(status: int | None) -> str:
    if status is None or status >= 0:
        return f"its exit status was {status}."
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " It may have used up the memory." if name == "SIGKILL" else ""
    return f"it was ended by {name}.{hint}"
