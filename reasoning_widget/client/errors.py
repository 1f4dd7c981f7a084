"""The errors between a client and its server, each with one text wherever it occurs."""

from __future__ import annotations

import json


class Disconnected(ConnectionError):
    """There is no connection, and no attempt to reconnect. The message says why.

    Args:
        message: The reason, for the person.
        final: Whether further attempts would fail in the same way.
    """

    def __init__(self, message: str = "", *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class NotAllowed(Disconnected, PermissionError):
    """The server refuses access: the token or ticket is missing, wrong or expired."""


def unreachable(base: str, error: BaseException) -> Disconnected:
    """Return the error for a server that does not answer.

    Args:
        base: The base address of the server.
        error: The error of the attempt to connect.
    """
    return Disconnected(f"No server answers at {base} ({_reason(error)}). Is it running, and is this its address?")


def rejected(base: str, status: int, body: bytes | bytearray | None) -> Disconnected:
    """Return the error for a response that reports a failure.

    Args:
        base: The base address of the server.
        status: The HTTP status.
        body: The body of the response.
    """
    message = message_in(body)
    if "_xsrf" in message:  # how Jupyter Server reports a wrong token, in words that mislead
        message = ""
    detail = f"{status}: {message.rstrip('.')}" if message else str(status)
    if status >= 500 or status == 429:
        return Disconnected(f"The server at {base} cannot serve requests now ({detail}).")
    if status in (401, 403):
        return NotAllowed(f"The server at {base} refuses access ({detail}).", final=True)
    if status == 400 or (message and status != 404):
        return Disconnected(f"The server at {base} rejects the request ({detail}).", final=True)
    return Disconnected(
        f"There is no reasoning-widget at {base} ({status}). Is this the server's base address, without /lab or /tree, "
        "and is reasoning-widget installed where the server runs?",
        final=True,
    )


def message_in(body: bytes | bytearray | None) -> str:
    """Return the message in the body of an error response; empty if there is none."""
    try:
        return str(json.loads(body or b"")["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _reason(error: BaseException) -> str:
    """Describe why a connection failed. HTTP libraries wrap the operating system's error, which says it best."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TimeoutError):
            return "it takes too long"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__
