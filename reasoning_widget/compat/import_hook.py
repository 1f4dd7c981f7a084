"""Changes other people's modules, whenever they are imported, without importing them."""

from __future__ import annotations

import importlib
import importlib.abc
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class Seam(importlib.abc.MetaPathFinder):
    """Changes the modules: now, or as soon as they are imported. They stay so: a thread may outlive its tool call.

    Args:
        patches: What patches each module, by the module's name.
    """

    def __init__(self, patches: Mapping[str, Callable[[Any], None]]) -> None:
        self._patches = patches
        self._lock = threading.Lock()
        self._installed = False

    def install(self) -> None:
        """Do it, once."""
        with self._lock:
            if self._installed:
                return
            self._installed = True
            sys.meta_path.insert(0, self)  # first: nothing may slip through in between
            for name, patch in self._patches.items():
                if name in sys.modules:
                    patch(importlib.import_module(name))  # which waits if another thread is about to import it

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find; but for our modules, with a loader that patches them."""
        if fullname not in self._patches:
            return None
        for finder in sys.meta_path:
            find: Any = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if finder is self or find is None else find(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _PatchingLoader(spec.loader, self._patches[fullname])
                return spec
        return None


class _PatchingLoader(importlib.abc.Loader):
    """A loader whose module is changed once it has run."""

    def __init__(self, loader: Any, patch: Callable[[Any], None]) -> None:
        self._loader = loader
        self._patch = patch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """See `Loader`."""
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        """See `Loader`."""
        self._loader.exec_module(module)
        self._patch(module)
