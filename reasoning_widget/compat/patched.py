"""Replace methods in every class that defines them, and put them back.

Patching only the base class is not enough, because overriding methods need not call it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Function = Callable[..., Any]
Wrap = Callable[[type, Function], Function | None]
"""Makes the replacement of a method from the class that defines it and the original function. None keeps it."""


class Patch:
    """Methods, replaced wherever a class defines them: in `base`, in its subclasses, and in those that are made later.

    Args:
        base: The class at the root.
        methods: What makes the replacement of each method, by the method's name. Replacements should be made with
            `functools.wraps`, so that they keep what they replace in `__wrapped__`.
    """

    def __init__(self, base: Any, methods: Mapping[str, Wrap]) -> None:
        self._base = base
        self._methods = methods
        self._lock = threading.RLock()
        self._applied = False
        self._replaced: list[tuple[type, str, Any, Any]] = []

    def apply(self) -> None:
        """Replace the methods, until `remove`."""
        with self._lock:
            self._applied = True
            for each in _with_subclasses(self._base):
                self._replace(each)
            self._put(self._base, "__init_subclass__", self._announcing())

    def remove(self) -> None:
        """Put the methods back. What somebody else has put in their place meanwhile stays."""
        with self._lock:
            self._applied = False
            for owner, name, found, replacement in reversed(self._replaced):
                if vars(owner).get(name) is not replacement:
                    continue
                if found is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, found)
            self._replaced.clear()

    def _announcing(self) -> Any:
        """An `__init_subclass__` that tells of new classes."""
        base, found = self._base, vars(self._base).get("__init_subclass__")

        def init_subclass(cls: Any, /, **kwargs: Any) -> None:
            if found is None:
                super(base, cls).__init_subclass__(**kwargs)
            else:
                found.__get__(None, cls)(**kwargs)
            with self._lock:
                if self._applied:
                    self._replace(cls)

        return classmethod(init_subclass)

    def _replace(self, owner: type) -> None:
        for name, wrap in self._methods.items():
            found = vars(owner).get(name)
            if found is None and owner is self._base:
                found = getattr(owner, name)  # inherited: it is replaced from here on downwards
            if found is None:
                continue
            is_function = hasattr(found, "__code__")
            replacement = wrap(owner, found if is_function else _as_function(found))
            if replacement is not None:
                self._put(owner, name, replacement if is_function else _Descriptor(found, replacement))

    def _put(self, owner: type, name: str, replacement: Any) -> None:
        self._replaced.append((owner, name, vars(owner).get(name), replacement))
        setattr(owner, name, replacement)


def _as_function(found: Any) -> Function:
    """What is called where a class has a static method, a partial one, or any object that can be called."""

    def function(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = found.__get__(self, type(self)) if hasattr(found, "__get__") else found
        return bound(*args, **kwargs)

    return function


class _Descriptor:
    """Stands in for what is no function in its class; read from the class itself, it is what it was."""

    def __init__(self, found: Any, replacement: Any) -> None:
        self._found = found
        self.replacement = replacement

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None and hasattr(self._found, "__get__"):
            return self._found.__get__(None, owner)
        return self._found if instance is None else self.replacement.__get__(instance, owner)


def _with_subclasses(base: Any) -> Iterator[Any]:
    seen: set[type] = set()
    look_at = [base]
    while look_at:
        each = look_at.pop()
        if each not in seen:
            seen.add(each)
            yield each
            look_at += type.__subclasses__(each)
