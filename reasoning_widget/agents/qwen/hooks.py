"""Look into other people's objects while a run is on, and leave them as they were.

Methods are replaced in every class that defines them. The replacement finds in its context whose run it works for, and
does nothing where there is none. Of a chain of `super()` calls the outermost alone is looked at.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Protocol

from ...compat.carried import carried
from ...compat.patched import Function, Patch

Handler = Callable[..., Any]
"""Called in place of a method, with the `Call` and the method's own arguments."""


class Watcher(Protocol):
    """Whoever looks into the objects, for the time of one run."""

    def handlers(self) -> Mapping[str, Handler]:
        """What is called in place of the methods, by their names."""

    def passed_on(self, call: Call) -> None:
        """A method calls the one that it overrides."""

    def at_work(self) -> AbstractContextManager[None]:
        """Entered around work that the run has handed to a thread or a pool."""

    def check(self) -> None:
        """Called before work that the run has handed to a pool. It does not begin if this raises `Ends`."""


class Call:
    """A call of a method that is looked at, for as long as it, or the iterator that it returned, is at work.

    Attributes:
        watcher: For whom.
        outer: The call within which it was made; None at the root of a run.
        target: The object.
        name: The method's name.
        owner: The class that defines the method; None if the object itself has it.
        function: The method as it was found, to be called with `target`.
        note: What the watcher keeps here.
        passed: How often the method has called the one that it overrides.
    """

    __slots__ = ("function", "name", "note", "outer", "owner", "passed", "target", "watcher")

    def __init__(
        self,
        watcher: Watcher,
        outer: Call | None,
        target: Any = None,
        name: str = "",
        owner: type | None = None,
        function: Function | None = None,
    ) -> None:
        self.watcher = watcher
        self.outer = outer
        self.target = target
        self.name = name
        self.owner = owner
        self.function = function
        self.note: Any = None
        self.passed = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the method does."""
        assert self.function is not None
        with self.entered():
            result = self.function(self.target, *args, **kwargs)
        return self._within(result) if isinstance(result, Iterator) and not _is_within(result) else result

    def by_itself(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the method does, as if this call were not looked at."""
        assert self.function is not None
        return self.function(self.target, *args, **kwargs)

    @property
    def found(self) -> Function:
        """The method as the object itself has it, to be called without it."""
        found: Function = self.function.__wrapped__  # type: ignore[union-attr]
        return found

    def around(self) -> Iterator[Call]:
        """This call, and those around it, from the inside."""
        call: Call | None = self
        while call is not None:
            yield call
            call = call.outer

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Within the block, this is the innermost call."""
        token = _innermost.set(self)
        try:
            yield
        finally:
            _innermost.reset(token)

    def _within(self, iterator: Iterator[Any]) -> Generator[Any, None, Any]:
        # Whoever takes the items may do so anywhere, and does other things in between.
        try:
            while True:
                token = _innermost.set(self)
                try:
                    item = next(iterator)
                except StopIteration as end:
                    return end.value
                finally:
                    _innermost.reset(token)
                yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                with self.entered():
                    close()


_MARK = "_reasoning_widget_looks_at_it"
_within_codes = {Call._within.__code__}  # noqa: SLF001 (of this module)
_innermost: ContextVar[Call | None] = ContextVar("reasoning_widget_call", default=None)
_lock = threading.RLock()
_watching: dict[Watcher, Mapping[str, Handler]] = {}
_patches: list[Patch] = []
_own: dict[tuple[int, str], _OwnMethod] = {}


def innermost() -> Call | None:
    """The call at work in this context."""
    return _innermost.get()


def in_use() -> bool:
    """Whether this code runs for somebody who watches."""
    call = _innermost.get()
    return call is not None and call.watcher in _watching


@contextlib.contextmanager
def watching(watcher: Watcher, patches: Callable[[], list[Patch]]) -> Iterator[None]:
    """Within the block, calls made for `watcher` go to its handlers.

    Args:
        watcher: Who watches.
        patches: Makes the patches that put `observed` methods in place. Called for the first watcher only.
    """
    with _lock:
        if not _watching:
            _patches[:] = patches()
            for patch in _patches:
                patch.apply()
        _watching[watcher] = watcher.handlers()
    try:
        with carried(_innermost, _at_work, _check):
            yield
    finally:
        with _lock:
            del _watching[watcher]
            if not _watching:
                for patch in reversed(_patches):
                    patch.remove()
                _patches.clear()


def root_of(watcher: Watcher) -> AbstractContextManager[None]:
    """Within the block, this thread, and whatever it starts, works for `watcher`."""
    return Call(watcher, None).entered()


def observed(name: str, owner: type | None, original: Function, handler: str = "") -> Function:
    """Return the replacement of a method, which passes its calls to the watcher of the run that they are made for.

    Args:
        name: The method's name.
        owner: The class that defines the method; None if an object has it.
        original: The method.
        handler: The name of the watcher's handler; by default the method's name.
    """
    handler = handler or name

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        outer = _innermost.get()
        handlers = None if outer is None else _watching.get(outer.watcher)
        if outer is None or handlers is None:
            return original(self, *args, **kwargs)
        call = Call(outer.watcher, outer, self, name, owner, original)
        if _passes_on(outer, call):
            outer.passed += 1
            call.watcher.passed_on(call)
            return call(*args, **kwargs)
        return handlers[handler](call, *args, **kwargs)

    method.__dict__[_MARK] = True
    return method


def is_looked_at(function: Any) -> bool:
    """Whether `function`, as a class has it, stands in for a method."""
    return _MARK in getattr(getattr(function, "replacement", function), "__dict__", ())


def is_observed(target: Any, name: str) -> bool:
    """Return whether calls of `target.name` are observed at its class, or cannot be because there is no such method."""
    if not hasattr(target, name):
        return True
    own = name in getattr(target, "__dict__", {})
    return not own and is_looked_at(inspect.getattr_static(type(target), name, None))


def within_calls(generator: Function) -> Function:
    """Mark a function that makes generators: all that their code does for others is done within calls of their own."""
    _within_codes.add(generator.__code__)
    return generator


def _is_within(iterator: Iterator[Any]) -> bool:
    return getattr(iterator, "gi_code", None) in _within_codes


@contextlib.contextmanager
def own_method(target: Any, name: str, handler: str) -> Iterator[None]:
    """Within the block, the method of `target` is looked at, which those of its class do not reach.

    Args:
        target: The object.
        name: The method's name.
        handler: Which of the watchers' handlers takes the calls.
    """
    key = (id(target), name)
    with _lock:
        own = _own.get(key)
        if own is None:
            own = _own[key] = _OwnMethod(target, name, handler)
        own.users += 1
    try:
        yield
    finally:
        with _lock:
            own.users -= 1
            if not own.users:
                own.remove()
                del _own[key]


class _OwnMethod:
    """A method in an object's attributes, replaced."""

    def __init__(self, target: Any, name: str, handler: str) -> None:
        self._target = target  # also keeps the id from being given to another object
        self._name = name
        self._had = name in vars(target)
        self._found = getattr(target, name)
        self.users = 0
        stand_in = observed(name, None, _without_self(self._found), handler)
        setattr(target, name, functools.wraps(self._found)(functools.partial(stand_in, target)))

    def remove(self) -> None:
        """Leave the object as it was found."""
        if self._had:
            setattr(self._target, self._name, self._found)
        else:
            delattr(self._target, self._name)


def _without_self(found: Function) -> Function:
    @functools.wraps(found)
    def function(_: Any, *args: Any, **kwargs: Any) -> Any:
        return found(*args, **kwargs)

    return function


def _passes_on(outer: Call, call: Call) -> bool:
    if outer.target is not call.target or outer.name != call.name or call.owner is None:
        return False
    return outer.owner is None or (outer.owner is not call.owner and issubclass(outer.owner, call.owner))


def _at_work(call: Call) -> AbstractContextManager[None]:
    return call.watcher.at_work()


def _check(call: Call) -> None:
    call.watcher.check()


def _forget() -> None:
    """In a process that was forked off, nobody watches: its steps would reach no one."""
    global _lock  # noqa: PLW0603 (whoever held it is not here)
    _lock = threading.RLock()
    _watching.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
