"""The I/O of a link: one WebSocket at a time."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException

from ..depth import loads
from ..protocol import JSON, PROTOCOL_VERSION, Frame, encode
from .address import Address

SUBPROTOCOL: Final = "reasoning-widget.v1"

_CLOSE_TIMEOUT: Final = 2.0  # seconds in which a server must say goodbye


class _NoSecrets(logging.Filter):
    """websockets logs the headers of the handshake at the level DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and record.args and str(record.args[0]).lower() == "authorization":
            record.args = (record.args[0], "(not shown)")
        return True


_logger = logging.getLogger("reasoning_widget.client.wire")
_logger.addFilter(_NoSecrets())


class Wire:
    """Connects, sends and receives; on the loop that runs when it is made.

    Args:
        address: The server.
        session_id: The session.
        receive: Called with each frame.
        lost: Called with a close code (0 where there is none) and a reason when the connection broke or was not made.
        refused: Called with the reason when trying again would change nothing.
    """

    def __init__(
        self,
        address: Address,
        session_id: str,
        receive: Callable[[Frame], None],
        lost: Callable[[int, str], None],
        refused: Callable[[str], None],
    ) -> None:
        self._address = address
        self._session_id = session_id
        self._receive = receive
        self._lost = lost
        self._refused = refused
        self._outgoing: asyncio.Queue[JSON] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def dial(self, epoch: str | None, after: int | None) -> None:
        """Begin to connect; `receive`, `lost` or `refused` follow."""
        self.hang_up()
        query = {"stream": "tokens", "protocol": str(PROTOCOL_VERSION)}
        if after is not None:
            query["after"] = str(after)
        if epoch is not None:
            query["epoch"] = epoch
        self._outgoing = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(
            self._serve(self._address.socket(self._session_id, **query))
        )

    def post(self, message: JSON) -> None:
        """Send a message; one that is written after the connection broke goes nowhere."""
        self._outgoing.put_nowait(message)

    def hang_up(self) -> None:
        """Close the connection, or give up making one; nothing more comes of it."""
        if self._task is not None:
            self._task.cancel()
            self._closing.add(self._task)
            self._task.add_done_callback(self._closing.discard)
            self._task = None

    async def closed(self) -> None:
        """Wait until all that was hung up is closed."""
        if self._closing:
            await asyncio.wait(self._closing)

    async def _serve(self, url: str) -> None:
        """One connection, from the handshake to its end."""
        try:
            socket = await connect(
                url,
                additional_headers=self._address.headers,
                subprotocols=[SUBPROTOCOL],  # type: ignore[list-item] # a NewType of str
                compression=None,
                ping_interval=None,  # the link has a heartbeat of its own
                close_timeout=_CLOSE_TIMEOUT,
                logger=_logger,
            )
        except InvalidStatus as error:
            self._not_let_in(error.response.status_code, error.response.body)
            return
        except (OSError, TimeoutError, InvalidHandshake, WebSocketException) as error:
            self._lost(0, f"No server answers at {self._address.base} ({_in_words(error)}).")
            return
        sending = asyncio.get_running_loop().create_task(self._send(socket, self._outgoing))
        try:
            async for text in socket:
                frame = _frame(text)
                if frame is not None:
                    self._receive(frame)
            code, reason = socket.close_code or 0, socket.close_reason or "the server closed it"
        except ConnectionClosed as error:
            code, reason = (error.rcvd.code, error.rcvd.reason) if error.rcvd else (0, "the network broke it")
        except (KeyError, TypeError) as error:
            code, reason = 0, f"the server does not speak this protocol: {error!r}"
        finally:
            sending.cancel()
            await socket.close()
        self._lost(code, f"The connection to {self._address.base} was lost ({reason}).")

    @staticmethod
    async def _send(socket: ClientConnection, outgoing: asyncio.Queue[JSON]) -> None:
        try:
            while True:
                await socket.send(encode(await outgoing.get()).decode())
        except ConnectionClosed:
            pass  # whoever receives knows it, too

    def _not_let_in(self, status: int, body: bytes | bytearray | None) -> None:
        said = _message(body)
        base = self._address.base
        if status >= 500:
            self._lost(0, f"The server at {base} cannot serve now ({status}{said}).")
        elif status in (401, 403):
            self._refused(f"The server at {base} does not let us in ({status}{said}).")
        elif status == 400:
            self._refused(f"The server at {base} does not understand this client ({status}{said}).")
        else:
            self._refused(
                f"There is no reasoning-widget at {base} ({status}). Is this the server's base address, without /lab "
                "or /tree, and is reasoning-widget installed where the server runs?"
            )


def _frame(text: str | bytes) -> Frame | None:
    """What came, if it is a frame; what is none, a later version may explain."""
    try:
        frame: Any = loads(text)
    except ValueError:
        return None
    known = isinstance(frame, dict) and isinstance(frame.get("type"), str) and isinstance(frame.get("data"), dict)
    return frame if known else None


def _message(body: bytes | bytearray | None) -> str:
    """What the server says about its refusal."""
    try:
        message = json.loads(body or b"")["message"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return f": {message}"


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it takes too long"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
