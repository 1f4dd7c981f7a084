"""Which agents there are, and how to get one.

Names come, in this order, from code (`AgentManager.register`), from traitlets configuration
(``c.AgentManager.agents = {"name": "package.module:attribute"}``) and from the entry-point group
``reasoning_widget.agents`` of installed packages.
"""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import AsyncIterator, Callable
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Self

from traitlets import Dict, Unicode
from traitlets.config import Application, LoggingConfigurable

from ..protocol import JSON, AgentInfo, Step
from .base import DEFAULT_MAX_ITERATIONS, AgentError, BaseAgent
from .errors import redact

ENTRY_POINT_GROUP = "reasoning_widget.agents"

_TARGET = '"package.module:attribute"'
_ACCEPTED = (
    "a BaseAgent, a qwen_agent.Agent, or an async generator function that takes the prompt (and, if it likes, "
    "`max_iterations`) and yields steps"
)


class UnknownAgentError(ValueError):
    """There is no agent of that name. The text lists those there are."""

    def __init__(self, name: str, known: builtins.list[str]) -> None:
        listed = ", ".join(f'"{each}"' for each in known) or "none at all"
        super().__init__(f'There is no agent "{name}". Known are: {listed}.')


class AgentManager(LoggingConfigurable):
    """Agents by name.

    Configured by the `config` or `parent` it is given; without, by the IPython or Jupyter program that it runs in.
    """

    agents = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="""Agents by name: "package.module:attribute". The attribute is a BaseAgent class, a function without
        arguments that makes an agent, or an async generator function that yields steps.""",
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        if "config" not in kwargs and "parent" not in kwargs and Application.initialized():
            kwargs["config"] = Application.instance().config
        super().__init__(**kwargs)
        self._registered: dict[str, tuple[Callable[..., Any], str]] = {}
        self._llm: JSON | None = None

    def __copy__(self) -> Self:
        """Another manager with the same agents: what is registered with it stays its own."""
        other = type(self)(parent=self.parent, config=self.config)
        other.agents = dict(self.agents)
        other._registered = dict(self._registered)  # noqa: SLF001 (another of this class)
        other._llm = self._llm  # noqa: SLF001
        return other

    def register(self, name: str, factory: Callable[..., Any], description: str = "") -> None:
        """Make an agent known. It takes the place of another of that name.

        Args:
            name: How it is asked for.
            factory: A function that makes the agent (or its class), called for each run; or an async generator
                function that takes the prompt and yields steps. One with a parameter `llm` is given the model
                configuration set by `use_model`.
            description: One line for people who choose among agents; default: the factory's own `description`, or the
                first line of its documentation.

        Raises:
            TypeError: `factory` cannot be called.
        """
        if not callable(factory):
            raise TypeError(f"register() takes a function that makes the agent, not {type(factory).__name__}")
        self._registered[name] = (factory, description or _describe(factory))

    def use_model(self, llm: JSON) -> None:
        """Give agents that take an `llm` this Qwen-Agent model configuration."""
        self._llm = llm

    def check(self, name: str) -> None:
        """Make sure there is an agent of that name, without making it.

        Raises:
            UnknownAgentError: There is none.
        """
        if name not in self._registered and name not in self._targets():
            raise UnknownAgentError(name, [info["name"] for info in self.list()])

    def get(self, name: str) -> BaseAgent:
        """A new agent.

        Raises:
            UnknownAgentError: There is none of that name.
            AgentError: It cannot be loaded, or what its factory makes is no agent.
        """
        self.check(name)
        known = self._registered.get(name)
        if known is not None:
            return self._make(name, known[0])
        target = self._targets()[name]
        return self._make(name, _load(name, target))

    def list(self) -> builtins.list[AgentInfo]:
        """What may be asked, in the order of the sources. No agent's module is imported to know it."""
        known = {name: description for name, (_, description) in self._registered.items()}
        for name, target in self._targets().items():
            if name not in known:
                known[name] = _describe_target(target)
        return [{"name": name, "description": description} for name, description in known.items()]

    def _targets(self) -> dict[str, str]:
        return {**self.agents, **{name: value for name, value in self._installed.items() if name not in self.agents}}

    @cached_property
    def _installed(self) -> dict[str, str]:
        """Read once: it takes a look at every package there is, 30 ms and more."""
        return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}

    def _make(self, name: str, factory: Any) -> BaseAgent:
        made = factory
        if callable(factory) and not (_is_agent(factory) or inspect.isasyncgenfunction(factory)):
            takes_model = self._llm is not None and "llm" in _parameters(factory)
            made = factory(llm=self._llm) if takes_model else factory()
        try:
            agent = as_agent(made)
        except TypeError as error:
            raise AgentError(f'The agent "{name}" cannot be used: {error}.') from error
        agent.name = name  # its steps show the name it was asked by
        return agent


