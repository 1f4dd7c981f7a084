"""A worker process, as the server sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from ..agents.exceptions import AgentError
from ..protocol import JSON
from .pipe import ALIVE_INTERVAL, MessageReader, packed

_RESPONSE_TIMEOUT: Final = 10.0
"""Seconds within which a ready worker must begin a run, and a worker must be ready again after a run."""

_MAX_SILENT_CHECKS: Final = 12
"""The number of checks, `ALIVE_INTERVAL` apart, after which a worker is killed if it has neither sent anything nor used
the processor."""


class WorkerDied(AgentError):
    """The process of a run ended without giving a reason."""

    def __init__(self, status: int | None) -> None:
        super().__init__(f"The agent's process ended unexpectedly: {_explained(status)} The steps until then are kept.")


class Worker(asyncio.SubprocessProtocol):
    """A worker process.

    Attributes:
        warm: Whether it was asked to do slow imports in advance.
        runs: The number of runs that it was given.
        unresponsive: Whether it did not respond in time.
    """

    _transport: asyncio.SubprocessTransport

    def __init__(self) -> None:
        self._reader = MessageReader()
        self._unread: deque[JSON] = deque()
        self._receiver: Callable[[JSON | None], None] | None = None
        self._closed = False  # nothing more will come
        self._received = 0
        self._paused = False
        self._killed = False
        self._turn: asyncio.Handle | None = None
        self._exited: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.warm = False
        self.runs = 0
        self.unresponsive = False

    @classmethod
    async def start(cls, setup: JSON, folder: Path | None) -> Worker:
        """Start a worker.

        Args:
            setup: Its first message: agents, configuration and model.
            folder: Its working folder.

        Raises:
            OSError: The process cannot be started.
        """
        _, worker = await asyncio.get_running_loop().subprocess_exec(
            cls,
            *(sys.executable, "-P", "-m", f"{__package__}.worker_main"),
            stderr=None,
            cwd=folder,
            start_new_session=True,
        )
        worker.send(setup)
        return worker

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called when the process has started."""
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Called with data from the process. Messages are delivered from here: a task would add a loop iteration."""
        self._received += 1
        self._unread.extend(message for message in self._reader.feed(data) if message.get("type") != "alive")
        self._deliver()
        if self._unread and not self._paused:
            self._paused = True  # an agent that is faster than its session waits, instead of filling the memory
            self._output.pause_reading()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Called when a pipe of the process is closed."""
        if fd == 1:
            self._closed = True
            self._deliver()

    def process_exited(self) -> None:
        """Called when the process has exited."""
        self._exited.set_result(self._transport.get_returncode())

    @property
    def _output(self) -> asyncio.ReadTransport:
        return cast("asyncio.ReadTransport", self._transport.get_pipe_transport(1))

    # Called by the pool and the runs

    @property
    def alive(self) -> bool:
        """Whether the process is still running."""
        return not self._exited.done()

    def send(self, message: JSON) -> None:
        """Send a message; ignored if the process has exited."""
        pipe = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
        if not pipe.is_closing():
            pipe.write(packed(message))

    async def receive_until(self, last: str, receive: Callable[[JSON], None]) -> JSON | None:
        """Call `receive` with each message until one of type `last`, and return that; None if the process exits."""
        received: asyncio.Future[JSON | None] = asyncio.get_running_loop().create_future()

        def on_message(message: JSON | None) -> None:
            try:
                if message is not None and message["type"] != last:
                    receive(message)
                    return
            except Exception as error:  # noqa: BLE001 (it is raised where the message is awaited)
                received.set_exception(error)
            else:
                received.set_result(message)
            self._receiver = None

        self._receiver = on_message
        self._deliver()
        try:
            return await received
        finally:
            self._receiver = None

    async def is_ready(self, seconds: float | None = None) -> bool:
        """Wait until it can execute a run; return False if it exits, is killed or needs longer than `seconds`."""
        ready = await self._sends("ready", _RESPONSE_TIMEOUT if seconds is None else seconds)
        return ready and not self._killed  # it may have been killed just after it was ready

    async def begins(self) -> bool:
        """Wait until it begins the run that it was given; return False if it exits or does not respond."""
        return await self._sends("begun", _RESPONSE_TIMEOUT)

    async def _sends(self, kind: str, seconds: float) -> bool:
        try:
            return await asyncio.wait_for(self.receive_until(kind, lambda _message: None), seconds) is not None
        except TimeoutError:
            self.unresponsive = True
            return False

    async def watch(self) -> None:
        """Kill it if it becomes unresponsive. Cancel this when its run ends.

        An agent that prevents Python from sending anything is not killed while it uses the processor.
        """
        silent, known = 0, (-1, -1.0)
        while True:
            await asyncio.sleep(ALIVE_INTERVAL)
            now = (self._received, _processor_time(self._transport.get_pid()))
            # While some of its messages are unread, its silence may be due to this server.
            silent = silent + 1 if now == known and not self._unread else 0
            known = now
            if silent >= _MAX_SILENT_CHECKS:
                self.unresponsive = True
                self.kill()
                return

    def warm_up(self) -> None:
        """Let it do slow imports before a run needs them."""
        if not self.warm:
            self.warm = True
            self.send({"type": "warm_up"})

    def kill(self) -> None:
        """Kill it, and all processes that it started."""
        self._killed = True
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._transport.get_pid(), signal.SIGKILL)
        elif self.alive:
            self._transport.kill()

    async def end(self) -> int | None:
        """Kill it, wait until it has exited, and return its exit status."""
        self.kill()
        status = await asyncio.shield(self._exited)
        self.close()
        return status

    def close(self) -> None:
        """Close its pipes after it has exited."""
        self._transport.close()

    def _deliver(self) -> None:
        """Deliver one message per loop iteration, so that an agent that sends many at once does not delay others."""
        if self._receiver is None or self._turn is not None:
            return
        if self._unread:
            self._receiver(self._unread.popleft())
        elif self._closed:
            self._receiver(None)
        if self._unread or self._closed:
            self._turn = asyncio.get_running_loop().call_soon(self._deliver_more)
        elif self._paused:
            self._paused = False
            self._output.resume_reading()

    def _deliver_more(self) -> None:
        self._turn = None
        self._deliver()


def _processor_time(pid: int) -> float:
    """Return a process's processor time in clock ticks; if the system does not provide it, an ever-increasing value."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return time.monotonic()
    return float(int(fields[11]) + int(fields[12]))


def _explained(status: int | None) -> str:
    if status is None or status >= 0:
        return f"its exit status was {status}."
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = " It may have used up the memory." if name == "SIGKILL" else ""
    return f"it was ended by {name}.{hint}"
