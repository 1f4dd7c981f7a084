"""Look into other people's objects while a run is on, and leave them as they were.

An agent, a tool or a model may serve several runs at once. So a method is replaced once per object, the replacement
asks which run's thread it is called from, and the last run to leave puts the method back.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

Handler = Callable[..., Any]
"""Called with the original method and the call's arguments, in place of it."""

_user: ContextVar[object | None] = ContextVar("reasoning_widget_hook_user", default=None)
_lock = threading.RLock()
_hooks: dict[tuple[int, str], _Hook] = {}


@contextlib.contextmanager
def used_by(user: object) -> Iterator[None]:
    """Within the block, hooked methods called from this context are handled for `user`."""
    token = _user.set(user)
    try:
        yield
    finally:
        _user.reset(token)


def in_use() -> bool:
    """Whether this code runs for somebody who watches."""
    return _user.get() is not None


@contextlib.contextmanager
def hooked(target: object, name: str, user: object, handler: Handler) -> Iterator[None]:
    """Within the block, calls of `target.name` made for `user` go to `handler`."""
    key = (id(target), name)
    with _lock:
        hook = _hooks.get(key)
        if hook is None:
            hook = _hooks[key] = _Hook(target, name)
        hook.users.append((user, handler))
    try:
        yield
    finally:
        with _lock:
            hook.users.remove((user, handler))
            if not hook.users:
                hook.remove()
                del _hooks[key]


class _Hook:
    """A method of one object, replaced."""

    def __init__(self, target: Any, name: str) -> None:
        self._target = target  # also keeps the id from being given to another object
        self._name = name
        self._had = name in vars(target)
        self.original = getattr(target, name)
        self.users: list[tuple[object, Handler]] = []
        setattr(target, name, self._dispatch)

    def remove(self) -> None:
        """Leave the object as it was found."""
        if self._had:
            setattr(self._target, self._name, self.original)
        else:
            delattr(self._target, self._name)

    def _dispatch(self, *args: Any, **kwargs: Any) -> Any:
        handler = self._choose()
        return self.original(*args, **kwargs) if handler is None else handler(self.original, *args, **kwargs)

    def _choose(self) -> Handler | None:
        user = _user.get()
        users = list(self.users)
        for known, handler in reversed(users):
            if known is user:
                return handler
        # A thread that the agent started has no context: with one run on there is no doubt whose it is.
        return users[0][1] if user is None and len({id(known) for known, _ in users}) == 1 else None


# The limit of model calls -----------------------------------------------------------------------------------------

_LIMIT = "MAX_LLM_CALL_PER_RUN"
_lifted = 0
_limits: dict[Any, int] = {}


class _Limit(int):
    """A number of model calls that does not run out for those who are watched: they count their calls themselves."""

    __slots__ = ()

    def __sub__(self, other: int) -> int:
        return sys.maxsize if in_use() else int(self) - other


@contextlib.contextmanager
def call_limit_lifted() -> Iterator[None]:
    """Within the block, Qwen-Agent's loops do not end silently at their own limit in watched runs.

    Each of its modules copies the number, and counts it down. Runs that are not watched keep their limit.
    """
    global _lifted  # noqa: PLW0603 (it counts what happens to modules, which are global)
    with _lock:
        _lifted += 1
        for name, module in list(sys.modules.items()):
            if name.startswith("qwen_agent.agents"):
                value = vars(module).get(_LIMIT)
                if isinstance(value, int) and not isinstance(value, _Limit):
                    _limits[module] = value
                    setattr(module, _LIMIT, _Limit(value))
    try:
        yield
    finally:
        with _lock:
            _lifted -= 1
            if not _lifted:
                for module, value in _limits.items():
                    setattr(module, _LIMIT, value)
                _limits.clear()
