"""Servers for tests that configure or break them. All other tests share the fixture `server`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.jupyter import Jupyter
from tests.server.agents import CONFIG

_OTHERS = ("jupyter_lsp", "jupyter_server_terminals", "jupyterlab", "notebook", "notebook_shim")
REPOSITORY = Path(__file__).resolve().parent.parent.parent


def reasoning_server(home: Path, *, more: dict[str, Any] | None = None, base_url: str = "/", **options: Any) -> Jupyter:
    """Return a server with the agents of these tests.

    Args:
        home: The folder for everything that the server stores.
        more: Configuration of other classes than `ReasoningApp`.
        base_url: The server's base URL.
        options: Traits of `ReasoningApp`.
    """
    # A spare worker would import Qwen-Agent, which is slow, and no agent here needs it.
    config = {"ReasoningApp": {"agents": CONFIG, "spare_workers": 0, **options}, **(more or {})}
    return Jupyter(home, {"PYTHONPATH": str(REPOSITORY)}, config=config, base_url=base_url)


def bare_server(home: Path, **options: Any) -> Jupyter:
    """Return a server like `reasoning_server` that starts faster: without other extensions and without Qwen-Agent."""
    absent = home / "absent"
    absent.mkdir()
    (absent / "qwen_agent.py").write_text("raise ImportError('not needed in these tests')\n")
    config = {
        "ServerApp": {"jpserver_extensions": {**dict.fromkeys(_OTHERS, False), "reasoning_widget": True}},
        "ReasoningApp": {"agents": CONFIG, "spare_workers": 0, **options},
    }
    return Jupyter(home, {"PYTHONPATH": f"{absent}:{REPOSITORY}"}, config=config)
