"""The network side of a `Link`: its current WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException

from ..compat.websockets import logger_without_secrets
from ..depth import loads
from ..protocol import JSON, PROTOCOL_VERSION, Frame, encode
from .address import Address
from .errors import rejected, unreachable

SUBPROTOCOL: Final = "reasoning-widget.v1"
"""The WebSocket subprotocol that this client speaks."""

_CLOSE_TIMEOUT: Final = 2.0  # seconds for the server's part of the closing handshake

_logger = logger_without_secrets("reasoning_widget.client.transport")


class WebSocketTransport:
    """Connects, sends and receives, on the event loop that runs when it is created.

    Args:
        address: The server.
        session_id: The session.
        on_frame: Called with each frame.
        on_lost: Called with a close code (0 if there is none) and a reason when the connection breaks or fails.
        on_rejected: Called with the reason when the server rejects the connection, and would reject the next one too.
    """

    def __init__(
        self,
        address: Address,
        session_id: str,
        on_frame: Callable[[Frame], None],
        on_lost: Callable[[int, str], None],
        on_rejected: Callable[[str], None],
    ) -> None:
        self._address = address
        self._session_id = session_id
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._on_rejected = on_rejected
        self._outgoing: asyncio.Queue[JSON] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def connect(self, epoch: str | None, after: int | None) -> None:
        """Start to connect. A callback reports the result.

        Args:
            epoch: The id of the log that is already here, if any.
            after: The position behind which events are wanted; None for new events only.
        """
        self.close()
        query = {"stream": "tokens", "protocol": str(PROTOCOL_VERSION)}
        if after is not None:
            query["after"] = str(after)
        if epoch is not None:
            query["epoch"] = epoch
        self._outgoing = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._run(self._address.socket(self._session_id, **query)))

    def send(self, message: JSON) -> None:
        """Send a message. It is discarded if the connection is broken."""
        self._outgoing.put_nowait(message)

    def close(self) -> None:
        """Close the connection, or stop connecting. No callback is called any more."""
        if self._task is not None:
            self._task.cancel()
            self._closing.add(self._task)
            self._task.add_done_callback(self._closing.discard)
            self._task = None

    async def wait_closed(self) -> None:
        """Wait until every connection on which `close` was called is closed."""
        if self._closing:
            await asyncio.wait(self._closing)

    async def _run(self, url: str) -> None:
        """Run one connection, from the handshake to its end."""
        base = self._address.base
        try:
            socket = await connect(
                url,
                additional_headers=self._address.headers,
                subprotocols=[SUBPROTOCOL],  # type: ignore[list-item] # a NewType of str
                compression=None,
                ping_interval=None,  # the link has its own heartbeat
                close_timeout=_CLOSE_TIMEOUT,
                logger=_logger,
            )
        except InvalidStatus as response:
            error = rejected(base, response.response.status_code, response.response.body)
            if error.final:
                self._on_rejected(str(error))
            else:
                self._on_lost(0, str(error))
            return
        except (OSError, TimeoutError, InvalidHandshake, WebSocketException) as error:
            self._on_lost(0, str(unreachable(base, error)))
            return
        sending = asyncio.get_running_loop().create_task(self._send(socket, self._outgoing))
        try:
            async for text in socket:
                frame = _frame(text)
                if frame is not None:
                    self._on_frame(frame)
            code, reason = socket.close_code or 0, socket.close_reason or "the server closed it"
        except ConnectionClosed as error:
            code, reason = (error.rcvd.code, error.rcvd.reason) if error.rcvd else (0, "network failure")
        except (KeyError, TypeError) as error:
            code, reason = 0, f"the server does not speak this protocol: {error!r}"
        finally:
            sending.cancel()
            await socket.close()
        self._on_lost(code, f"The connection to {base} was lost ({reason}).")

    @staticmethod
    async def _send(socket: ClientConnection, outgoing: asyncio.Queue[JSON]) -> None:
        try:
            while True:
                await socket.send(encode(await outgoing.get()).decode())
        except ConnectionClosed:
            pass  # the receiving side reports it


def _frame(text: str | bytes) -> Frame | None:
    """Parse a frame. None for anything else, which a later version of the protocol may define."""
    try:
        frame: Any = loads(text)
    except ValueError:
        return None
    known = isinstance(frame, dict) and isinstance(frame.get("type"), str) and isinstance(frame.get("data"), dict)
    return frame if known else None
