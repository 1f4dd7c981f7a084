"""The program of a worker process: runs agents for a server, one run after another.

It reads the server's messages from standard input, and writes the messages of the runs to standard output; what tools
print goes to standard error. When the server exits, the worker exits too, with all processes that its agents started.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from traitlets.config import Application, Config

from ..agents.exceptions import MaxIterationsReached, Stopped
from ..agents.manager import AgentManager
from ..clean import clean_json
from ..protocol import JSON, Raised, Step
from .pipe import ALIVE_INTERVAL, HEADER_BYTES, StepSender, batches, body_length, packed, unpacked
from .runner import RunHandle, RunHost, RunSpec, ThreadRunner

_THREAD_GRACE = 1.0  # seconds within which a run's threads must end; otherwise, the worker is not used again
_LINUX_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, <linux/prctl.h>


def main() -> None:
    """Serve the process that started this one, until it exits."""
    _die_with_parent()
    _open_no_windows()
    commands, replies = _detach_streams()
    sys.path.append(str(Path.cwd()))  # at the end: a file in the working folder must not hide a module
    asyncio.run(_serve(commands, replies))


def _detach_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep standard input and output for this module: processes that an agent starts do not inherit them."""
    commands, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return commands, replies


def _die_with_parent() -> None:
    """Let the system end this process with its parent, if it can: an agent may prevent Python from noticing."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_LINUX_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _open_no_windows() -> None:
    """Let matplotlib draw for files: a server has neither a screen nor a cell that shows a figure."""
    if os.environ.get("MPLBACKEND", "").lower() not in {"agg", "cairo", "pdf", "pgf", "ps", "svg"}:
        os.environ["MPLBACKEND"] = "agg"


async def _serve(commands: BinaryIO, replies: BinaryIO) -> None:
    loop = asyncio.get_running_loop()
    setup = unpacked(await loop.run_in_executor(None, _read, commands))
    worker = _Worker(setup, lambda message: replies.write(packed(message)))

    def read() -> None:
        while body := _read(commands):
            loop.call_soon_threadsafe(worker.carry_out, unpacked(body))
        _end()

    threading.Thread(target=read, name="reasoning-commands", daemon=True).start()
    await worker.work()


def _read(commands: BinaryIO) -> bytes:
    """Return the next message; empty if the server has exited."""
    header = commands.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return b""
    return commands.read(body_length(header))


def _end() -> None:
    """End this process and all processes that it started."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


class _Worker:
    def __init__(self, setup: JSON, send: Callable[[JSON], object]) -> None:
        config = Config(setup["config"])
        Application.instance(config=config)  # where `AgentManager` and `models` look for their configuration
        agents = AgentManager(config=config)
        agents.agents = setup["agents"]
        if setup["llm"] is not None:
            agents.use_model(setup["llm"])
        self._agents = agents
        self._runner = ThreadRunner(agents)
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._run: RunHandle | None = None
        self._ended = asyncio.Event()
        self._questions: dict[int, Future[Any]] = {}
        self._asked = 0
        self._warming: threading.Thread | None = None
        self._heartbeat: asyncio.Task[None] | None = None

    def _warm_up(self) -> None:
        """Do slow work before a run needs it: import the usual framework, and look for installed agents."""
        self._agents.list()
        with suppress(ImportError):
            from ..agents.qwen import import_qwen_agent

            import_qwen_agent()

    async def _send_heartbeats(self) -> None:
        """Tell the server during runs that this process is alive."""
        while True:
            await asyncio.sleep(ALIVE_INTERVAL)
            if self._run is not None:
                self._send({"type": "alive"})

    async def work(self) -> None:
        """Execute runs until one leaves threads behind."""
        self._heartbeat = asyncio.create_task(self._send_heartbeats())
        threads = threading.active_count()
        while await self._is_clean(threads):
            self._send({"type": "ready"})
            await self._ended.wait()
            self._ended.clear()
        await asyncio.to_thread(self._agents.close)
        _end()

    async def _is_clean(self, threads: int) -> bool:
        deadline = self._loop.time() + _THREAD_GRACE
        while threading.active_count() - self._is_warming > threads:
            if self._loop.time() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True

    @property
    def _is_warming(self) -> bool:
        return self._warming is not None and self._warming.is_alive()

    def carry_out(self, command: JSON) -> None:
        """Carry out a command of the server."""
        kind = command["type"]
        if kind == "run":
            self._send({"type": "begun"})  # first: without it, the server gives the run to another worker
            self._start(RunSpec(**command["spec"]))
        elif kind == "stop" and self._run is not None:
            self._run.stop()
        elif kind == "warm_up":
            self._warming = threading.Thread(target=self._warm_up, name="reasoning-warm-up", daemon=True)
            self._warming.start()
        elif kind == "answer":
            question = self._questions.pop(command["id"], None)
            if question is not None and "value" in command:
                question.set_result(command["value"])
            elif question is not None:
                question.set_exception(Stopped())

    def _start(self, spec: RunSpec) -> None:
        steps = StepSender()

        def on_steps(grown: list[Step]) -> None:
            for batch in batches(map(steps.message, grown)):
                self._send({"type": "steps", "steps": batch})

        host = RunHost(
            on_steps=on_steps,
            on_end=self._on_end,
            on_request=lambda request, answer: self._ask("request", request, answer),
            on_keep=lambda _value, _step_id: None,  # live objects stay in this process
            steering=self._take_steering,
        )
        self._run = self._runner.start(spec, host)

    def _on_end(self, error: BaseException | None, explanation: str, raised: Raised | None = None) -> None:
        kinds = {Stopped: "stopped", asyncio.CancelledError: "stopped", MaxIterationsReached: "max_iterations"}
        kind = next((kind for each, kind in kinds.items() if isinstance(error, each)), "failed")
        end = "completed" if error is None else kind
        self._send({"type": "end", "end": end, "explanation": explanation, "raised": raised})
        self._run = None
        self._ended.set()

    def _take_steering(self) -> list[str]:
        """Return the messages for the next model call. Called in the run's thread."""
        answer: Future[Any] = Future()
        self._loop.call_soon_threadsafe(self._ask, "steering", {}, answer)
        messages: list[str] = answer.result()
        return messages

    def _ask(self, what: str, request: JSON, answer: Future[Any]) -> None:
        self._asked += 1
        self._questions[self._asked] = answer
        self._send({"type": what, "id": self._asked, "request": clean_json(request)})


if __name__ == "__main__":
    main()
