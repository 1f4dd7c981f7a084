"""The output of `ask`: the cards of its run, drawn from the chat that the page already has."""

from __future__ import annotations

import anywidget
import traitlets

from .built import built_module
from .core import SmallLayout


class RunView(anywidget.AnyWidget):
    """The view of one prompt of a chat. Its module is small, because it draws from the store of the chat's widget.

    Args:
        chat: The model id of the chat's widget.
        message_id: The id of the message.
    """

    _esm = built_module("run.js")
    chat = traitlets.Unicode(help="The model id of the chat.").tag(sync=True)
    message_id = traitlets.Unicode(help="The id of the message.").tag(sync=True)

    def __init__(self, chat: str, message_id: str) -> None:
        super().__init__(chat=chat, message_id=message_id, layout=SmallLayout())
