"""Tornado's WebSockets: what is still being sent, and how much is held of messages that have not ended.

For tornado 6.4 to 6.6. Two parts that are not documented are used:

- `WebSocketHandler.ws_connection.stream`, the connection's `IOStream`. `write_message` returns a future for each
  message, as https://github.com/tornadoweb/tornado/pull/1478 proposed, but that future is only done one turn of the
  event loop after the message has left, and there is no public way to drop a connection without a closing handshake.
  Without this seam a client that stops reading fills the server's memory, and one that has vanished is never dropped.
- `WebSocketProtocol13._read_bytes` and `_handle_message`, between which Tornado holds a message that has not ended.
  Tornado limits the size of each message, but not of all of them together. Without this seam, a few connections that
  begin long messages and do not end them fill the server's memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketHandler, WebSocketProtocol, WebSocketProtocol13

_CHUNK_BYTES: Final = 256 * 1024
"""The size of the pieces in which a long frame is read and counted."""


def is_sending(handler: WebSocketHandler) -> bool:
    """Whether a part of what was sent to the client has not left yet, because the client does not read it."""
    stream = _stream(handler)
    return stream is not None and stream.writing()


async def all_sent(handler: WebSocketHandler) -> None:
    """Wait until everything that was sent has left, or the connection is closed."""
    stream = _stream(handler)
    if stream is not None and stream.writing():
        with contextlib.suppress(StreamClosedError):
            await stream.write(b"")  # done as soon as everything before it is


def drop(handler: WebSocketHandler) -> None:
    """Close the connection without a closing handshake, which a client that has vanished would not answer."""
    stream = _stream(handler)
    if stream is not None:
        stream.close()


def _stream(handler: WebSocketHandler) -> IOStream | None:
    """Return the TCP stream of a WebSocket; None before the handshake and after the end."""
    return getattr(handler.ws_connection, "stream", None)


class IncomingCounter(Protocol):
    """Counts what connections hold of messages that have not ended."""

    def add(self, connection: CountingConnection, size: int, /) -> None:
        """Count bytes of a message that has not ended. May call `refuse`, on this connection or another."""

    def remove(self, connection: CountingConnection, /) -> None:
        """Forget the bytes of this connection: its message has ended, or never will."""


def counting_connection(
    original: WebSocketProtocol | None, handler: WebSocketHandler, counter: IncomingCounter
) -> WebSocketProtocol | None:
    """Return the connection to use instead of the one that Tornado chose for a handshake.

    Args:
        original: The result of `WebSocketHandler.get_websocket_protocol`.
        handler: The handler of the WebSocket.
        counter: Counts the connection's incoming messages.
    """
    if not isinstance(original, WebSocketProtocol13):
        return original
    return CountingConnection(counter, handler, False, original.params)


class CountingConnection(WebSocketProtocol13):
    """Tornado's connection, which counts the bytes of incoming messages that have not ended."""

    def __init__(self, counter: IncomingCounter, *args: Any) -> None:
        super().__init__(*args)
        self._counter = counter
        self._refused = False

    def refuse(self, code: int, reason: str) -> None:
        """Close the connection, and release what it holds."""
        self._refused = True
        self.close(code, reason)
        self.stream.close()

    def on_connection_close(self) -> None:
        """Forget the message that has not ended."""
        self._counter.remove(self)
        super().on_connection_close()

    async def _read_bytes(self, n: int) -> bytes:
        """Read as Tornado does, but count each piece of a long frame when it arrives."""
        if n <= _CHUNK_BYTES:
            data = await super()._read_bytes(n)
            self._count(n)
            return data
        chunks = []
        missing = n
        while missing > 0:
            chunk = await self.stream.read_bytes(min(missing, _CHUNK_BYTES), partial=True)
            missing -= len(chunk)
            chunks.append(chunk)
            self._count(len(chunk))
        self._wire_bytes_in += n
        return b"".join(chunks)

    def _count(self, size: int) -> None:
        self._counter.add(self, size)
        if self._refused:
            raise StreamClosedError

    def _handle_message(self, opcode: int, data: bytes) -> Any:
        """Handle a message that has ended, or a control frame, which may come between the frames of a message."""
        if self._fragmented_message_buffer is None:
            self._counter.remove(self)
        handle: Callable[[int, bytes], Any] = super()._handle_message
        return handle(opcode, data)
