"""What `ask` shows below its cell: the cards of its own run, out of the chat that the page has already."""

from __future__ import annotations

import anywidget
import traitlets

from .built import built_module
from .core import SmallLayout


class RunView(anywidget.AnyWidget):
    """One question of a chat. Its module is tiny: it draws from the store of the chat's own model.

    Args:
        chat: The model id of the chat.
        message_id: The id of the message.
    """

    _esm = built_module("run.js")
    chat = traitlets.Unicode(help="The model id of the chat.").tag(sync=True)
    message_id = traitlets.Unicode(help="The id of the message.").tag(sync=True)

    def __init__(self, chat: str, message_id: str) -> None:
        super().__init__(chat=chat, message_id=message_id, layout=SmallLayout())
