"""Answers each message of a client with `ack` or `error`, on every transport."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ..protocol import ClientMessage, Frame, ProtocolError, Transport, parse_client_message
from .log import StorageError

Receive = Callable[[ClientMessage], list[Frame]]
"""Carries out a message, and returns the frames for its sender besides `ack`. May raise `ProtocolError` and
`StorageError`."""


def dispatch(raw: object, transport: Transport, receive: Receive) -> list[Frame]:
    """Carry out a decoded message, and return the frames for its sender.

    These are the frames from `receive`, and then an `ack` if the message has an id. If the message is refused, there is
    only an `error`. A prompt without an id gets one, which is in its `ack`.

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
    """Return the `error` frame for the sender of a refused message, with the message's id if it has one.

    Args:
        error: The reason.
        raw: The message, as far as it could be decoded.
    """
    if isinstance(error, StorageError):
        error = ProtocolError("storage_failed", str(error))
    if error.id is None and isinstance(raw, dict) and isinstance(raw.get("id"), str):
        error.id = raw["id"]
    return error.frame()
