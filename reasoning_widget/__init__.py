"""Watch an AI agent think inside a notebook, step in, and keep the transcript."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agents.base import BaseAgent, BlockingAgent, current_run
    from .agents.exceptions import AgentError, MaxIterationsReached, Stopped
    from .agents.manager import AgentManager
    from .agents.models import models
    from .agents.qwen import QwenAgent
    from .answer import Answer
    from .client import connect
    from .widget.chat import ReasoningChat

# Imported on first access, so that agents can be written without loading the widget, and scripts without the agents.
_MODULES = {
    "AgentError": ".agents.exceptions",
    "AgentManager": ".agents.manager",
    "Answer": ".answer",
    "BaseAgent": ".agents.base",
    "BlockingAgent": ".agents.base",
    "MaxIterationsReached": ".agents.exceptions",
    "QwenAgent": ".agents.qwen",
    "ReasoningChat": ".widget.chat",
    "Stopped": ".agents.exceptions",
    "connect": ".client",
    "current_run": ".agents.base",
    "models": ".agents.models",
}

__all__ = [
    "AgentError",
    "AgentManager",
    "Answer",
    "BaseAgent",
    "BlockingAgent",
    "MaxIterationsReached",
    "QwenAgent",
    "ReasoningChat",
    "Stopped",
    "connect",
    "current_run",
    "models",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("reasoning-widget")
    module = _MODULES.get(name)
    if module is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(module, __name__), name)
    globals()[name] = value
    return value
