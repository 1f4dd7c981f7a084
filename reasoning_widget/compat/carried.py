"""Context variables that go along into threads and pools.

Python gives a new thread an empty context, and a pool's thread that of whoever happened to start it. Within `carried`,
what a variable says where a thread is started, or a call submitted, is what it says in that thread or call. A pool's
thread itself keeps nothing: the pool may be older than the value, and may outlive it.

Where the variable has no value nothing is different from Python's own. Out of reach are processes, threads that
`_thread` starts, and threads that take their work from a queue of their own: of those, what counts is where the thread
was started.
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
"""Makes a context manager of a variable's value. It is entered in the thread, around the work."""
Check = Callable[[Any], None]
"""Looks at a variable's value before a submitted call begins, and raises `Ends` if it may not."""


class Ends(BaseException):
    """Ends work that must not go on, whatever it catches: no `except Exception` holds it.

    A thread into which a variable was carried ends with it silently; whoever waits for a future gets it.

    Attributes:
        reason: What to tell those who can only be told an `Exception`.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(*reason.args)
        self.reason = reason


@contextlib.contextmanager
def carried(variable: ContextVar[Any], around: Around | None = None, check: Check | None = None) -> Iterator[None]:
    """Within the block, whichever thread enters it, `variable` goes along into threads and pools.

    For one variable, `around` and `check` are always the same.

    Args:
        variable: What to carry.
        around: Entered around the work, in its thread, with the value. If it raises `Ends`, the work does not begin.
        check: Called with the value before a call that was submitted. If it raises `Ends`, the call is not made, and
            whoever waits for it is told. Nobody would be told of a thread that does not begin.
    """
    _carrying.begin(variable, around, check)
    try:
        yield
    finally:
        _carrying.end(variable)


class _Item(NamedTuple):
    """A value on its way."""

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
    """What is carried; the patches are in place while there is anything."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._variables: dict[ContextVar[Any], _Carried] = {}
        self._patches = _patches(self.load)

    def begin(self, variable: ContextVar[Any], around: Around | None, check: Check | None) -> None:
        with self._lock:
            if not self._variables:
                for patch in self._patches:
                    patch.apply()
            variables = dict(self._variables)  # it is read without the lock
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
        """What goes along from here."""
        found = ((each, each.get(_NOTHING), known) for each, known in self._variables.items())
        return [_Item(each, value, known.around, known.check) for each, value, known in found if value is not _NOTHING]


_NOTHING = object()
_in_pool: ContextVar[bool] = ContextVar("reasoning_widget_in_pool", default=False)
"""This is a pool at work on itself: the threads that it starts are no one's."""


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
        stack.callback(_in_pool.reset, _in_pool.set(False))  # an executor may do the work at once
        for item in load:
            stack.callback(item.variable.reset, item.variable.set(item.value))
            if item.around is not None:
                stack.enter_context(item.around(item.value))
        yield


class _Call:
    """A function that is called with what was carried along."""

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
        return functools.partial, (self._function,)  # an executor sends it to a process: nothing can go along


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
    """For what starts a thread."""

    def wrap(_: type, original: Function) -> Function:
        @functools.wraps(original)
        def start(self: threading.Thread, *args: Any, **kwargs: Any) -> Any:
            items = [] if _in_pool.get() or isinstance(vars(self).get("run"), _Run) else load()
            if not items:
                return original(self, *args, **kwargs)
            run = _Run(self, items)
            try:
                return original(self, *args, **kwargs)
            except BaseException:  # it could not be started
                run.take_away()
                raise

        return start

    return wrap


def _taking(load: Callable[[], list[_Item]], call: type[_Call]) -> Wrap:
    """For what takes a function to be called later, as its first argument."""

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
    """For what makes a pool, and starts its threads."""

    @functools.wraps(original)
    def make(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _for_pool():
            return original(self, *args, **kwargs)

    return make


class _Run:
    """Stands for `run` of one thread, from its start until it runs."""

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
        """Leave the thread object as it was."""
        if self._own is None:
            vars(self._thread).pop("run", None)
        else:
            vars(self._thread)["run"] = self._own


_carrying = _Carrying()