class FunctionAgent(BaseAgent):
    """An async generator function as an agent.

    Args:
        function: Takes the prompt, and `max_iterations` if it has such a parameter; yields steps.
    """

    def __init__(self, function: Callable[..., AsyncIterator[Step]]) -> None:
        self._function = function
        self._limited = "max_iterations" in _parameters(function)
        self.name = getattr(function, "__name__", self.name)
        self.description = _describe(function)

    async def run_with_reasoning_stream(
        self, prompt: str, max_iterations: int = DEFAULT_MAX_ITERATIONS
    ) -> AsyncIterator[Step]:
        """See `BaseAgent.run_with_reasoning_stream`."""
        options = {"max_iterations": max_iterations} if self._limited else {}
        steps = self._function(prompt, **options)
        try:
            async for step in steps:
                yield step
        finally:
            close = getattr(steps, "aclose", None)
            if close is not None:
                await close()


def as_agent(value: Any) -> BaseAgent:
    """`value` as an agent: a `BaseAgent` as it is, a `qwen_agent.Agent` or an async generator function wrapped.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(value, BaseAgent):
        return value
    if _is_qwen(value):
        from .qwen import QwenAgent  # noqa: PLC0415 (only for those who use it)

        return QwenAgent(value)
    if inspect.isasyncgenfunction(value) or inspect.isasyncgenfunction(getattr(value, "__call__", None)):  # noqa: B004
        return FunctionAgent(value)
    hint = ""
    if isinstance(value, type) and issubclass(value, BaseAgent):
        hint = f". Did you mean `{value.__name__}()`?"
    elif inspect.iscoroutinefunction(value):
        hint = ". An async function becomes a generator by yielding its steps"
    raise TypeError(f"{_kind_of(value)} is no agent; an agent is {_ACCEPTED}{hint}")


def _is_agent(value: Any) -> bool:
    return isinstance(value, BaseAgent) or _is_qwen(value)


def _is_qwen(value: Any) -> bool:
    # Whoever has such an object has imported its package.
    kind = getattr(sys.modules.get("qwen_agent.agent"), "Agent", None)  # another thread may be in the middle of it
    return kind is not None and isinstance(value, kind)


def _kind_of(value: Any) -> str:
    return f"`{value!r}`"[:80] if isinstance(value, type | str) or callable(value) else f"a {type(value).__name__}"


def _parameters(function: Any) -> builtins.list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # some built-in callables have none
        return []


def _load(name: str, target: str) -> Any:
    module_name, _, attribute = target.partition(":")
    if not attribute:
        raise AgentError(f'The agent "{name}" could not be loaded from `{target}`: write it as {_TARGET}.')
    try:
        value: Any = import_module(module_name.strip())
        for part in attribute.split("[", maxsplit=1)[0].strip().split("."):
            value = getattr(value, part)
    except Exception as error:
        raise AgentError(
            f'The agent "{name}" could not be loaded from `{target}`: {type(error).__name__}: {redact(str(error))}. '
            f"It is named as {_TARGET}, of a package that is installed where it runs."
        ) from error
    return value


def _describe_target(target: str) -> str:
    """A description, where it can be had without importing other people's modules."""
    module_name = target.partition(":")[0].strip()
    ours = module_name.split(".", maxsplit=1)[0] == __name__.split(".", maxsplit=1)[0]
    if not ours and module_name not in sys.modules:
        return ""
    try:
        return _describe(_load("", target))
    except AgentError:
        return ""


def _describe(value: Any) -> str:
    own = getattr(value, "description", None)
    if isinstance(own, str) and own:
        return own
    text = (value.__doc__ or "") if inspect.isroutine(value) or isinstance(value, type) else ""
    return inspect.cleandoc(text).split("\n", maxsplit=1)[0]
