"""Tickets for the pages of a chat that is connected to a server: the server's token stays in the kernel."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any, Final

import httpx
import jwt
import msgspec

from ..client.address import Address
from ..protocol import JSON, Frame

_TIMEOUT: Final = 10.0  # seconds in which a server must answer
_NEAR_ITS_END: Final = 90.0  # seconds; such a ticket is given to nobody
_SECONDS: Final = 3600.0  # for which tickets are asked for


class NoTicket(Exception):
    """There is none. The text says why, and what to do.

    Attributes:
        final: Whether another try would change nothing.
    """

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.final = final


class Tickets:
    """Gives the tickets for one session. Lives on the sessions' loop.

    Args:
        address: The server, with the kernel's own way in.
        session_id: The session.
        ticket: The only ticket there is, where the kernel has no token to get others with.
    """

    def __init__(self, address: Address, session_id: str, ticket: str | None) -> None:
        self._address = address
        self._session_id = session_id
        self._given = ticket
        self._ticket = ticket
        self._ends = _end_of(ticket) if ticket is not None else 0.0
        self._asking: asyncio.Task[None] | None = None

    async def frame(self, *, fresh: bool) -> Frame:
        """What to tell the pages: a `ticket` or, with the reason, `no_ticket`.

        Args:
            fresh: The last ticket may be good no longer.
        """
        try:
            await self._have(fresh=fresh)
        except NoTicket as error:
            return {"type": "no_ticket", "data": {"reason": str(error), "final": error.final}}
        left = self._ends - time.time()
        return {"type": "ticket", "data": {"ticket": self._ticket, "expires_in": left if left < math.inf else None}}

    async def _have(self, *, fresh: bool) -> None:
        if self._asking is None:
            if self._ticket is not None and not fresh and self._ends - time.time() > _NEAR_ITS_END:
                return
            work = self._check() if self._given is not None else self._mint()
            self._asking = asyncio.get_running_loop().create_task(work)
        asking = self._asking
        try:
            await asyncio.shield(asking)
        finally:
            if asking.done():
                self._asking = None

    async def _mint(self) -> None:
        """Trade the token for a ticket."""
        wanted = {"session_id": self._session_id, "access": "talk", "expires_in": _SECONDS, "personal": True}
        response = await self._call("POST", self._address.api("tickets"), wanted)
        if response.status_code != httpx.codes.CREATED:
            raise self._refusal(response)
        made = response.json()
        self._ticket, self._ends = str(made["ticket"]), time.time() + _SECONDS

    async def _check(self) -> None:
        """Whether the server accepts the only ticket there is: a session that has not begun yet is no obstacle."""
        response = await self._call("GET", self._address.api("sessions", self._session_id))
        known = response.status_code in (httpx.codes.OK, httpx.codes.NOT_FOUND)
        if not known or _said(response) is None:
            raise self._refusal(response)

    async def _call(self, method: str, url: str, body: JSON | None = None) -> httpx.Response:
        def call() -> httpx.Response:
            return httpx.request(method, url, json=body, headers=self._address.headers, timeout=_TIMEOUT)

        try:
            return await asyncio.to_thread(call)
        except httpx.TransportError:
            where = self._address.base
            raise NoTicket(
                f"Nothing answers at `{where}`. Is the server on, and is this its address?", final=False
            ) from None

    def _refusal(self, response: httpx.Response) -> NoTicket:
        where, status = f"the server at `{self._address.base}`", response.status_code
        said = _said(response)
        words = f"{said.get('message', '')}".rstrip(".") if said is not None else ""
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return NoTicket(f"Something is wrong with {where}: {words or status}.", final=False)
        if self._given is not None and status == httpx.codes.UNAUTHORIZED:
            return NoTicket(f"{_begun(words)}. Make the chat anew with another ticket.", final=True)
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            advice = (
                "Pass the token that `jupyter server list` shows there, as `token=` or in `REASONING_WIDGET_TOKEN`."
            )
            return NoTicket(f"{_begun(where)} does not accept the token. {advice}", final=True)
        if said is None:
            advice = "Install it there, and start the server anew; or the address lacks the server's base path."
            return NoTicket(f"There is no reasoning-widget on {where}. {advice}", final=True)
        return NoTicket(f"{_begun(where)} refuses: {words}.", final=True)


def _end_of(ticket: str) -> float:
    """When a ticket ends, by its own words, in seconds since the epoch."""
    try:
        claims: dict[str, Any] = jwt.decode(ticket, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise ValueError("the ticket is none: was it copied whole?") from None
    return float(claims.get("exp", math.inf))


def _said(response: httpx.Response) -> JSON | None:
    """What the extension said; None if it was not the extension that answered."""
    try:
        said = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        return None
    return said if isinstance(said, dict) and ("code" in said or response.is_success) else None


def _begun(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"
