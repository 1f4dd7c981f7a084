"""The comm of a chat whose session is on a server: sends the address, tickets and snapshots to the pages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from ..client.errors import Disconnected
from ..protocol import JSON, ClientMessage, Frame
from ..session.dispatch import dispatch
from .built import read_built
from .link import MakeSnapshot, saved_frame
from .pages import Pages
from .tickets import Tickets


class ServerLink:
    """Connects pages to a session on a server. Use it on the sessions' event loop.

    Args:
        url: The URL of the session's WebSocket.
        tickets: The tickets for the pages.
        send: Sends one JSON message over the comm. It is only called on the event loop, which preserves the order.
        snapshot: Creates the snapshot of the session, or of one message, for a notebook file.
    """

    def __init__(
        self,
        url: str,
        tickets: Tickets,
        send: Callable[[JSON], None],
        snapshot: MakeSnapshot,
    ) -> None:
        self._url = url
        self._tickets = tickets
        self._send_message = send
        self._snapshot = snapshot
        self._pages = Pages(self._send)
        self._tasks: set[asyncio.Task[None]] = set()
        self._send_address(known=())
        self._send_ticket(fresh=False)

    def close(self) -> None:
        """Stop sending."""
        for task in self._tasks:
            task.cancel()

    def receive(self, raw: Any) -> None:
        """Receive a page's message."""
        for frame in dispatch(raw, "relay", self._receive):
            self._send(frame)

    def _receive(self, message: ClientMessage) -> list[Frame]:
        kind, payload = message["type"], message["payload"]
        if kind == "attach":
            if "page" in payload:
                self._pages.add(payload["page"])
            if "modules" in payload:
                self._send_address(payload["modules"])
        elif kind == "leave":
            self._pages.remove(payload["page"])
        elif kind == "ticket":
            self._send_ticket(fresh=payload["fresh"])
        elif kind == "save":
            self._start(self._save(payload))
        elif kind == "module":
            name = payload["name"]
            return [{"type": "module", "data": {"name": name, "source": read_built(f"{name}.js")}}]
        return []

    def _send_address(self, known: Collection[str]) -> None:
        """Send the address of the session, and the code that connects to it unless the page has it."""
        data: JSON = {"url": self._url}
        if "socket" not in known:
            data["source"] = read_built("socket.js")
        self._send({"type": "server", "data": data})

    def _send_ticket(self, *, fresh: bool) -> None:
        async def send() -> None:
            self._send(await self._tickets.frame(fresh=fresh))

        self._start(send())

    async def _save(self, payload: JSON) -> None:
        with contextlib.suppress(Disconnected):  # the page shows this, and asks again
            saved = await saved_frame(payload, self._pages, self._snapshot)
            if saved is not None:
                self._send(saved)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _send(self, frame: Frame) -> None:
        self._send_message(dict(frame))
