"""The Jupyter Server that is measured, with the bare WebSockets in it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.server.watchers import Watcher
from tests.jupyter import Jupyter

ROOT = Path(__file__).resolve().parents[2]
SPEAKER, THINKER = "speaker", "thinker"
"""The agents."""

_AGENTS = {SPEAKER: "benchmarks.agents:speaker", THINKER: "benchmarks.server.agents:thinker"}
_NEVER = 1e6  # seconds
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

    async def probe(self, question: str) -> Any:
        """What the server says of itself: `cpu` in seconds, `memory` in bytes; see `Probe`."""
        answer = self._probe.until()
        self._probe.send(question)
        return json.loads(await answer)


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """Within the block, a server."""
    config = {
        "ServerApp": {"jpserver_extensions": {"benchmarks.server.bare": True, **dict.fromkeys(_UNUSED, False)}},
        "ReasoningApp": {"agents": _AGENTS, "ping_interval": _NEVER, "idle_after": 0},
    }
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as home,
        Jupyter(Path(home), {"PYTHONPATH": str(ROOT)}, config=config) as jupyter,
        asyncio.Runner() as runner,
    ):
        here = Place(jupyter, Path(home), runner)
        yield here
        here.close()
