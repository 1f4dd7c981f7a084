"""One Jupyter server for the tests of this folder; those that break or configure it start their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jupyter import Jupyter
from tests.server.agents import CONFIG

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def reasoning_server(home: Path, **options: Any) -> Jupyter:
    """A server with the agents of these tests; `options` are traits of `ReasoningApp`."""
    config = {"ReasoningApp": {"agents": CONFIG, **options}}
    return Jupyter(home, {"PYTHONPATH": str(REPOSITORY)}, config=config)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """The shared server: use a session of your own."""
    with reasoning_server(tmp_path_factory.mktemp("server")) as server:
        yield server
