"""Who may do what: Jupyter's own users, and holders of a ticket.

A user is whoever Jupyter Server's identity provider says; what they may do, its authorizer decides, on the resource
``reasoning``. What they may do in the sessions of others is decided in `access`. Origin check and XSRF check are
Jupyter's as well. A ticket is no cookie, which a browser would send for any page that asks, so neither is needed for
it.
"""

from __future__ import annotations

import re
from http.client import responses
from typing import TYPE_CHECKING, Any, Final

from jupyter_core.utils import ensure_async
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from ..compat.jupyter_server import set_current_user
from ..protocol import JSON, Action, Author
from ..session.log import StorageError
from .tickets import InvalidTicket, Ticket

if TYPE_CHECKING:
    from .service import Service

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

    @property
    def account(self) -> str | None:
        """To whom belongs what is made by whoever asks; None where users are not told apart."""
        access = self.service.access
        if self.ticket is not None:
            return self.ticket.owner if access.told_apart else None
        return access.account(self.current_user)

    @property
    def author(self) -> Author | None:
        """Who speaks; None where that cannot be known, or need not be."""
        return self.ticket.author if self.ticket is not None else self.service.access.author(self)

    @property
    def actor(self) -> str:
        """Who asks, for the record of what was done."""
        return f"ticket:{self.ticket.id}" if self.ticket is not None else self.username

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
        set_current_user(self, User(self.ticket.subject))
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
            HTTPError: 403; 404 where they may not even know that there is such a session.
            StorageError: Whose session it is cannot be read.
        """
        if not self.current_user:
            raise web.HTTPError(403, _WHO)
        if not await self.may(action, session_id):
            if self.ticket is None and session_id is not None and await self._may_at_all(action):
                if not await self.may("read", session_id):
                    raise web.HTTPError(404, f"there is no session {session_id}")
                raise web.HTTPError(403, f"you may not {action} in this session: ask its owner for a ticket")
            raise web.HTTPError(403, f"you may not {'read' if action == 'read' else 'execute'} here")

    async def may(self, action: Action, session_id: str | None = None) -> bool:
        """Whether whoever asks may do so; see `require`.

        Raises:
            StorageError: Whose session it is cannot be read.
        """
        if self.ticket is not None:
            return self._ticket_allows(self.ticket, action, session_id) and await self._guest_may(self.ticket, action)
        if not self.current_user or not await self._may_at_all(action):
            return False
        if session_id is None:
            return True
        try:
            owner = self.service.manager.owner(session_id)
        except KeyError:
            return True  # it belongs to whoever speaks in it first
        return await self.service.access.may(self, self.current_user, action, session_id, owner)

    async def _may_at_all(self, action: Action) -> bool:
        """Whether a user may do so on this server, before it is asked in which session."""
        asked = "read" if action == "read" else "execute"
        user = self.current_user
        return bool(await ensure_async(self.authorizer.is_authorized(self, user, asked, self.auth_resource)))

    def _ticket_allows(self, ticket: Ticket, action: Action, session_id: str | None) -> bool:
        if ticket.session_id != session_id or not (action == "read" or ticket.access == "talk"):
            return False
        if ticket.from_elsewhere or not self.service.access.told_apart:
            return True
        try:
            return self.service.manager.owner(session_id) == ticket.owner
        except KeyError:
            return True

    async def _guest_may(self, ticket: Ticket, action: Action) -> bool:
        """Whether a user who came with a personal ticket into a session of somebody else may do so without it, too."""
        access, author = self.service.access, ticket.author
        if author is None or not ticket.personal or author["id"] == ticket.owner or not access.told_apart:
            return True
        user = User(author["id"], author["name"], author["name"], author["initials"])
        return await access.may(self, user, action, ticket.session_id, ticket.owner)

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
