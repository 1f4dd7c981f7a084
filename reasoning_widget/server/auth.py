"""Who may do what: users of Jupyter Server, and holders of a ticket.

Jupyter Server's identity provider identifies users, and its authorizer decides what they may do on the resource
``reasoning``; `access` decides what they may do in the sessions of other users. Jupyter Server also checks the origin
and the XSRF token of requests. A ticket needs neither check: unlike a cookie, browsers do not send it by themselves.
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
"""The beginning of a subprotocol that contains a ticket: browsers cannot set headers for a WebSocket."""

_NOT_AUTHENTICATED: Final = "log in, or present a token or a ticket"
_BEARER: Final = re.compile(r"bearer +([\w-]+\.[\w-]+\.[\w-]*)", re.IGNORECASE | re.ASCII)
"""A JSON Web Token, which has three parts. Jupyter's own tokens have one."""


class ReasoningHandler(JupyterHandler):
    """A handler that accepts tickets. It must call `require` before it responds.

    Attributes:
        ticket: The ticket of the request, or None.
    """

    auth_resource = "reasoning"
    ticket: Ticket | None = None

    @property
    def service(self) -> Service:
        """The state that all handlers share."""
        service: Service = self.settings["reasoning"]
        return service

    @property
    def username(self) -> str:
        """The name of the user or of the ticket's holder; empty if neither is known."""
        user = self.current_user
        return str(user.username) if user else ""

    @property
    def account(self) -> str | None:
        """The owner of sessions that are created by the request; None if users are not identified."""
        access = self.service.access
        if self.ticket is not None:
            return self.ticket.owner if access.users_identified else None
        return access.account(self.current_user)

    @property
    def author(self) -> Author | None:
        """The author of messages that are sent by the request; None if it is not shown who sends a message."""
        return self.ticket.author if self.ticket is not None else self.service.access.author(self)

    @property
    def actor(self) -> str:
        """The user or ticket, as written to the audit trail."""
        return f"ticket:{self.ticket.id}" if self.ticket is not None else self.username

    async def prepare(self, **kwargs: Any) -> None:
        """Identify the user or ticket. Requests without either learn nothing, not even which methods exist.

        Raises:
            HTTPError: 401, the ticket is not valid; 403, there is neither; 503, the ticket cannot be checked.
        """
        token = self._presented_ticket()
        if token is None:
            await super().prepare(**kwargs)
            if not self.current_user and self.request.method != "OPTIONS":  # CORS preflight
                raise web.HTTPError(403, _NOT_AUTHENTICATED)
            return
        self.check_host()
        self.ticket = self._verified(token)
        set_current_user(self, User(self.ticket.subject))
        self.set_cors_headers()

    def check_host(self) -> bool:
        """Whether the server may be reached under the host name of the request.

        Raises:
            HTTPError: 403, it may not.
        """
        if super().check_host():
            return True
        raise web.HTTPError(403, "the server does not answer to this name: add it to `ServerApp.local_hostnames`")

    def error_body(self, status_code: int, error: BaseException | None) -> JSON:
        """Return the body of an error response: a code for programs, and a message for people."""
        phrase = responses.get(status_code, "Error")
        message = error.get_message() if isinstance(error, web.HTTPError) else None
        return {"code": phrase.lower().replace(" ", "_").replace("-", "_"), "message": message or phrase}

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log unexpected errors, without the query of the request, which may contain a token."""
        if not isinstance(value, web.HTTPError):
            self.log.error("reasoning-widget: %s %s", self.request.method, self.request.path, exc_info=(typ, value, tb))

    async def require(self, action: Action, session_id: str | None = None) -> None:
        """Check the permission of the request.

        Args:
            action: The permission.
            session_id: The session for which it is needed. Without one, tickets are refused.

        Raises:
            HTTPError: 403, the permission is missing; 404, the user may not even know that the session exists.
            StorageError: The session's owner cannot be read.
        """
        if not self.current_user:
            raise web.HTTPError(403, _NOT_AUTHENTICATED)
        if not await self.may(action, session_id):
            if self.ticket is None and session_id is not None and await self._may_on_server(action):
                if not await self.may("read", session_id):
                    raise web.HTTPError(404, f"there is no session {session_id}")
                raise web.HTTPError(403, f"you may not {action} in this session: ask its owner for a ticket")
            raise web.HTTPError(403, f"you may not {'read' if action == 'read' else 'execute'} here")

    async def may(self, action: Action, session_id: str | None = None) -> bool:
        """Whether the request has a permission. The arguments are those of `require`.

        Raises:
            StorageError: The session's owner cannot be read.
        """
        if self.ticket is not None:
            return self._ticket_allows(self.ticket, action, session_id) and await self._holder_may(self.ticket, action)
        if not self.current_user or not await self._may_on_server(action):
            return False
        if session_id is None:
            return True
        try:
            owner = self.service.manager.owner(session_id)
        except KeyError:
            return True  # the user who sends the first message becomes its owner
        return await self.service.access.may(self, self.current_user, action, session_id, owner)

    async def _may_on_server(self, action: Action) -> bool:
        """Whether the user has a permission on this server, whatever the session."""
        asked = "read" if action == "read" else "execute"
        user = self.current_user
        return bool(await ensure_async(self.authorizer.is_authorized(self, user, asked, self.auth_resource)))

    def _ticket_allows(self, ticket: Ticket, action: Action, session_id: str | None) -> bool:
        if ticket.session_id != session_id or not (action == "read" or ticket.access == "talk"):
            return False
        if ticket.is_external or not self.service.access.users_identified:
            return True
        try:
            return self.service.manager.owner(session_id) == ticket.owner
        except KeyError:
            return True

    async def _holder_may(self, ticket: Ticket, action: Action) -> bool:
        """Whether the user who holds a personal ticket has the permission without it, too.

        A personal ticket gives no permissions to its user, who may have lost them since it was granted.
        """
        access, author = self.service.access, ticket.author
        if author is None or not ticket.personal or author["id"] == ticket.owner or not access.users_identified:
            return True
        user = User(author["id"], author["name"], author["name"], author["initials"])
        return await access.may(self, user, action, ticket.session_id, ticket.owner)

    @property
    def token_authenticated(self) -> bool:
        """Whether the request is authenticated by a ticket or token, rather than by a cookie."""
        return self.ticket is not None or bool(super().token_authenticated)

    def skip_check_origin(self) -> bool:
        """Accept requests with a ticket from pages of any origin."""
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
