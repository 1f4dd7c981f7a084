"""The kernel's end of a comm whose session is on a server: it says where, brings tickets, and makes what is saved."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ..client.errors import Disconnected
from ..protocol import JSON, Frame
from .built import read_built
from .link import saved_for
from .pages import Pages
from .tickets import Tickets

_MODULES = ("math", "highlight")


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
        match raw:
            case {"type": "attach", "payload": dict(payload)}:
                self._attach(payload)
            case {"type": "leave", "payload": {"page": str(page)}}:
                self._pages.gone(page)
            case {"type": "ticket", "payload": {"fresh": bool(fresh)}}:
                self._bring(fresh=fresh)
            case {"type": "save", "payload": {"message_id": str() | None} as wish}:
                self._start(self._save(wish))
            case {"type": "module", "payload": {"name": str(name)}} if name in _MODULES:
                self._send({"type": "module", "data": {"name": name, "source": read_built(f"{name}.js")}})

    def _attach(self, payload: JSON) -> None:
        match payload:
            case {"page": str(page)}:
                self._pages.here(page)
        match payload:
            case {"modules": [*known]}:
                self._tell(known)

    def _tell(self, known: Any) -> None:
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
