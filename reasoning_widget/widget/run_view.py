"""What `ask` shows below its cell: the cards of its own run, out of the chat that the page has already."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from .link import STATIC


class RunView(anywidget.AnyWidget):
    """One question of a chat. Its module is tiny: it draws from the store of the chat's own model."""

    _esm = STATIC / "run.js"
    chat = traitlets.Unicode(help="The model id of the chat.").tag(sync=True)
    message_id = traitlets.Unicode(help="The id of the message.").tag(sync=True)

    def view_bundle(self) -> dict[str, Any]:
        """The MIME bundle of the live view."""
        return view_bundle(self)


def view_bundle(widget: anywidget.AnyWidget) -> dict[str, Any]:
    """The MIME bundle of a widget's live view, without its text form."""
    made = widget._repr_mimebundle_()
    bundle: dict[str, Any] = dict((made[0] if isinstance(made, tuple) else made) or {})
    bundle.pop("text/plain", None)
    return bundle
