"""Servers for the tests of this folder that break or configure them; the shared one is `server`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.jupyter import Jupyter
from tests.server.agents import CONFIG

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def reasoning_server(home: Path, **options: Any) -> Jupyter:
    """A server with the agents of these tests; `options` are traits of `ReasoningApp`."""
    config = {"ReasoningApp": {"agents": CONFIG, **options}}
    return Jupyter(home, {"PYTHONPATH": str(REPOSITORY)}, config=config)
