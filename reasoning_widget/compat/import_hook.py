"""Patch modules of other projects when they are imported, without importing them."""

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
    """Patches modules: at once if they are imported already, otherwise when they are.

    Patches are never removed, because a thread may outlive its tool call.

    Args:
        patches: The function that patches each module, by the module's name.
    """

    def __init__(self, patches: Mapping[str, Callable[[Any], None]]) -> None:
        self._patches = patches
        self._lock = threading.Lock()
        self._installed = False

    def install(self) -> None:
        """Patch the imported modules, and hook the import of the others. Later calls have no effect."""
        with self._lock:
            if self._installed:
                return
            self._installed = True
            sys.meta_path.insert(0, self)  # first, so that no import is missed in between
            for name, patch in self._patches.items():
                if name in sys.modules:
                    patch(importlib.import_module(name))  # waits while another thread imports it

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module with the other finders, and wrap its loader if it is to be patched."""
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
    """A loader that patches its module after executing it."""

    def __init__(self, loader: Any, patch: Callable[[Any], None]) -> None:
        self._loader = loader
        self._patch = patch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module with the original loader."""
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module with the original loader, then patch it."""
        self._loader.exec_module(module)
        self._patch(module)
