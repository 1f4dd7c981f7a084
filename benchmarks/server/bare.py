"""The baseline: bare WebSockets in the same Jupyter Server, and measurements of that server for the benchmarks.

The messages to a room come from a separate process over a pipe, as an agent's steps come from a worker.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sqlite3
import sys
import time
import tracemalloc
from collections import defaultdict
from contextlib import closing
from typing import Any, ClassVar, TypedDict

from tornado.websocket import WebSocketHandler

from benchmarks.server.speaker import LENGTH
from reasoning_widget.server.housekeeping import clean_up
from reasoning_widget.session.store import SessionStore

_TICK = 0.005  # seconds between two checks of the loop
_AT_ONCE = 0.001  # seconds: anything older has expired


class Room(WebSocketHandler):
    """All sockets of a room get the speaker's messages after one of them has sent it an order."""

    rooms: ClassVar[defaultdict[str, set[Room]]] = defaultdict(set)
    speaker: ClassVar[asyncio.subprocess.Process | None] = None
    listening: ClassVar[asyncio.Task[None] | None] = None
    spoken_to: ClassVar[str] = ""

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        self.name = args[0]
        self.rooms[self.name].add(self)

    def on_close(self) -> None:
        self.rooms[self.name].discard(self)

    async def on_message(self, message: str | bytes) -> None:
        if Room.speaker is None:
            Room.speaker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "benchmarks.server.speaker"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            Room.listening = asyncio.create_task(_broadcast(Room.speaker))
        Room.spoken_to = self.name
        assert Room.speaker.stdin is not None
        Room.speaker.stdin.write(f"{message!s}\n".encode())


async def _broadcast(speaker: asyncio.subprocess.Process) -> None:
    assert speaker.stdout is not None
    while True:
        (length,) = LENGTH.unpack(await speaker.stdout.readexactly(LENGTH.size))
        message = await speaker.stdout.readexactly(length)
        for socket in Room.rooms[Room.spoken_to]:
            socket.write_message(message)


class Probe(WebSocketHandler):
    """Answers questions about the server's process."""

    _lookout: Lookout | None = None

    async def on_message(self, message: str | bytes) -> None:
        question, _, about = str(message).partition(" ")
        if question == "tidy":
            self.write_message(json.dumps(await _tidy(about)))
            return
        answers = {
            "cpu": time.process_time,
            "memory": _memory,
            "forget": self._forget,
            "watchers": self._count,
            "look out": self._look_out,
            "seen": self._seen,
        }
        self.write_message(json.dumps(answers[str(message)]()))

    def _look_out(self) -> None:
        """Begin to watch the loop and the use of resources."""
        self._lookout = Lookout()

    def _seen(self) -> Seen:
        """Stop watching, and return what was measured since."""
        assert self._lookout is not None
        return self._lookout.end()

    def _forget(self) -> list[str]:
        """Unload unwatched sessions, and return those that are left."""
        manager = self.settings["reasoning"].manager
        manager.release_idle()
        return list(manager.live)

    def _count(self) -> int:
        """Return the number of open connections, except those of probes."""
        return len(self.settings["reasoning"].sockets) + sum(map(len, Room.rooms.values()))


class Seen(TypedDict):
    """What a process did during a period."""

    cpu: float
    """CPU seconds of the process itself."""
    others: float
    """CPU seconds of child processes that have ended."""
    longest: float
    """The longest delay with which its loop woke up, in seconds."""
    own: float
    """The most CPU seconds that the thread of its loop used between two checks."""
    peak: int
    """The most bytes of memory that the process has ever used."""


class Lookout:
    """Watches this process and its loop from its creation on."""

    def __init__(self) -> None:
        self._longest = self._own = 0.0
        self._before = time.process_time(), _cpu_of_others()
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            begun, used = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_TICK)
            self._longest = max(self._longest, time.perf_counter() - begun - _TICK)
            self._own = max(self._own, time.thread_time() - used)

    def end(self) -> Seen:
        """Stop watching, and return what was measured."""
        self._task.cancel()
        cpu, others = self._before
        return {
            "cpu": time.process_time() - cpu,
            "others": _cpu_of_others() - others,
            "longest": self._longest,
            "own": self._own,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }


def _cpu_of_others() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _tidy(path: str) -> dict[str, Any]:
    """Delete everything in a store, as the server deletes expired data; return measurements and the rows left."""
    store = SessionStore(path, "a benchmark")
    lookout = Lookout()
    await clean_up(store, _AT_ONCE, lambda: (), lambda _: None)
    seen = lookout.end()
    store.close()
    with closing(sqlite3.connect(path)) as db:
        left = sum(
            db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("session", "event", "passage")
        )
    return {**seen, "left": left}


def _memory() -> int:
    """Return the bytes that Python's objects take."""
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    server.web_app.add_handlers(".*$", [(r"/bare/(.*)", Room), (r"/probe", Probe)])
