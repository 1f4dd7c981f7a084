"""What draws every chat of a page: the kernel sends it once, as the state of a hidden widget that all chats share.

The state of a widget reaches a page also while a cell holds the kernel, which a message that the page would have to ask
for does not. Each chat carries only a small loader, and names the core that it goes with.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from typing import Any, Final

import ipywidgets
import traitlets

from .built import read_built

_PARTS: Final = {"source": "widget.js", "style": "widget.css"}
_hidden: Core | None = None


class Core(ipywidgets.Widget):  # type: ignore[misc] # it is published without types
    """The hidden widget. It has no view."""

    source = traitlets.Unicode(help="The script, an ES module.").tag(sync=True)
    style = traitlets.Unicode(help="The style sheet of the views.").tag(sync=True)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return the state for a page. With `make dev`, a page that was reloaded gets what was built last."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        if "REASONING_WIDGET_DEV" in os.environ:
            core_source.cache_clear()
            state |= {part: text for part, text in core_source().items() if part in state}
        return state


class SmallLayout(ipywidgets.Layout):  # type: ignore[misc]
    """A layout of which only what was set travels, and is kept in files."""

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """See `ipywidgets.Widget.get_state`."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        return state if key is not None else {name: value for name, value in state.items() if value is not None}


@cache
def core_source() -> dict[str, str]:
    """Read the script and the style sheet.

    Raises:
        FileNotFoundError: See `read_built`.
    """
    return {part: read_built(file) for part, file in _PARTS.items()}


@cache
def core_version() -> str:
    """What tells this core from those of other kernels that the same page may have to do with."""
    return hashlib.sha256("\0".join(core_source().values()).encode()).hexdigest()[:16]


def core_reference() -> str:
    """How a chat refers to the hidden widget, which is made when it is first needed."""
    global _hidden  # noqa: PLW0603 (one a kernel)
    if _hidden is None or _hidden.comm is None:  # it was closed, with all other widgets
        _hidden = Core(**core_source())
    return f"IPY_MODEL_{_hidden.model_id}"
