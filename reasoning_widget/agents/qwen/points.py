"""Where a run of a Qwen-Agent agent is looked at."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

from ...compat.patched import Function, Patch, Wrap
from .hooks import is_looked_at, replacement
from .limits import has_limit

AGENT = frozenset({"run", "_run", "_call_llm", "_call_tool"})
"""Methods of agents."""
TOOL = frozenset({"_call_tool", "call"})
"""Methods in which a tool works."""


def patches() -> list[Patch]:
    """Patches of all that agents, models and tools do."""
    from qwen_agent import Agent
    from qwen_agent.agents import GroupChat
    from qwen_agent.llm.base import BaseChatModel
    from qwen_agent.tools.base import BaseTool

    agent = {name: _always(name) for name in ("run", "_call_llm", "_call_tool")}
    return [
        Patch(Agent, {**agent, "_run": _limited}),
        Patch(GroupChat, {"_select_agent": _always("_select_agent")}),
        Patch(BaseChatModel, {"chat": _always("chat")}),
        Patch(BaseTool, {"call": _always("call")}),
    ]


def reached_by_its_class(target: Any, name: str) -> bool:
    """Whether calls of `target.name` are looked at already; or it has none."""
    if not hasattr(target, name):
        return True
    own = name in getattr(target, "__dict__", {})
    return not own and is_looked_at(inspect.getattr_static(type(target), name, None))


def _always(name: str) -> Wrap:
    return partial(_replacement, name)


def _replacement(name: str, owner: type, original: Function) -> Function:
    return replacement(owner, original, name)


def _limited(owner: type, original: Function) -> Function | None:
    return replacement(owner, original, "_run") if has_limit(original) else None
