"""The kernel's end of a comm whose session is on a server: it says where, brings tickets, and makes what is saved."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

from ..client.errors import Disconnected
from ..protocol import JSON, ClientMessage, Frame
from ..session.dispatch import dispatch
from .built import read_built
from .link import saved_for
from .pages import Pages
from .tickets import Tickets


class ServerLink:
    """Tells pages the way to a session on a server. Lives on the sessions' loop.

    Args:
        url: The session's WebSocket.
        tickets: What lets the pages in.
        send: Sends one JSON message over the comm; called from the loop's thread only, which keeps the order.
        forms: Makes what a notebook should keep of the session, or of one message.
    """

    def __init__(
        self,
        url: str,
        tickets: Tickets,
        send: Callable[[JSON], None],
        forms: Callable[[str | None], Awaitable[JSON]],
    ) -> None:
        self._url = url
        self._tickets = tickets
        self._send_message = send
        self._forms = forms
        self._pages = Pages(self._send)
        self._tasks: set[asyncio.Task[None]] = set()
        self._tell(known=())
        self._bring(fresh=False)

    def close(self) -> None:
        """Send nothing more."""
        for task in self._tasks:
            task.cancel()

    def receive(self, raw: Any) -> None:
        """Take a message that a page sent."""
        for frame in dispatch(raw, "relay", self._receive):
            self._send(frame)

    def _receive(self, message: ClientMessage) -> list[Frame]:
        kind, payload = message["type"], message["payload"]
        if kind == "attach":
            if "page" in payload:
                self._pages.here(payload["page"])
            if "modules" in payload:
                self._tell(payload["modules"])
        elif kind == "leave":
            self._pages.gone(payload["page"])
        elif kind == "ticket":
            self._bring(fresh=payload["fresh"])
        elif kind == "save":
            self._start(self._save(payload))
        elif kind == "module":
            name = payload["name"]
            return [{"type": "module", "data": {"name": name, "source": read_built(f"{name}.js")}}]
        return []

    def _tell(self, known: Collection[str]) -> None:
        """Where the session is, and the code that goes there, if the page lacks it."""
        data: JSON = {"url": self._url}
        if "socket" not in known:
            data["source"] = read_built("socket.js")
        self._send({"type": "server", "data": data})

    def _bring(self, *, fresh: bool) -> None:
        async def bring() -> None:
            self._send(await self._tickets.frame(fresh=fresh))

        self._start(bring())

    async def _save(self, wish: JSON) -> None:
        with contextlib.suppress(Disconnected):  # the page tells of it, and asks again
            saved = await saved_for(wish, self._pages, self._forms)
            if saved is not None:
                self._send(saved)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _send(self, frame: Frame) -> None:
        self._send_message(dict(frame))
