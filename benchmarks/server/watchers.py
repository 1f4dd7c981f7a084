"""Very cheap clients: a thousand of them leave a core to the server that they watch."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Self, cast
from urllib.parse import urlsplit

RUN_FINISHED: Final = b'{"type":"run_finished"'
SESSION: Final = b'{"type":"session"'
STEP: Final = b'{"type":"reasoning_step"'

_AT_ONCE = 50  # connections made at the same time
_SMALL = 4096  # bytes
_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nAuthorization: token {token}\r\n\r\n"
)


@dataclass
class _Awaited:
    """A wait for the last of `count` messages with this beginning."""

    beginning: bytes
    count: int
    heard: asyncio.Future[bytes]


class Watcher(asyncio.Protocol):
    """One connection. The messages that it receives are counted, and passed on unchanged.

    Args:
        on_message: Called with each message.

    Attributes:
        messages: The number of received messages.
    """

    def __init__(self, on_message: Callable[[bytes], None] | None = None) -> None:
        self.messages = 0
        self.on_message = on_message
        self._buffer = bytearray()
        self._awaited: list[_Awaited] = []
        self._opened = asyncio.get_running_loop().create_future()
        self._closed = asyncio.get_running_loop().create_future()

    @classmethod
    async def connect(
        cls, address: str, token: str, on_message: Callable[[bytes], None] | None = None, *, small: bool = False
    ) -> Self:
        """Connect to `address`, ``ws://…``. With `small`, the system buffers little unread data for the watcher."""
        url = urlsplit(address)
        loop = asyncio.get_running_loop()
        plain = socket.socket()
        plain.setblocking(False)
        if small:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        await loop.sock_connect(plain, (url.hostname, url.port))
        _, watcher = await loop.create_connection(lambda: cls(on_message), sock=plain)
        path = f"{url.path}?{url.query}" if url.query else url.path
        await watcher.shake_hands(_HANDSHAKE.format(path=path, host=url.netloc, token=token))
        return watcher

    async def shake_hands(self, request: str) -> None:
        """Upgrade the connection to a WebSocket."""
        self._transport.write(request.encode())
        await self._opened

    def send(self, message: Any) -> None:
        """Send a text, or anything else as JSON."""
        text = message if isinstance(message, str) else json.dumps(message)
        body = text.encode()
        length = bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + struct.pack("!H", len(body))
        self._transport.write(b"\x81" + length + b"\0\0\0\0" + body)  # a mask of zeros changes nothing

    def ask(self, agent: str, question: str) -> None:
        """Ask an agent."""
        self.send({"type": "chat", "payload": {"message": question, "agent_name": agent}})

    def until(self, beginning: bytes = b"", count: int = 1) -> asyncio.Future[bytes]:
        """Return a future for the next message with this beginning, or the last of `count` such messages."""
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._awaited.append(_Awaited(beginning, count, heard))
        return heard

    def sleep(self) -> None:
        """Stop reading."""
        self._transport.pause_reading()

    def wake(self) -> None:
        """Resume reading."""
        self._transport.resume_reading()

    async def close(self) -> None:
        """Close the connection, and wait until it is closed."""
        self._transport.close()
        await self._closed

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(ConnectionError("the handshake failed"))
        for awaited in self._awaited:
            awaited.heard.set_exception(ConnectionError("the server has closed the connection"))
        self._closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._opened.done():
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._transport.abort()
                return
            self._buffer = rest
            self._opened.set_result(None)
        self._take_messages()

    def _take_messages(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) >= at + 2:
            length, head = buffer[at + 1], 2
            if length == 126:
                length, head = int.from_bytes(buffer[at + 2 : at + 4]), 4
            elif length == 127:
                length, head = int.from_bytes(buffer[at + 2 : at + 10]), 10
            if len(buffer) < at + head + length:
                break
            if buffer[at] == 0x81:
                self._take(bytes(buffer[at + head : at + head + length]))
            at += head + length
        del buffer[:at]

    def _take(self, message: bytes) -> None:
        self.messages += 1
        if self.on_message is not None:
            self.on_message(message)
        for awaited in self._awaited:
            if message.startswith(awaited.beginning):
                awaited.count -= 1
                if awaited.count == 0:
                    awaited.heard.set_result(message)
                    self._awaited = [each for each in self._awaited if each is not awaited]


async def connect_many(address: str, token: str, count: int) -> list[Watcher]:
    """Connect this many watchers."""
    watchers: list[Watcher] = []
    while len(watchers) < count:
        missing = min(_AT_ONCE, count - len(watchers))
        watchers += await asyncio.gather(*(Watcher.connect(address, token) for _ in range(missing)))
    return watchers


async def close_all(watchers: Iterable[Watcher]) -> None:
    """Close the connections."""
    await asyncio.gather(*(watcher.close() for watcher in watchers))
