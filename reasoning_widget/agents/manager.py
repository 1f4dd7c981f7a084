"""Agents by name.

Names come, in this order, from code (`AgentManager.register`), from traitlets configuration
(``c.AgentManager.agents = {"name": "package.module:attribute"}``) and from the entry-point group
``reasoning_widget.agents`` of installed packages.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Self

from traitlets import Dict, Unicode
from traitlets.config import Application, LoggingConfigurable

from ..protocol import JSON, AgentInfo
from .base import BaseAgent
from .errors import redact
from .exceptions import AgentError
from .functions import ACCEPTED_AGENTS, describe, function_agent, is_factory, kind_of, takes_model

ENTRY_POINT_GROUP = "reasoning_widget.agents"

_TARGET = '"package.module:attribute"'


class UnknownAgentError(ValueError):
    """There is no agent with this name. The text lists the known agents."""

    def __init__(self, name: str, known: builtins.list[str]) -> None:
        listed = ", ".join(f'"{each}"' for each in known) or "none"
        super().__init__(f'There is no agent "{name}". Known agents: {listed}.')


class AgentManager(LoggingConfigurable):
    """Agents by name: those registered here, those in the configuration, and those of installed packages.

    The configuration is the `config` or `parent` that is passed, otherwise that of the running IPython or Jupyter
    program.
    """

    agents = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="""Agents by name: "package.module:attribute". The attribute is a BaseAgent class, a function without
        arguments that makes an agent, or a function that takes the prompt and yields steps or returns the answer.""",
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        if "config" not in kwargs and "parent" not in kwargs and Application.initialized():
            kwargs["config"] = Application.instance().config
        super().__init__(**kwargs)
        self._registered: dict[str, tuple[Callable[..., Any], str]] = {}
        self._llm: JSON | None = None

    def __copy__(self) -> Self:
        """Return a manager with the same agents. Agents that are registered later are not shared."""
        other = type(self)(parent=self.parent, config=self.config)
        other.agents = dict(self.agents)
        for name, (factory, description) in self._registered.items():
            other.register(name, factory, description)
        if self._llm is not None:
            other.use_model(self._llm)
        return other

    def register(self, name: str, factory: Callable[..., Any], description: str = "") -> None:
        """Register an agent. It replaces an agent with the same name.

        Args:
            name: The name of the agent.
            factory: The agent's class, or a function without parameters that returns the agent, called for each run;
                or a function that takes the prompt, and yields steps or returns the answer. A factory with a parameter
                `llm` receives the model configuration set by `use_model`.
            description: One line for people who choose an agent; by default the factory's own `description`, or the
                first line of its docstring.

        Raises:
            TypeError: `factory` does not return an agent and cannot be one; the error shows what is accepted.
        """
        if not callable(factory):
            raise TypeError(
                f"register() takes a function that makes the agent, not {type(factory).__name__}. {ACCEPTED_AGENTS}"
            )
        if not (_is_agent(factory) or is_factory(factory)):
            try:
                kind_of(factory)
            except TypeError as error:
                raise TypeError(_refusal(error)) from None
        self._registered[name] = (factory, description or describe(factory))

    def use_model(self, llm: JSON) -> None:
        """Use this Qwen-Agent model configuration for agents that take an `llm`."""
        self._llm = llm

    def close(self) -> None:
        """Stop what agents have started for this manager, such as MCP servers, unless it is still used elsewhere."""
        servers = sys.modules.get(f"{__package__}.qwen.mcp_servers")
        if servers is not None:
            servers.release(self)

    def check(self, name: str) -> None:
        """Check that there is an agent with this name, without making it.

        Raises:
            UnknownAgentError: There is no such agent.
        """
        if name not in self._registered and name not in self._targets():
            raise UnknownAgentError(name, [info["name"] for info in self.list()])

    def get(self, name: str) -> BaseAgent:
        """Make the agent with this name.

        Raises:
            UnknownAgentError: There is no such agent.
            AgentError: It cannot be loaded, or its factory did not return an agent.
        """
        self.check(name)
        known = self._registered.get(name)
        if known is not None:
            return self._make(name, known[0])
        target = self._targets()[name]
        return self._make(name, _load(name, target))

    def list(self) -> builtins.list[AgentInfo]:
        """List the known agents: first those registered, then those configured, then those of installed packages.

        No agent's module is imported for this.
        """
        known = {name: description for name, (_, description) in self._registered.items()}
        for name, target in self._targets().items():
            if name not in known:
                known[name] = _describe_target(target)
        return [{"name": name, "description": description} for name, description in known.items()]

    def _targets(self) -> dict[str, str]:
        return {**self.agents, **{name: value for name, value in self._installed.items() if name not in self.agents}}

    @cached_property
    def _installed(self) -> dict[str, str]:
        """The agents of installed packages. Read once, because this inspects every package and takes 30 ms or more."""
        return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}

    def _make(self, name: str, factory: Any) -> BaseAgent:
        made = factory
        if callable(factory) and not _is_agent(factory) and is_factory(factory):
            made = factory(llm=self._llm) if self._llm is not None and takes_model(factory) else factory()
        try:
            agent = as_agent(made)
        except TypeError as error:
            raise AgentError(f'The agent "{name}" cannot be used. {error}') from error
        agent.name = name  # shown on its steps
        agent.used_by(self)
        return agent


def as_agent(value: Any) -> BaseAgent:
    """Return `value` as an agent: a `BaseAgent` itself, or a wrapper of a `qwen_agent.Agent` or a function.

    Raises:
        TypeError: It cannot be an agent; the error shows what is accepted.
    """
    if isinstance(value, BaseAgent):
        return value
    if _is_qwen(value):
        from .qwen import QwenAgent  # loaded only when needed

        return QwenAgent(value)
    try:
        return function_agent(value)
    except TypeError as error:
        raise TypeError(_refusal(error)) from None


def _refusal(error: TypeError) -> str:
    reason = str(error)
    return f"{reason[0].upper()}{reason[1:]}. {ACCEPTED_AGENTS}"


def _is_agent(value: Any) -> bool:
    return isinstance(value, BaseAgent) or _is_qwen(value)


def _is_qwen(value: Any) -> bool:
    # If the package is not imported, the value cannot be one of its objects.
    kind = getattr(sys.modules.get("qwen_agent.agent"), "Agent", None)  # another thread may still be importing it
    return kind is not None and isinstance(value, kind)


def _load(name: str, target: str) -> Any:
    module_name, _, attribute = target.partition(":")
    if not attribute:
        raise AgentError(f'The agent "{name}" could not be loaded from `{target}`: it must have the form {_TARGET}.')
    try:
        value: Any = import_module(module_name.strip())
        for part in attribute.split("[", maxsplit=1)[0].strip().split("."):
            value = getattr(value, part)
    except Exception as error:
        raise AgentError(
            f'The agent "{name}" could not be loaded from `{target}`: {type(error).__name__}: {redact(str(error))}. '
            f"It must have the form {_TARGET}, and its package must be installed in this environment."
        ) from error
    return value


def _describe_target(target: str) -> str:
    """Return a description, if that needs no import of a module outside this package."""
    module_name = target.partition(":")[0].strip()
    ours = module_name.split(".", maxsplit=1)[0] == __name__.split(".", maxsplit=1)[0]
    if not ours and module_name not in sys.modules:
        return ""
    try:
        return describe(_load("", target))
    except AgentError:
        return ""
