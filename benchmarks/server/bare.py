"""The baseline: bare WebSockets in the same Jupyter Server, and what the benchmarks ask that server about itself.

What is said to a room comes from a process of its own over a pipe, as an agent's steps come from a worker.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
import tracemalloc
from collections import defaultdict
from typing import Any, ClassVar

from tornado.websocket import WebSocketHandler

from benchmarks.server.speaker import LENGTH


class Room(WebSocketHandler):
    """Everyone in a room gets what the speaker says after one of them has given it an order."""

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

    def on_message(self, message: str | bytes) -> None:
        answers = {"cpu": time.process_time, "memory": _memory, "forget": self._forget, "watchers": self._count}
        self.write_message(json.dumps(answers[str(message)]()))

    def _forget(self) -> list[str]:
        """Let sessions leave memory that nobody watches; those that are left."""
        manager = self.settings["reasoning"].manager
        manager.release_idle()
        return list(manager.live)

    def _count(self) -> int:
        """Connections that are open, but for those of probes."""
        return len(self.settings["reasoning"].sockets) + sum(map(len, Room.rooms.values()))


def _memory() -> int:
    """The bytes that Python's objects take."""
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    server.web_app.add_handlers(".*$", [(r"/bare/(.*)", Room), (r"/probe", Probe)])
