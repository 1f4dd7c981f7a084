"""Functions as agents. Their signatures are checked at once, so that a mistake is reported before the first run."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Final, Literal

from ..protocol import AgentStep, Step
from .base import DEFAULT_MAX_ITERATIONS, BaseAgent, BlockingAgent, check_step, current_run
from .exceptions import AgentError

ACCEPTED_AGENTS: Final = """\
An agent is one of these:

- an async generator function that yields steps: \
`async def agent(prompt): yield {"type": "final_answer", "content": "…"}`
- an instance of a subclass of `BaseAgent`: \
`class Agent(BaseAgent): async def run_with_reasoning_stream(self, prompt, max_iterations=20): …`
- a `qwen_agent.Agent`, as it is: `Assistant(llm=…)`
- a function or coroutine function that takes the prompt and returns the answer: `def agent(prompt): return "…"`; \
or a generator function that yields steps"""
"""Describes the accepted values, in Markdown."""

Kind = Literal["async steps", "steps", "coroutine", "function"]
"""What a call returns: an async generator of steps, a generator of steps, an awaitable text, or a text."""

_LIMIT: Final = "max_iterations"
_MODEL: Final = "llm"


def kind_of(function: Any) -> Kind:
    """Return what kind of function it is.

    Raises:
        TypeError: It is not a function, or cannot be called with a prompt as its only argument.
    """
    if isinstance(function, type):
        raise TypeError(f"`{function.__name__}` is a class, not an agent: create an instance, `{function.__name__}()`")
    if inspect.iscoroutine(function) or inspect.isasyncgen(function) or inspect.isgenerator(function):
        raise TypeError(f"the function `{_name(function)}` was called: pass the function itself")
    if not callable(function):
        shown = f" {function!r}"[:60] if isinstance(function, str) else ""
        raise TypeError(f"the {type(function).__name__}{shown} is not an agent")
    problem = _signature_problem(function)
    if problem:
        raise TypeError(f"the function `{_name(function)}` cannot be an agent: {problem}")
    return _kind(function)


def is_factory(function: Callable[..., Any]) -> bool:
    """Return whether it makes agents: a class, or a function that can be called without arguments."""
    if isinstance(function, type):
        return True
    return _kind(function) == "function" and not _required(function)


def function_agent(function: Callable[..., Any]) -> BaseAgent:
    """Make an agent of a function. A synchronous function runs in a thread of its own.

    Raises:
        TypeError: The function cannot be an agent.
    """
    if kind_of(function) in ("async steps", "coroutine"):
        return FunctionAgent(function)
    return BlockingFunctionAgent(function)


class FunctionAgent(BaseAgent):
    """An agent made of an async generator function that yields steps, or of a coroutine function that returns a text.

    Args:
        function: Called with the prompt, and with `max_iterations` if it has a parameter of that name.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._yields = kind_of(function) == "async steps"
        self.name = _agent_name(function, self.name)
        self.description = describe(function)

    async def run_with_reasoning_stream(
        self, prompt: str, max_iterations: int = DEFAULT_MAX_ITERATIONS
    ) -> AsyncIterator[AgentStep]:
        """Call the function, and yield its steps or its answer."""
        called = self._function(prompt, **_options(self._function, max_iterations))
        if not self._yields:
            yield _answer(self._function, await called)
            return
        try:
            async for step in called:
                yield step
        finally:
            close = getattr(called, "aclose", None)
            if close is not None:
                await close()


class BlockingFunctionAgent(BlockingAgent):
    """An agent made of a function that returns the answer, or of a generator function that yields steps.

    Args:
        function: Called with the prompt, and with `max_iterations` if it has a parameter of that name.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        kind_of(function)
        self._function = function
        self.name = _agent_name(function, self.name)
        self.description = describe(function)

    def run_blocking(self, prompt: str, max_iterations: int, emit: Callable[[AgentStep], None]) -> None:
        """Call the function, and emit its steps or its answer."""
        called = self._function(prompt, **_options(self._function, max_iterations))
        if inspect.iscoroutine(called) or inspect.isasyncgen(called):  # a wrapper hides what kind of function it wraps
            asyncio.run(self._emit_from(called, emit))
            return
        if not isinstance(called, Generator):
            emit(_answer(self._function, called))
            return
        try:
            for step in called:
                emit(check_step(step))
        finally:
            called.close()

    async def _emit_from(self, called: Any, emit: Callable[[AgentStep], None]) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def stop() -> None:
            loop.call_soon_threadsafe(task.cancel)

        with current_run().on_stop(stop):
            if inspect.iscoroutine(called):
                emit(_answer(self._function, await called))
                return
            async for step in called:
                emit(check_step(step))


def describe(value: Any) -> str:
    """Return one line about an agent or a factory: its `description`, or the first line of its docstring."""
    own = getattr(value, "description", None)
    if isinstance(own, str) and own:
        return own
    text = (value.__doc__ or "") if inspect.isroutine(value) or isinstance(value, type) else ""
    return inspect.cleandoc(text).split("\n", maxsplit=1)[0]


def takes_model(function: Any) -> bool:
    """Return whether it has the parameter `llm`, for a model configuration."""
    return _MODEL in {parameter.name for parameter in _parameters(function)}


def _kind(function: Any) -> Kind:
    for candidate in (function, type(function).__call__):
        if inspect.isasyncgenfunction(candidate):
            return "async steps"
        if inspect.isgeneratorfunction(candidate):
            return "steps"
        if inspect.iscoroutinefunction(candidate):
            return "coroutine"
    return "function"


def _signature_problem(function: Any) -> str:
    """Return what is wrong with its parameters; an empty text if it can be called with a prompt alone."""
    parameters = _parameters(function)
    if not any(each.kind in _POSITIONAL or each.kind == each.VAR_POSITIONAL for each in parameters):
        return "it takes no prompt"
    beyond = [each.name for each in _required(function)[1:] if each.name != _LIMIT]
    keywords = [each.name for each in _required(function) if each.kind == each.KEYWORD_ONLY and each.name != _LIMIT]
    missing = list(dict.fromkeys([*beyond, *keywords]))
    if missing:
        return f"it requires {', '.join(f'`{name}`' for name in missing)}, but it is called with the prompt alone"
    return ""


_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _required(function: Any) -> list[inspect.Parameter]:
    """Return the parameters without a default, except `llm`."""
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        each
        for each in _parameters(function)
        if each.default is each.empty and each.kind not in variable and each.name != _MODEL
    ]


def _parameters(function: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built-in callables have no signature
        return []


def _options(function: Any, max_iterations: int) -> dict[str, int]:
    named = {parameter.name for parameter in _parameters(function)}
    return {_LIMIT: max_iterations} if _LIMIT in named else {}


def _answer(function: Any, value: object) -> Step:
    """Return the step for a returned text.

    Raises:
        AgentError: The value is not a text, or is empty.
    """
    if isinstance(value, str) and value.strip():
        return {"type": "final_answer", "content": value}
    what = "an empty text" if isinstance(value, str) else "nothing" if value is None else f"`{type(value).__name__}`"
    if inspect.iscoroutine(value):
        value.close()  # otherwise Python warns that it was never awaited
    raise AgentError(
        f"The function `{_name(function)}` returned {what} instead of an answer: return a text, or yield steps such as "
        '`{"type": "final_answer", "content": "…"}`.'
    )


def _name(function: Any) -> str:
    return getattr(function, "__name__", None) or type(function).__name__


def _agent_name(function: Any, otherwise: str) -> str:
    name = _name(function)
    return name if name.isidentifier() else otherwise  # not so the name of a lambda
