"""Qwen-Agent's own limit of model calls.

Its agents count down from a constant of their module, copied into it from its settings, and end silently at zero. No
argument changes it. So a watched agent's method is called with a constant of its own: other agents keep theirs.
"""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import TypeGuard

from ...compat.patched import Function

_LIMIT = "MAX_LLM_CALL_PER_RUN"


def has_limit(function: Function) -> TypeGuard[FunctionType]:
    """Whether it is a method of Qwen-Agent that ends at its limit."""
    return (
        isinstance(function, FunctionType)
        and function.__module__.startswith("qwen_agent.")
        and isinstance(function.__globals__.get(_LIMIT), int)
    )


def with_limit(function: Function, limit: int) -> Function:
    """`function` with at least that limit."""
    function = inspect.unwrap(function)
    if not has_limit(function):
        return function
    names = {**function.__globals__, _LIMIT: max(limit, function.__globals__[_LIMIT])}
    same = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    same.__kwdefaults__ = function.__kwdefaults__
    return same
