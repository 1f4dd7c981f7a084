"""Propagate context variables into threads and pools.

Python gives a new thread an empty context, and the thread of a pool the context of the code that happened to start it.
Within `carried`, a thread, or a call that is submitted to a pool, sees the value of the variable at the place where it
was started or submitted. The threads of a pool keep no value between calls, because the pool may outlive it.

Without a value, nothing differs from Python's own behaviour. Not covered are processes, threads that `_thread` starts,
and threads that take work from a queue of their own: they keep the value of the place where they were started.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from typing import Any, NamedTuple

from .patched import Function, Patch, Wrap

Around = Callable[[Any], AbstractContextManager[None]]
"""Makes a context manager from the value of a variable. It is entered in the thread, around the work."""
Check = Callable[[Any], None]
"""Checks the value of a variable before a submitted call begins. Raises `Ends` if the call must not begin."""


class Ends(BaseException):
    """Ends work that must not continue. It is not an `Exception`, so that code with `except Exception` lets it pass.

    A thread with a propagated variable ends silently; for a submitted call, the future raises it.

    Attributes:
        reason: What is raised where only an `Exception` can be raised.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(*reason.args)
        self.reason = reason


@contextlib.contextmanager
def carried(variable: ContextVar[Any], around: Around | None = None, check: Check | None = None) -> Iterator[None]:
    """Propagate `variable` into threads and pools within the block, whichever thread enters it.

    For one variable, `around` and `check` are always the same.

    Args:
        variable: The variable to propagate.
        around: Entered around the work, in its thread, with the value. If it raises `Ends`, the work does not begin.
        check: Called with the value before a call that was submitted. If it raises `Ends`, the call is not made, and
            its future raises that. Threads are not checked, because nobody waits for their result.
    """
    _carrying.begin(variable, around, check)
    try:
        yield
    finally:
        _carrying.end(variable)


class _Item(NamedTuple):
    """A value that is being propagated."""

    variable: ContextVar[Any]
    value: Any
    around: Around | None
    check: Check | None


@dataclass
class _Carried:
    around: Around | None
    check: Check | None
    users: int = 0


class _Carrying:
    """The variables that are propagated. The patches are in place while there is at least one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._variables: dict[ContextVar[Any], _Carried] = {}
        self._patches = _patches(self.load)

    def begin(self, variable: ContextVar[Any], around: Around | None, check: Check | None) -> None:
        with self._lock:
            if not self._variables:
                for patch in self._patches:
                    patch.apply()
            variables = dict(self._variables)  # read without the lock
            variables.setdefault(variable, _Carried(around, check)).users += 1
            self._variables = variables

    def end(self, variable: ContextVar[Any]) -> None:
        with self._lock:
            self._variables[variable].users -= 1
            self._variables = {each: known for each, known in self._variables.items() if known.users}
            if not self._variables:
                for patch in reversed(self._patches):
                    patch.remove()

    def load(self) -> list[_Item]:
        """Return the values at this place."""
        found = ((each, each.get(_NOTHING), known) for each, known in self._variables.items())
        return [_Item(each, value, known.around, known.check) for each, value, known in found if value is not _NOTHING]


_NOTHING = object()
_in_pool: ContextVar[bool] = ContextVar("reasoning_widget_in_pool", default=False)
"""Whether a pool is starting threads for itself, which get no value."""


@contextlib.contextmanager
def _for_pool() -> Iterator[None]:
    token = _in_pool.set(True)
    try:
        yield
    finally:
        _in_pool.reset(token)


@contextlib.contextmanager
def _unloaded(load: list[_Item]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        stack.callback(_in_pool.reset, _in_pool.set(False))  # an executor may run the work at once
        for item in load:
            stack.callback(item.variable.reset, item.variable.set(item.value))
            if item.around is not None:
                stack.enter_context(item.around(item.value))
        yield


class _Call:
    """A function that is called with the propagated values."""

    def __init__(self, function: Function, load: list[_Item]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._load = load

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with _unloaded(self._load):
            for item in self._load:
                if item.check is not None:
                    item.check(item.value)
            return self._function(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial, (self._function,)  # an executor sends it to a process, which gets no values


class _PoolCall(_Call):
    """The same for `ThreadPool`, which hands an `Exception` to who waits, and breaks off at anything else."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except Ends as end:
            raise end.reason from None


def _patches(load: Callable[[], list[_Item]]) -> list[Patch]:
    pool = _taking(load, _PoolCall)
    in_pool = dict.fromkeys(("apply_async", "_map_async", "imap", "imap_unordered"), pool)
    return [
        Patch(threading.Thread, {"start": _starting(load)}),
        Patch(Executor, {"submit": _taking(load, _Call)}),
        Patch(ThreadPool, {"__init__": _making, **in_pool}),
    ]


def _starting(load: Callable[[], list[_Item]]) -> Wrap:
    """Wrap a method that starts a thread."""

    def wrap(_: type, original: Function) -> Function:
        @functools.wraps(original)
        def start(self: threading.Thread, *args: Any, **kwargs: Any) -> Any:
            items = [] if _in_pool.get() or isinstance(vars(self).get("run"), _Run) else load()
            if not items:
                return original(self, *args, **kwargs)
            run = _Run(self, items)
            try:
                return original(self, *args, **kwargs)
            except BaseException:  # the thread could not be started
                run.take_away()
                raise

        return start

    return wrap


def _taking(load: Callable[[], list[_Item]], call: type[_Call]) -> Wrap:
    """Wrap a method whose first argument is a function that is called later."""

    def wrap(_: type, original: Function) -> Function:
        @functools.wraps(original)
        def take(self: Any, *args: Any, **kwargs: Any) -> Any:
            items = [] if _in_pool.get() else load()
            if not items:
                return original(self, *args, **kwargs)
            if args:
                args = (call(args[0], items), *args[1:])
            else:
                named: dict[str, Any] = {name: call(kwargs[name], items) for name in ("fn", "func") if name in kwargs}
                kwargs = {**kwargs, **named}
            with _for_pool():
                return original(self, *args, **kwargs)

        return take

    return wrap


def _making(_: type, original: Function) -> Function:
    """Wrap a method that creates a pool and starts its threads."""

    @functools.wraps(original)
    def make(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _for_pool():
            return original(self, *args, **kwargs)

    return make


class _Run:
    """Replaces `run` of a thread from its start until it runs."""

    def __init__(self, thread: threading.Thread, load: list[_Item]) -> None:
        self._thread = thread
        self._load = load
        self._own = vars(thread).get("run")
        self._original = thread.run
        thread.run = self  # type: ignore[method-assign]

    def __call__(self) -> None:
        self.take_away()
        with contextlib.suppress(Ends), _unloaded(self._load):
            self._original()

    def take_away(self) -> None:
        """Restore the thread object."""
        if self._own is None:
            vars(self._thread).pop("run", None)
        else:
            vars(self._thread)["run"] = self._own


_carrying = _Carrying()
