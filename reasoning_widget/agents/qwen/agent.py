"""Watch any Qwen-Agent agent at work."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from ...compat.qwen import methods, models
from ...compat.qwen.imports import silence_logger
from ...protocol import Part, Step
from ..base import BlockingAgent, current_run
from ..errors import explain
from . import dashscope, hooks, mcp_servers
from .attachments import content_for
from .history import earlier_messages
from .prepared import import_qwen_agent


class QwenAgent(BlockingAgent):
    """Any `qwen_agent.Agent`, with its steps shown as they happen.

    Its thoughts, tool calls and answers are observed at the methods of agents, models and tools during a run.
    Afterwards all objects and classes are as before. If an agent passes the conversation to another one, as `Router`
    and `GroupChat` do, both are shown: each step names its `agent`, and the text of the last one is the answer. Steps
    of an agent that works inside a tool have the `parent_id` of that tool's result. It does not matter how these agents
    were made, or whether they work in threads. Other processes are not observed.

    Args:
        agent: The agent; or a function without arguments that returns it, called when it is first needed.
        name: Shown on its steps; by default the agent's own name, or that of its class.
        description: One line for people who choose an agent; by default the agent's own.
    """

    takes_parts = True

    def __init__(self, agent: Any | Callable[[], Any], name: str | None = None, description: str | None = None) -> None:
        made = hasattr(agent, "run") or not callable(agent)
        self._made: Any = agent if made else None
        self._make: Callable[[], Any] = agent
        self._lock = threading.Lock()
        self._users: weakref.WeakSet[object] = weakref.WeakSet()
        own_name = getattr(agent, "name", None) or getattr(agent, "__name__", None) or type(agent).__name__
        self.name = name or own_name
        self.description = description if description is not None else getattr(agent, "description", None) or ""

    @property
    def agent(self) -> Any:
        """The Qwen-Agent agent. It is created when this is first read."""
        with self._lock:
            if self._made is None:
                import_qwen_agent()
                self._made = self._make()
            return self._made

    @property
    def model_name(self) -> str | None:
        """The name of the model; None if there is none, or if the agent is not created yet."""
        llm = self._llm()
        return getattr(llm, "model", None) or None

    def run_blocking(self, prompt: str | list[Part], max_iterations: int, emit: Callable[[Step], None]) -> None:
        """Ask the agent, with the earlier turns of the conversation, and emit a step for everything that it does."""
        import_qwen_agent()
        from qwen_agent.llm.schema import USER, Message

        from .watch import Watch
        from .watched_run import WatchedRun

        silence_logger(hooks.in_use)
        agent, run = self.agent, current_run()
        asked = Message(role=USER, content=content_for(agent, prompt))
        messages = [*earlier_messages(run.history, agent, self.name), asked]
        with mcp_servers.used(agent, self._users):
            Watch(WatchedRun(agent, self.name, run, max_iterations, emit)).work(messages)

    def used_by(self, user: object) -> None:
        """Keep the MCP servers of the agent's tools until their last user is gone."""
        self._users.add(user)
        if self._made is not None:
            mcp_servers.hold(self._made, user)

    def explain(self, error: BaseException) -> str:
        """Explain an exception to the person, naming the model and its address. Keys are masked."""
        return explain(error, address=_address_of(self._llm()), model=self.model_name)

    def _llm(self) -> Any:
        agents = [self._made, *methods.members(self._made)]
        return next((llm for agent in agents if (llm := getattr(agent, "llm", None)) is not None), None)


def _address_of(llm: Any) -> str | None:
    if models.is_dashscope(llm):
        return dashscope.address()
    options = models.client_options(llm) or {}
    address = options.get("base_url") or options.get("azure_endpoint")
    return str(address) if address else None
