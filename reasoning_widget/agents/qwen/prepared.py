"""Import Qwen-Agent, and prepare it for the agents of this package."""

from __future__ import annotations

from typing import Any

from ...compat.qwen.imports import import_package


def import_qwen_agent() -> Any:
    """Import and return the package `qwen_agent`. This takes about two seconds the first time.

    Unlike a plain import, this preserves the signal handlers, and stores the files of agents in the user's cache folder
    unless ``QWEN_AGENT_DEFAULT_WORKSPACE`` names another folder. It also registers the embedded model. If the package
    was imported before, its settings remain as they are.

    Raises:
        ImportError: Qwen-Agent or one of its dependencies is not installed.
    """
    package = import_package()
    from .embedded_model import register
    from .mcp_servers import install

    register()
    install()
    return package
