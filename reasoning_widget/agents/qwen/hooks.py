"""Observe methods of other people's objects during a run, and put them back afterwards.

Methods are replaced in every class that defines them. The replacement finds the run that it works for in a context
variable, and does nothing if there is none. Of a chain of `super()` calls only the outermost one is observed.
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
    """Observes the objects of one run."""

    def handlers(self) -> Mapping[str, Handler]:
        """Return the functions that are called in place of the methods, by the methods' names."""

    def super_called(self, call: Call) -> None:
        """Note that a method calls the one that it overrides."""

    def working(self) -> AbstractContextManager[None]:
        """Return a context manager to enter around work of the run in a thread or a pool."""

    def check(self) -> None:
        """Check whether work that the run submitted to a pool may begin.

        Raises:
            Ends: It may not.
        """


def _no_method(*_: Any, **__: Any) -> Any:
    """Placeholder for the method of the call at the root of a run, which has none."""
    raise NotImplementedError


class Call:
    """A call of an observed method, as long as the method, or the iterator that it returned, is executing.

    Attributes:
        watcher: The watcher of the run that the call belongs to.
        outer: The call within which it was made; None at the root of a run.
        target: The object.
        name: The method's name.
        owner: The class that defines the method; None if the object itself has it.
        function: The original method, to be called with `target`.
        note: An object that the watcher attaches.
        super_calls: How often the method has called the one that it overrides.
    """

    __slots__ = ("function", "name", "note", "outer", "owner", "super_calls", "target", "watcher")

    def __init__(
        self,
        watcher: Watcher,
        outer: Call | None,
        target: Any = None,
        name: str = "",
        owner: type | None = None,
        function: Function = _no_method,
    ) -> None:
        self.watcher = watcher
        self.outer = outer
        self.target = target
        self.name = name
        self.owner = owner
        self.function = function
        self.note: Any = None
        self.super_calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the original method."""
        with self.entered():
            result = self.function(self.target, *args, **kwargs)
        return self._iterate(result) if isinstance(result, Iterator) and not _is_iterated(result) else result

    def unobserved(self, *args: Any, **kwargs: Any) -> Any:
        """Call the original method as if this call were not observed."""
        return self.function(self.target, *args, **kwargs)

    @property
    def own_method(self) -> Function:
        """The object's own method as it was, to be called without the object."""
        method: Function = self.function.__wrapped__  # type: ignore[attr-defined]
        return method

    def stack(self) -> Iterator[Call]:
        """Yield this call and the calls around it, innermost first."""
        call: Call | None = self
        while call is not None:
            yield call
            call = call.outer

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Make this the innermost call within the block."""
        token = _innermost.set(self)
        try:
            yield
        finally:
            _innermost.reset(token)

    def _iterate(self, iterator: Iterator[Any]) -> Generator[Any, None, Any]:
        # The caller may take items in any context, and does other work in between.
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


_MARK = "_reasoning_widget_observed"
_iterating_codes = {vars(Call)["_iterate"].__code__}
"""The code of generators that enter their call whenever they execute."""
_innermost: ContextVar[Call | None] = ContextVar("reasoning_widget_call", default=None)
_lock = threading.RLock()
_watching: dict[Watcher, Mapping[str, Handler]] = {}
_patches: list[Patch] = []
_own: dict[tuple[int, str], _OwnMethod] = {}


def innermost() -> Call | None:
    """Return the call that is executing in this context, or None."""
    return _innermost.get()


def in_use() -> bool:
    """Return whether the current code works for a watched run."""
    call = _innermost.get()
    return call is not None and call.watcher in _watching


@contextlib.contextmanager
def watching(watcher: Watcher, patches: Callable[[], list[Patch]]) -> Iterator[None]:
    """Pass the calls that are made for `watcher` to its handlers within the block.

    Args:
        watcher: The watcher.
        patches: Makes the patches that put `observed` methods in place. Called if there is no other watcher.
    """
    with _lock:
        if not _watching:
            _patches[:] = patches()
            for patch in _patches:
                patch.apply()
        _watching[watcher] = watcher.handlers()
    try:
        with carried(_innermost, _working, _check):
            yield
    finally:
        with _lock:
            del _watching[watcher]
            if not _watching:
                for patch in reversed(_patches):
                    patch.remove()
                _patches.clear()


def root_of(watcher: Watcher) -> AbstractContextManager[None]:
    """Return a context manager within which this thread, and threads that it starts, work for `watcher`."""
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
        if _is_super_call(outer, call):
            outer.super_calls += 1
            call.watcher.super_called(call)
            return call(*args, **kwargs)
        return handlers[handler](call, *args, **kwargs)

    method.__dict__[_MARK] = True
    return method


def is_replacement(function: Any) -> bool:
    """Return whether `function`, as a class has it, was made by `observed`."""
    return _MARK in getattr(getattr(function, "replacement", function), "__dict__", ())


def is_observed(target: Any, name: str) -> bool:
    """Return whether calls of `target.name` are observed at its class, or cannot be because there is no such method."""
    if not hasattr(target, name):
        return True
    own = name in getattr(target, "__dict__", {})
    return not own and is_replacement(inspect.getattr_static(type(target), name, None))


def within_calls(generator: Function) -> Function:
    """Mark a generator function whose iterators enter their calls themselves, so that they need not be wrapped."""
    _iterating_codes.add(generator.__code__)
    return generator


def _is_iterated(iterator: Iterator[Any]) -> bool:
    return getattr(iterator, "gi_code", None) in _iterating_codes


@contextlib.contextmanager
def own_method(target: Any, name: str, handler: str) -> Iterator[None]:
    """Observe a method that `target` itself has within the block.

    Args:
        target: The object.
        name: The method's name.
        handler: The name of the watcher's handler.
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
        self._was_own = name in vars(target)
        self._original = getattr(target, name)
        self.users = 0
        replacement = observed(name, None, _without_self(self._original), handler)
        setattr(target, name, functools.wraps(self._original)(functools.partial(replacement, target)))

    def remove(self) -> None:
        """Put the method back."""
        if self._was_own:
            setattr(self._target, self._name, self._original)
        else:
            delattr(self._target, self._name)


def _without_self(original: Function) -> Function:
    @functools.wraps(original)
    def function(_: Any, *args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    return function


def _is_super_call(outer: Call, call: Call) -> bool:
    if outer.target is not call.target or outer.name != call.name or call.owner is None:
        return False
    return outer.owner is None or (outer.owner is not call.owner and issubclass(outer.owner, call.owner))


def _working(call: Call) -> AbstractContextManager[None]:
    return call.watcher.working()


def _check(call: Call) -> None:
    call.watcher.check()


def _forget() -> None:
    """Forget all watchers in a forked process, whose steps would reach nobody."""
    global _lock  # noqa: PLW0603 (a thread that does not exist here may hold the old one)
    _lock = threading.RLock()
    _watching.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
