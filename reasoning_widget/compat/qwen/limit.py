"""Raise Qwen-Agent's own limit of model calls for single calls of a method.

For qwen-agent 0.0.31 to 0.0.34. Its agents count down from `MAX_LLM_CALL_PER_RUN`, a constant of their module, and end
silently at zero, without an answer. No argument changes it: https://github.com/QwenLM/Qwen-Agent/issues/535. Without
this, a run with a higher limit of iterations would end early and would not say why. The method is copied with globals
of its own, so that unwatched agents keep their limit.
"""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Final, TypeGuard

from ..patched import Function

_LIMIT: Final = "MAX_LLM_CALL_PER_RUN"


def has_limit(function: Function) -> TypeGuard[FunctionType]:
    """Return whether `function` is a method of Qwen-Agent that ends at its limit of model calls."""
    return (
        isinstance(function, FunctionType)
        and function.__module__.startswith("qwen_agent.")
        and isinstance(function.__globals__.get(_LIMIT), int)
    )


def with_limit(function: Function, limit: int) -> Function:
    """Return `function` with at least this limit of model calls, or as it is if it has none."""
    function = inspect.unwrap(function)
    if not has_limit(function):
        return function
    names = {**function.__globals__, _LIMIT: max(limit, function.__globals__[_LIMIT])}
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
