"""Tickets for the pages of a chat that is connected to a server. The server's token stays in the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import Any, Final

from ..client import rest
from ..client.address import Address
from ..client.errors import Disconnected, NotAllowed
from ..protocol import Frame

_TIMEOUT: Final = 10.0  # seconds in which a server must respond
_MIN_REMAINING: Final = 90.0  # seconds; a ticket that expires earlier is replaced
_LIFETIME: Final = 3600.0  # seconds for which tickets are requested

_ADVICE_FOR_SERVERS: Final = (
    "Pass the token that `jupyter server list` shows there, as `token=` or in `REASONING_WIDGET_TOKEN`."
)
_ADVICE_FOR_SESSIONS: Final = "Create the chat again with another ticket."


class Tickets:
    """Provides the tickets for one session. Use it on the sessions' event loop.

    Args:
        address: The server, with the kernel's own credentials.
        session_id: The session.
        ticket: The only ticket, if the kernel has no token to create others with.

    Raises:
        ValueError: `ticket` is malformed.
    """

    def __init__(self, address: Address, session_id: str, ticket: str | None) -> None:
        self._address = address
        self._session_id = session_id
        self._has_token = ticket is None
        self._ticket = ticket
        self._expires_at = _expiry(ticket) if ticket is not None else 0.0
        self._renewal: asyncio.Task[None] | None = None

    async def frame(self, *, fresh: bool) -> Frame:
        """Return the frame for the pages: a `ticket`, or `no_ticket` with the reason.

        Args:
            fresh: Whether the last ticket may have become invalid.
        """
        try:
            await self._ensure_ticket(fresh=fresh)
        except LookupError as error:  # another user's session
            return {"type": "no_ticket", "data": {"reason": str(error), "final": True}}
        except Disconnected as error:
            return {"type": "no_ticket", "data": {"reason": self._explain(error), "final": error.final}}
        remaining = self._expires_at - time.time()
        expires_in = remaining if remaining < math.inf else None
        return {"type": "ticket", "data": {"ticket": self._ticket, "expires_in": expires_in}}

    async def _ensure_ticket(self, *, fresh: bool) -> None:
        if self._renewal is None:
            if self._ticket is not None and not fresh and self._expires_at - time.time() > _MIN_REMAINING:
                return
            work = asyncio.to_thread(self._create if self._has_token else self._check)
            self._renewal = asyncio.get_running_loop().create_task(work)
        renewal = self._renewal
        try:
            await asyncio.shield(renewal)
        finally:
            if renewal.done():
                self._renewal = None

    def _create(self) -> None:
        """Create a ticket with the token."""
        self._ticket = rest.create_ticket(self._address, self._session_id, expires_in=_LIFETIME, timeout=_TIMEOUT)
        self._expires_at = time.time() + _LIFETIME

    def _check(self) -> None:
        """Check that the server accepts the only ticket, whether or not the session has begun."""
        with contextlib.suppress(LookupError):
            rest.session(self._address, self._session_id, timeout=_TIMEOUT)

    def _explain(self, error: Disconnected) -> str:
        if isinstance(error, NotAllowed):
            return f"{error} {_ADVICE_FOR_SERVERS if self._has_token else _ADVICE_FOR_SESSIONS}"
        return str(error)


def _expiry(ticket: str) -> float:
    """Return when a ticket expires according to its claims, in seconds since the epoch; infinity if it never does."""
    import jwt  # loads cryptography

    try:
        claims: dict[str, Any] = jwt.decode(ticket, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise ValueError("the ticket is malformed: was it copied completely?") from None
    return float(claims.get("exp", math.inf))
