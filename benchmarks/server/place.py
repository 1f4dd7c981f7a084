"""The Jupyter Server that is measured, with the bare WebSockets in it."""

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
"""The agents."""

_AGENTS = {SPEAKER: "benchmarks.agents:speaker", THINKER: "benchmarks.server.agents:thinker"}
_NEVER = 1e6  # seconds
_UNLIMITED = 1e6  # messages a second
_PIECE = 256 * 1024  # bytes
_UNUSED = ("jupyterlab", "notebook", "notebook_shim", "jupyter_lsp", "jupyter_server_terminals")


class Place:
    """A server, and who may ask it.

    Args:
        jupyter: The server.
        folder: For what a benchmark writes.
        runner: Runs what waits for the server. Between two calls nothing is read from it.
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
        """Ask nothing more."""
        self.run(self._probe.close())

    def new_session(self) -> str:
        """The address of a session that nobody knows: what comes from now on, tokens included."""
        return f"{self._address}/ws/chat/s{next(self._numbers)}?stream=tokens"

    def new_room(self) -> str:
        """The address of a bare room."""
        return f"{self._address}/bare/r{next(self._numbers)}"

    def fetch(self, path: str) -> Iterator[bytes]:
        """What the server's REST interface answers, in pieces. `path` is what follows ``reasoning-widget/api/``."""
        with urllib.request.urlopen(self._jupyter.request("GET", f"reasoning-widget/api/{path}")) as answer:
            while piece := answer.read(_PIECE):
                yield piece

    async def probe(self, question: str) -> Any:
        """What the server says of itself: `cpu` in seconds, `memory` in bytes; see `Probe`."""
        answer = self._probe.until()
        self._probe.send(question)
        return json.loads(await answer)


@contextlib.contextmanager
def place(fill: Callable[[SessionStore], None] | None = None) -> Iterator[Place]:
    """Within the block, a server.

    Args:
        fill: Writes the sessions that the server has from the start.
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
