"""The methods in which Qwen-Agent's agents, models and tools work, and other private parts of its agents.

For qwen-agent 0.0.31 to 0.0.34. The methods whose names begin with an underscore are private. They are observed because
the messages that an agent yields do not say when a tool starts or whether it failed, and nothing about agents that this
agent creates. Without them, a chat would show only an agent's final messages. Upstream offers no callbacks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ..patched import Function, Patch, Wrap
from .limit import has_limit

RUN: Final = "run"
"""An agent works on messages."""
RUN_UNCHECKED: Final = "_run"
"""What a class of agents does when it runs."""
CALL_MODEL: Final = "_call_llm"
"""An agent calls its model."""
CALL_TOOL: Final = "_call_tool"
"""An agent calls one of its tools by name."""
SELECT_SPEAKER: Final = "_select_agent"
"""A group chat selects the next speaker."""
CHAT: Final = "chat"
"""A model is called."""
CALL: Final = "call"
"""A tool is called."""

AGENT_METHODS: Final = frozenset({RUN, RUN_UNCHECKED, CALL_MODEL, CALL_TOOL})
"""Methods of agents."""
TOOL_METHODS: Final = frozenset({CALL_TOOL, CALL})
"""Methods in which a tool works."""

Observe = Callable[[str, type, Function], Function]
"""Makes the replacement of a method from its name, the class that defines it, and the method."""


def patches(observe: Observe) -> list[Patch]:
    """Return the patches that observe what agents, models and tools do.

    Args:
        observe: Makes the replacement of each method.
    """
    from qwen_agent import Agent
    from qwen_agent.agents import GroupChat
    from qwen_agent.llm.base import BaseChatModel
    from qwen_agent.tools.base import BaseTool

    def always(name: str) -> dict[str, Wrap]:
        return {name: partial(observe, name)}

    def if_limited(owner: type, original: Function) -> Function | None:
        return observe(RUN_UNCHECKED, owner, original) if has_limit(original) else None

    return [
        Patch(Agent, {**always(RUN), **always(CALL_MODEL), **always(CALL_TOOL), RUN_UNCHECKED: if_limited}),
        Patch(GroupChat, always(SELECT_SPEAKER)),
        Patch(BaseChatModel, always(CHAT)),
        Patch(BaseTool, always(CALL)),
    ]


def represents_person(agent: Any) -> bool:
    """Return whether `agent` only marks the turn of a person.

    A subclass of `UserAgent` that overrides `_run` gives an answer of its own.
    """
    from qwen_agent.agents import UserAgent

    return isinstance(agent, UserAgent) and getattr(type(agent), RUN_UNCHECKED) is getattr(UserAgent, RUN_UNCHECKED)


def members(agent: Any) -> list[Any]:
    """Return the agents of a group chat or a router; an empty list for other agents.

    The public property `agents` logs an error if it cannot be read.
    """
    return list(getattr(agent, "_agents", None) or [])
