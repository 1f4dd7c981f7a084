"""Qwen-Agent, imported and prepared for our agents."""

from __future__ import annotations

from typing import Any

from ...compat.qwen.imports import import_package


def import_qwen_agent() -> Any:
    """Import and return the package `qwen_agent`. This takes about two seconds the first time.

    Unlike a plain import, this keeps the signal handlers, and puts the agents' files into the user's cache folder,
    unless ``QWEN_AGENT_DEFAULT_WORKSPACE`` names another one. It also makes the embedded model available to Qwen-Agent.
    If the package was imported before, it is returned as it is.

    Raises:
        ImportError: Qwen-Agent or one of its dependencies is not installed.
    """
    package = import_package()
    from . import embedded_model  # noqa: F401 (registers the model with the package)
    from .mcp_servers import install

    install()
    return package
