"""How every message of a client is answered, whatever brought it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ..protocol import ClientMessage, Frame, ProtocolError, Transport, parse_client_message
from .log import StorageError

Receive = Callable[[ClientMessage], list[Frame]]
"""Carries a message out, and returns what to tell its sender besides `ack`. May raise what `dispatch` reports."""


def dispatch(raw: object, transport: Transport, receive: Receive) -> list[Frame]:
    """What to tell the sender of a decoded message: other frames and `ack` if it had an id, or only an `error`.

    A `ProtocolError` or a `StorageError` is reported as `error`.

    A prompt without an id is given one, which the `ack` tells.

    Args:
        raw: The message.
        transport: How its sender is connected.
        receive: Carries it out.
    """
    try:
        message = parse_client_message(raw, transport)
        if message["type"] == "chat" and "id" not in message:
            message["id"] = f"m-{secrets.token_hex(6)}"
        replies = receive(message)
    except (ProtocolError, StorageError) as error:
        return [refusal(error, raw)]
    return [*replies, {"type": "ack", "data": {"id": message["id"]}}] if "id" in message else replies


def refusal(error: ProtocolError | StorageError, raw: object) -> Frame:
    """The `error` frame for the sender of a message, with the message's id where it can be read.

    Args:
        error: Why the message is refused.
        raw: The message, as far as it was decoded.
    """
    if isinstance(error, StorageError):
        error = ProtocolError("storage_failed", str(error))
    if error.id is None and isinstance(raw, dict) and isinstance(raw.get("id"), str):
        error.id = raw["id"]
    return error.frame()
