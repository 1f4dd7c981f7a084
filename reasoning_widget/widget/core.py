"""The code that draws all chats of a page, sent once as the state of a hidden widget that the chats share.

Unlike a message that the page requests, the state of a widget reaches the page while a cell is running. Each chat has
only a small loader, and the id and version of its core.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from typing import Any, ClassVar, Final

import ipywidgets
import traitlets

from .built import read_built

_PARTS: Final = {"source": "widget.js", "style": "widget.css"}


class Core(ipywidgets.Widget):  # type: ignore[misc] # it is published without types
    """The hidden widget with the code. It has no view.

    Attributes:
        shared: The widget that all chats of the kernel refer to.
    """

    shared: ClassVar[Core | None] = None

    source = traitlets.Unicode(help="The script, an ES module.").tag(sync=True)
    style = traitlets.Unicode(help="The style sheet of the views.").tag(sync=True)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return the state for a page. With `make dev`, a reloaded page gets the latest build."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        if "REASONING_WIDGET_DEV" in os.environ:
            core_source.cache_clear()
            state |= {part: text for part, text in core_source().items() if part in state}
        return state


class SmallLayout(ipywidgets.Layout):  # type: ignore[misc]
    """A layout that omits traits that were not set, to keep messages and files small."""

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return the state, without unset traits, as `ipywidgets.Widget.get_state` does for all traits."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        return state if key is not None else {name: value for name, value in state.items() if value is not None}


@cache
def core_source() -> dict[str, str]:
    """Read the script and the style sheet.

    Raises:
        FileNotFoundError: They were not built. The message says how to build them.
    """
    return {part: read_built(file) for part, file in _PARTS.items()}


@cache
def core_version() -> str:
    """Return the version of this core, which a page may use beside the cores of other kernels."""
    return hashlib.sha256("\0".join(core_source().values()).encode()).hexdigest()[:16]


def core_reference() -> str:
    """Return a reference to the hidden widget for the state of a chat. The first call creates the widget."""
    if Core.shared is None or Core.shared.comm is None:  # it was closed, as by `Widget.close_all`
        Core.shared = Core(**core_source())
    return f"IPY_MODEL_{Core.shared.model_id}"
