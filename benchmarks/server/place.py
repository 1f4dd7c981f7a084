"""The measured Jupyter Server, which also has the bare WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.server.watchers import Watcher
from reasoning_widget.session.store import SessionStore
from tests.jupyter import Jupyter

ROOT = Path(__file__).resolve().parents[2]
SPEAKER, THINKER = "speaker", "thinker"
"""The names of the agents."""

_AGENTS = {SPEAKER: "benchmarks.agents:speaker", THINKER: "benchmarks.server.agents:thinker"}
_NEVER = 1e6  # seconds
_UNLIMITED = 1e6  # messages per second
_PIECE = 256 * 1024  # bytes
_UNUSED = ("jupyterlab", "notebook", "notebook_shim", "jupyter_lsp", "jupyter_server_terminals")


class Place:
    """A server, and access to it.

    Args:
        jupyter: The server.
        folder: The folder for files of benchmarks.
        runner: Runs coroutines that wait for the server. Between two calls nothing is read from it.
    """

    def __init__(self, jupyter: Jupyter, folder: Path, runner: asyncio.Runner) -> None:
        self.folder = folder
        self.token = jupyter.token
        self.run = runner.run
        self._jupyter = jupyter
        self._address = jupyter.origin.replace("http", "ws")
        self._numbers = itertools.count()
        self._probe = self.run(Watcher.connect(f"{self._address}/probe", self.token))

    def close(self) -> None:
        """Close the connection to the probe."""
        self.run(self._probe.close())

    def new_session(self) -> str:
        """Return the address of a new session, for everything from now on, including tokens."""
        return f"{self._address}/ws/chat/s{next(self._numbers)}?stream=tokens"

    def new_room(self) -> str:
        """Return the address of a new bare room."""
        return f"{self._address}/bare/r{next(self._numbers)}"

    def fetch(self, path: str) -> Iterator[bytes]:
        """Yield a response of the server's REST interface in pieces. `path` follows ``reasoning-widget/api/``."""
        with urllib.request.urlopen(self._jupyter.request("GET", f"reasoning-widget/api/{path}")) as answer:
            while piece := answer.read(_PIECE):
                yield piece

    async def probe(self, question: str) -> Any:
        """Ask the server about itself: `cpu` in seconds, `memory` in bytes, and the other questions of `Probe`."""
        answer = self._probe.until()
        self._probe.send(question)
        return json.loads(await answer)


@contextlib.contextmanager
def place(fill: Callable[[SessionStore], None] | None = None) -> Iterator[Place]:
    """Within the block, a server.

    Args:
        fill: Writes the sessions that the server has at the start.
    """
    config = {
        "ServerApp": {"jpserver_extensions": {"benchmarks.server.bare": True, **dict.fromkeys(_UNUSED, False)}},
        "ReasoningApp": {
            "agents": _AGENTS,
            "ping_interval": _NEVER,
            "idle_after": 0,
            "max_messages_per_second": _UNLIMITED,
        },
    }
    with tempfile.TemporaryDirectory(prefix="benchmark-") as home:
        if fill is not None:
            store = SessionStore(Path(home, "data", "reasoning-widget", "sessions.db"), "a benchmark")
            fill(store)
            store.close()
        with Jupyter(Path(home), {"PYTHONPATH": str(ROOT)}, config=config) as jupyter, asyncio.Runner() as runner:
            here = Place(jupyter, Path(home), runner)
            yield here
            here.close()
