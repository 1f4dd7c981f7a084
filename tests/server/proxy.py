"""A TCP proxy that cuts connections, possibly in the middle of a frame."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_PIECE = 64 * 1024


class Proxy:
    """Relays connections to a server. Entering the context starts it; leaving cuts all its connections.

    Args:
        origin: The server: ``http://127.0.0.1:<port>``.
        cuts: For each connection in turn, the number of bytes, in both directions together, after which it is cut.
            Connections for which no number is left are not cut.

    Attributes:
        origin: The address at which the proxy listens.
        cut_count: The number of connections that were cut because of `cuts`.
    """

    def __init__(self, origin: str, cuts: Iterable[int] = ()) -> None:
        self.origin = origin
        self.cut_count = 0
        self._target = urlsplit(origin)
        self._cuts = iter(cuts)
        self._connections: set[_Connection] = set()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.origin = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        self.cut()
        await self._listener.wait_closed()

    def cut(self) -> None:
        """Cut all connections."""
        for connection in list(self._connections):
            connection.cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:
            writer.transport.abort()  # the client must notice that the server cannot be reached
            return
        connection = _Connection((reader, writer), far, next(self._cuts, None))
        self._connections.add(connection)
        try:
            await connection.forward()
        finally:
            self._connections.discard(connection)
            self.cut_count += connection.left == 0


class _Connection:
    """A client and the server.

    Attributes:
        left: The number of bytes that may still pass; None for any number.
    """

    def __init__(
        self,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        left: int | None,
    ) -> None:
        self._near, self._far = near, far
        self.left = left

    async def forward(self) -> None:
        """Pass on the bytes of both sides, until one closes its connection or it is cut."""
        ways = [(self._near[0], self._far[1]), (self._far[0], self._near[1])]
        passing = [asyncio.create_task(self._pass_on(*way)) for way in ways]
        await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        self.cut()
        await asyncio.wait(passing)
        for _, writer in (self._near, self._far):
            with suppress(OSError):
                await writer.wait_closed()

    def cut(self) -> None:
        """Abort both connections, as when a cable is cut."""
        for _, writer in (self._near, self._far):
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while self.left != 0 and (piece := await reader.read(_PIECE)):
                if self.left is not None:
                    piece = piece[: self.left]
                    self.left -= len(piece)
                writer.write(piece)
                await writer.drain()
