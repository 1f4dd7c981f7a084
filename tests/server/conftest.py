"""Servers for the tests of this folder that break or configure them; the shared one is `server`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.jupyter import Jupyter
from tests.server.agents import CONFIG

_OTHERS = ("jupyter_lsp", "jupyter_server_terminals", "jupyterlab", "notebook", "notebook_shim")
REPOSITORY = Path(__file__).resolve().parent.parent.parent


def reasoning_server(home: Path, *, more: dict[str, Any] | None = None, base_url: str = "/", **options: Any) -> Jupyter:
    """A server with the agents of these tests; `options` are traits of `ReasoningApp`, `more` is for other classes."""
    # Importing Qwen-Agent ahead of time costs more than all that is tested here, and no agent here needs it.
    config = {"ReasoningApp": {"agents": CONFIG, "spare_workers": 0, **options}, **(more or {})}
    return Jupyter(home, {"PYTHONPATH": str(REPOSITORY)}, config=config, base_url=base_url)


def bare_server(home: Path, **options: Any) -> Jupyter:
    """As `reasoning_server`, and quick to start: without other extensions, nor what only agents of Qwen-Agent need."""
    absent = home / "absent"
    absent.mkdir()
    (absent / "qwen_agent.py").write_text("raise ImportError('nobody needs it here')\n")
    config = {
        "ServerApp": {"jpserver_extensions": {**dict.fromkeys(_OTHERS, False), "reasoning_widget": True}},
        "ReasoningApp": {"agents": CONFIG, "spare_workers": 0, **options},
    }
    return Jupyter(home, {"PYTHONPATH": f"{absent}:{REPOSITORY}"}, config=config)
