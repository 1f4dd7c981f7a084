"""The adapter for Qwen-Agent: any of its agents, with its steps shown as they happen."""

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

    During a run, the methods of agents, models and tools are observed; afterwards all objects and classes are as
    before. If an agent passes the conversation to another one, as `Router` and `GroupChat` do, both are shown: each
    step names its `agent`, and the text of the last agent is the answer. Steps of an agent that works inside a tool
    have the `parent_id` of that tool's result. This includes agents that are created during the run, and agents in
    threads, but not in other processes.

    Args:
        agent: The agent, or a function without arguments that returns it, which is called when it is first needed.
        name: The name on its steps; by default the agent's own name, or that of its class.
        description: One line for people who choose an agent; by default the agent's own description.
    """

    takes_parts = True

    def __init__(self, agent: Any | Callable[[], Any], name: str | None = None, description: str | None = None) -> None:
        is_factory = callable(agent) and not hasattr(agent, "run")
        self._agent: Any = None if is_factory else agent
        self._factory: Callable[[], Any] = agent
        self._lock = threading.Lock()
        self._users: weakref.WeakSet[object] = weakref.WeakSet()
        own_name = getattr(agent, "name", None) or getattr(agent, "__name__", None) or type(agent).__name__
        self.name = name or own_name
        self.description = description if description is not None else getattr(agent, "description", None) or ""

    @property
    def agent(self) -> Any:
        """The Qwen-Agent agent. It is created when this is first read."""
        with self._lock:
            if self._agent is None:
                import_qwen_agent()
                self._agent = self._factory()
            return self._agent

    @property
    def model_name(self) -> str | None:
        """The name of the model; None if the agent has no model, or is not created yet."""
        llm = self._llm()
        return getattr(llm, "model", None) or None

    def run_blocking(self, prompt: str | list[Part], max_iterations: int, emit: Callable[[Step], None]) -> None:
        """Pass the prompt and the earlier turns of the conversation to the agent, and emit a step for all it does."""
        import_qwen_agent()
        from qwen_agent.llm.schema import USER, Message

        from .watch import Watch
        from .watched_run import WatchedRun

        silence_logger(hooks.in_use)
        agent, run = self.agent, current_run()
        message = Message(role=USER, content=content_for(agent, prompt))
        messages = [*earlier_messages(run.history, agent, self.name), message]
        with mcp_servers.used_by(agent, self._users):
            Watch(WatchedRun(agent, self.name, run, max_iterations, emit)).run(messages)

    def used_by(self, user: object) -> None:
        """Keep the MCP servers of the agent's tools until `user`, and every other user, is released or collected."""
        self._users.add(user)
        if self._agent is not None:
            mcp_servers.hold(self._agent, user)

    def explain(self, error: BaseException) -> str:
        """Explain an exception, with the name and the address of the model. Keys are masked."""
        return explain(error, address=_address_of(self._llm()), model=self.model_name)

    def _llm(self) -> Any:
        agents = [self._agent, *methods.members(self._agent)]
        return next((llm for agent in agents if (llm := getattr(agent, "llm", None)) is not None), None)


def _address_of(llm: Any) -> str | None:
    if models.is_dashscope(llm):
        return dashscope.address()
    options = models.client_options(llm) or {}
    address = options.get("base_url") or options.get("azure_endpoint")
    return str(address) if address else None
