"""Who may do what: Jupyter's own users, and holders of a ticket.

A user is whoever Jupyter Server's identity provider says; what they may do, its authorizer decides, on the resource
``reasoning``. Origin check and XSRF check are Jupyter's as well. A ticket is no cookie, which a browser would send for
any page that asks, so neither is needed for it.
"""

from __future__ import annotations

import re
from http.client import responses
from typing import TYPE_CHECKING, Any, Final, Literal

from jupyter_core.utils import ensure_async
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from ..protocol import JSON
from ..session.log import StorageError
from .tickets import InvalidTicket, Ticket

if TYPE_CHECKING:
    from .service import Service

Action = Literal["read", "execute"]

TICKET_PROTOCOL: Final = "ticket."
"""Browsers can set no headers on a WebSocket: they offer their ticket as a subprotocol that begins with this."""

_WHO: Final = "log in, or present a token or a ticket"
_BEARER: Final = re.compile(r"bearer +([\w-]+\.[\w-]+\.[\w-]*)", re.IGNORECASE | re.ASCII)
"""A token in three parts; Jupyter's own have one."""


class ReasoningHandler(JupyterHandler):
    """A handler that knows tickets. Nothing is answered before `require` has returned."""

    auth_resource = "reasoning"
    ticket: Ticket | None = None

    @property
    def service(self) -> Service:
        """What all handlers share."""
        service: Service = self.settings["reasoning"]
        return service

    @property
    def username(self) -> str:
        """Who asks."""
        user = self.current_user
        return str(user.username) if user else ""

    async def prepare(self, **kwargs: Any) -> None:
        """Find out who asks; nobody else learns so much as which methods there are."""
        token = self._presented_ticket()
        if token is None:
            await super().prepare(**kwargs)
            if not self.current_user and self.request.method != "OPTIONS":  # by which browsers ask before they ask
                raise web.HTTPError(403, _WHO)
            return
        self.check_host()
        self.ticket = self._verified(token)
        self.current_user = self._jupyter_current_user = User(self.ticket.subject)
        self.set_cors_headers()

    def check_host(self) -> bool:
        """Whether the server may be called by the name that it was called by.

        Raises:
            HTTPError: 403, it may not.
        """
        if super().check_host():
            return True
        raise web.HTTPError(403, "the server does not answer to this name: add it to `ServerApp.local_hostnames`")

    def error_body(self, status_code: int, error: BaseException | None) -> JSON:
        """An error, for the one who asked: a code for programs, a sentence for people."""
        phrase = responses.get(status_code, "Error")
        message = error.get_message() if isinstance(error, web.HTTPError) else None
        return {"code": phrase.lower().replace(" ", "_").replace("-", "_"), "message": message or phrase}

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Tornado would log the address as it came, with the token that may be in it; Jupyter logs it without."""
        if not isinstance(value, web.HTTPError):
            self.log.error("reasoning-widget: %s %s", self.request.method, self.request.path, exc_info=(typ, value, tb))

    async def require(self, action: Action, session_id: str | None = None) -> None:
        """Make sure that whoever asks may do so.

        Args:
            action: What is to be done.
            session_id: The session it is about; without, it is for users alone.

        Raises:
            HTTPError: 403.
        """
        if not self.current_user:
            raise web.HTTPError(403, _WHO)
        if not await self.may(action, session_id):
            raise web.HTTPError(403, f"you may not {action} here")

    async def may(self, action: Action, session_id: str | None = None) -> bool:
        """Whether whoever asks may do so; see `require`."""
        if self.ticket is not None:
            return self.ticket.session_id == session_id and (action == "read" or self.ticket.access == "talk")
        user = self.current_user
        if not user:
            return False
        return bool(await ensure_async(self.authorizer.is_authorized(self, user, action, self.auth_resource)))

    @property
    def token_authenticated(self) -> bool:
        """Whether it is no cookie that says who asks."""
        return self.ticket is not None or bool(super().token_authenticated)

    def skip_check_origin(self) -> bool:
        """A page elsewhere that was given a ticket may use it."""
        return self.ticket is not None or bool(super().skip_check_origin())

    def _presented_ticket(self) -> str | None:
        bearer = _BEARER.fullmatch(self.request.headers.get("Authorization", "").strip())
        if bearer is not None:
            return bearer[1]
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        tickets = (name.strip().removeprefix(TICKET_PROTOCOL) for name in offered if TICKET_PROTOCOL in name)
        return next(tickets, None)

    def _verified(self, token: str) -> Ticket:
        try:
            return self.service.tickets.verify(token)
        except InvalidTicket as error:
            raise web.HTTPError(401, str(error)) from None
        except StorageError as error:
            raise web.HTTPError(503, str(error)) from error
