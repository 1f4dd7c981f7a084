"""The REST interface at ``reasoning-widget/api/``, as described in ``openapi.yaml``.

``asyncapi.yaml`` describes the WebSocket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from jupyter_server.base.handlers import APIHandler
from prometheus_client import CONTENT_TYPE_LATEST
from tornado import web
from tornado.iostream import StreamClosedError

from ..depth import MAX_DEPTH
from ..protocol import Action, check_session_id
from ..session.log import StorageError
from ..session.store import Page, SessionInfo
from .access import SERVER_RESOURCE
from .auth import ReasoningHandler
from .export_job import ExportFormat, ExportJob
from .exports import FORMATS
from .service import EXPORT_MEMORY
from .tickets import Grant

if TYPE_CHECKING:
    from collections.abc import Awaitable

_T = TypeVar("_T")

_ROOT: Final = r"/reasoning-widget/api"
_DESCRIPTIONS: Final = Path(__file__).parent
_VERBS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_MAX_BODY_BYTES: Final = 64 * 1024
_ALL_USERS: Final = (
    f"the metrics include all users: the authorizer must allow you to `read` `{SERVER_RESOURCE}`, and "
    "`ReasoningApp.sharing` must be `authorizer`"
)
_MAX_TICKET_ID_LENGTH: Final = 100  # tickets themselves are longer
_MAX_AUDIT_ID: Final = 2**53
_MAX_SKIPPED_PAGES: Final = 10  # pages without a session that the user may see, which one request skips
_CHUNK_BYTES: Final = 256 * 1024  # of an export
_MAX_SESSION_BYTES: Final = 64 * 1024 * 1024  # of a session in the body of a request
_TICKET_SECONDS: Final = 3600.0


class NewTitle(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `PATCH sessions/<id>`."""

    title: str


class NewTicket(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST tickets`."""

    session_id: str
    access: str = "read"
    expires_in: float = _TICKET_SECONDS
    name: str = ""
    personal: bool = False


def _requires(action: Action) -> Callable[[Callable[..., Any]], Callable[..., Awaitable[None]]]:
    """Decorate a method of a handler that needs a permission, for the session in its path if there is one."""

    def decorate(verb: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
        @wraps(verb)
        async def checked(self: _Handler, *path: str) -> None:
            try:
                await self.require(action, path[0] if path and self.about_session else None)
                if path and self.about_session:
                    check_session_id(path[0])
                done = verb(self, *path)
                if done is not None:
                    await done
            except StorageError as error:
                raise web.HTTPError(503, str(error)) from error
            except ValueError as error:
                raise web.HTTPError(400, str(error)) from error

        return checked

    return decorate


class _Handler(ReasoningHandler, APIHandler):
    about_session = False
    """Whether the first part of the path that varies is the id of a session."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Respond with an error as JSON."""
        if status_code == 405:
            self.set_header("Allow", ", ".join(self.methods()))
        self.send(self.error_body(status_code, kwargs["exc_info"][1] if "exc_info" in kwargs else None))

    @classmethod
    def methods(cls) -> list[str]:
        """Return the HTTP methods that the handler implements."""
        return [verb for verb in _VERBS if getattr(cls, verb.lower()) is not getattr(web.RequestHandler, verb.lower())]

    def send(self, value: object, content_type: str = "application/json") -> None:
        """Respond with a value: text and bytes as they are, everything else as JSON."""
        body = value if isinstance(value, str | bytes) else msgspec.json.encode(value)
        self.finish(body, set_content_type=content_type)

    def integer(self, name: str, default: int) -> int:
        """Return a number from the query.

        Raises:
            ValueError: The parameter is not a natural number.
        """
        text = self.get_query_argument(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 17):
            raise ValueError(f"`{name}` must be a number")
        return int(text)

    def body(self, kind: type[_T], limit: int = _MAX_BODY_BYTES) -> _T:
        """Return the JSON body of the request, decoded.

        Args:
            kind: The type of the body.
            limit: The maximum size, in bytes.

        Raises:
            ValueError: The body is not valid JSON, or not of this type.
            HTTPError: 413, the body is too long; 415, it is not declared as JSON.
        """
        try:
            return msgspec.json.decode(self.json_body(limit), type=kind)
        except msgspec.MsgspecError as error:
            raise ValueError(f"the body: {error}".replace("`$", "`body")) from None
        except UnicodeDecodeError:
            raise ValueError("the body is not UTF-8") from None
        except RecursionError:
            raise ValueError(f"the body is nested too deeply: at most {MAX_DEPTH} levels are allowed") from None

    def json_body(self, limit: int) -> bytes:
        """Return the JSON body of the request, not decoded.

        Args:
            limit: The maximum size, in bytes.

        Raises:
            HTTPError: 413, the body is too long; 415, it is not declared as JSON.
        """
        kind_sent = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind_sent != "application/json":
            raise web.HTTPError(415, "send the body as application/json")
        if len(self.request.body) > limit:
            raise web.HTTPError(413, f"the body must not be longer than {_size(limit)}")
        return self.request.body


class AgentsHandler(_Handler):
    """The agents of the server."""

    @_requires("read")
    def get(self) -> None:
        """List the agents."""
        self.send({"agents": self.service.agents.list()})


class SessionsHandler(_Handler):
    """The list of sessions."""

    @_requires("read")
    async def get(self) -> None:
        """List the sessions that the user may see, or those of them that contain certain words."""
        limit = self.integer("limit", 50)
        query = self.get_query_argument("q", None)
        cursor = self.get_query_argument("cursor", None)
        whose = self.service.access.owned_by(self.current_user)
        page = await self.service.search(query, limit, cursor, whose)
        found = [info for info in page["sessions"] if await self._may_see(info)]
        # If the authorizer decides on each session, pages may be short. The limit bounds the cost of a request.
        for _ in range(_MAX_SKIPPED_PAGES):
            if not found and page["next_cursor"] is not None:
                await asyncio.sleep(0)
                page = await self.service.search(query, limit, page["next_cursor"], whose)
                found = [info for info in page["sessions"] if await self._may_see(info)]
        self.send(Page(sessions=found, next_cursor=page["next_cursor"]))

    async def _may_see(self, info: SessionInfo) -> bool:
        return await self.service.access.may(self, self.current_user, "read", info["id"], info["owner"])


class SessionHandler(_Handler):
    """One session."""

    about_session = True

    @_requires("read")
    def get(self, session_id: str) -> None:
        """Describe the session."""
        info = self.service.store.info(session_id)
        if info is None:
            raise _unknown(session_id)
        self.send(info)

    @_requires("write")
    def patch(self, session_id: str) -> None:
        """Rename the session."""
        title = self.body(NewTitle).title
        try:
            self.service.manager.rename(session_id, title)
        except KeyError:
            raise _unknown(session_id) from None
        self.send(self.service.store.info(session_id))

    @_requires("write")
    def delete(self, session_id: str) -> None:
        """Delete the session with everything in it."""
        try:
            owner = self.service.manager.owner(session_id)
            self.service.manager.delete(session_id)
        except KeyError:
            raise _unknown(session_id) from None
        self.service.audit(self.actor, "deleted", session_id, owner)
        self.set_status(204)
        self.finish()


class _ExportingHandler(_Handler):
    def requested_format(self, default: ExportFormat | None) -> ExportFormat:
        """Return the format from the query.

        Args:
            default: The format if the query has none. Without a default, the format is required, and not JSON.

        Raises:
            ValueError: The format is missing or unknown.
        """
        name = self.get_query_argument("format", default)
        allowed: list[ExportFormat] = [each for each in FORMATS if default is not None or each != "json"]
        for each in allowed:
            if each == name:
                return each
        raise ValueError(f"`format` must be one of {', '.join(allowed)}")

    async def send_file(self, job: ExportJob, source: bytes = b"") -> None:
        """Export a session, and send the file. A browser that opens it runs no scripts.

        Raises:
            HTTPError: The export failed.
        """
        session_id, file = await self.service.exports.write(job, source)
        with file:
            extension, content_type = FORMATS[job.format]
            self.set_header("Content-Disposition", f'attachment; filename="{session_id}.{extension}"')
            self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
            self.set_header("Content-Type", content_type)
            loop = asyncio.get_running_loop()
            with suppress(StreamClosedError):  # the client has closed the connection
                while chunk := await loop.run_in_executor(None, file.read, _CHUNK_BYTES):
                    self.write(chunk)
                    await self.flush()
                self.finish(set_content_type=content_type)


class ExportHandler(_ExportingHandler):
    """Exports of a session."""

    about_session = True

    @_requires("read")
    async def get(self, session_id: str) -> None:
        """Send the session as a file in the requested format."""
        try:
            job = self.service.export_job(session_id, self.requested_format("json"))
        except KeyError:
            raise _unknown(session_id) from None
        await self.send_file(job)


class ConvertHandler(_ExportingHandler):
    """Exports of a session that is not on the server, but for example in a notebook."""

    @_requires("read")
    async def post(self) -> None:
        """Send the session in the body as a file in the requested format. Nothing is stored."""
        job = ExportJob(self.requested_format(None), memory=EXPORT_MEMORY)
        await self.send_file(job, self.json_body(_MAX_SESSION_BYTES))


class BlobHandler(_Handler):
    """MIME values that are too long for their step, and the contents of attachments."""

    about_session = True

    @_requires("read")
    def get(self, session_id: str, sha256: str) -> None:
        """Send the value as JSON."""
        try:
            value = self.service.store.get_blob(session_id, sha256)
        except KeyError:
            raise web.HTTPError(404, "there is no such value") from None
        self.send(msgspec.json.encode(value))  # the value may be a string


class TicketsHandler(_Handler):
    """The tickets."""

    @_requires("execute")
    async def post(self) -> None:
        """Issue a ticket."""
        wanted = self.body(NewTicket)
        # A personal ticket gives nobody a permission: whatever it is used for, its user must be allowed to do.
        await self.require("read" if wanted.personal else "write", check_session_id(wanted.session_id))
        grant = self._grant(wanted)
        token, ticket = self.service.tickets.mint(
            wanted.session_id, wanted.access, wanted.expires_in, self.username, grant
        )
        detail = f"ticket {ticket.id} to {ticket.access} for {wanted.expires_in:g} s"
        self.service.audit(self.actor, "granted", ticket.session_id, ticket.owner, detail)
        self.set_status(201)
        self.set_header("Cache-Control", "no-store")
        self.send(
            {
                "ticket": token,
                "id": ticket.id,
                "session_id": ticket.session_id,
                "access": ticket.access,
                "expires": ticket.expires,
                "granted_by": grant.account,
                "author": ticket.author,
            }
        )

    def _grant(self, wanted: NewTicket) -> Grant:
        try:
            owner = self.service.manager.owner(wanted.session_id)
        except KeyError:
            owner = self.account
        granter = self.author
        return Grant(
            by_name=granter["name"] if granter is not None else None,
            account=self.account,
            owner=owner,
            name=wanted.name,
            personal=wanted.personal,
            user=granter,
        )


class TicketHandler(_Handler):
    """One ticket."""

    @_requires("execute")
    async def delete(self, ticket_id: str) -> None:
        """Revoke the ticket, and close the connections that were opened with it."""
        issued = self.service.store.issued_ticket(ticket_id)
        by_another = issued is not None and issued.granted_by != self.account
        if issued is not None and by_another and not await self.may("write", issued.session_id):
            raise web.HTTPError(404, "you have granted no ticket with this id, and none of your sessions has one")
        self.service.tickets.revoke(ticket_id)
        self.service.end_ticket(ticket_id)
        about = (issued.session_id, issued.owner) if issued is not None else ("", None)
        # The path may contain anything, even the ticket itself.
        shown = repr(ticket_id if len(ticket_id) <= _MAX_TICKET_ID_LENGTH else f"{ticket_id[:20]}…")
        self.service.audit(self.actor, "revoked", *about, f"ticket {ticket_id if issued is not None else shown}")
        self.set_status(204)
        self.finish()


class HealthHandler(_Handler):
    """Whether sessions can be served."""

    @_requires("read")
    def get(self) -> None:
        """Respond with 200 if sessions can be served, otherwise with 503 and the reason."""
        self.service.store.unfinished()
        self.send({"status": "ok"})


class MetricsHandler(_Handler):
    """The server's metrics."""

    @_requires("read")
    async def get(self) -> None:
        """Send the metrics in Prometheus's text format."""
        if not await self.service.access.may_see_all(self, self.current_user):
            raise web.HTTPError(403, _ALL_USERS)
        self.send(self.service.metrics.text(), CONTENT_TYPE_LATEST)


class AuditHandler(_Handler):
    """The audit trail: who has deleted or cleared sessions, and granted or revoked tickets."""

    @_requires("read")
    async def get(self) -> None:
        """List the newest actions by the user or on the user's sessions, or all actions if the user may see them."""
        see_all = await self.service.access.may_see_all(self, self.current_user)
        before = self.integer("before", _MAX_AUDIT_ID)
        if before > _MAX_AUDIT_ID:
            raise ValueError(f"`before` must be a number up to {_MAX_AUDIT_ID}")
        entries = self.service.store.audit(None if see_all else self.account, self.integer("limit", 50), before)
        self.send({"entries": entries})


class DescriptionHandler(_Handler):
    """The descriptions of this interface and of the WebSocket."""

    @_requires("read")
    def get(self, name: str) -> None:
        """Send a description as YAML."""
        self.send((_DESCRIPTIONS / name).read_bytes(), "application/yaml")


class UnknownHandler(_Handler):
    """All other paths."""

    async def prepare(self, **kwargs: Any) -> None:
        """Respond with 404, but only to those who may read on this server."""
        await super().prepare(**kwargs)
        await self.require("read")
        raise web.HTTPError(404, "there is no such path: see openapi.yaml")


def handlers() -> list[tuple[str, type[_Handler]]]:
    """Return the handlers by their paths, relative to the server's base URL."""
    return [
        (rf"{_ROOT}/agents", AgentsHandler),
        (rf"{_ROOT}/sessions", SessionsHandler),
        (rf"{_ROOT}/sessions/([^/]+)", SessionHandler),
        (rf"{_ROOT}/sessions/([^/]+)/export", ExportHandler),
        (rf"{_ROOT}/sessions/([^/]+)/blobs/([^/]+)", BlobHandler),
        (rf"{_ROOT}/export", ConvertHandler),
        (rf"{_ROOT}/tickets", TicketsHandler),
        (rf"{_ROOT}/tickets/([^/]+)", TicketHandler),
        (rf"{_ROOT}/audit", AuditHandler),
        (rf"{_ROOT}/health", HealthHandler),
        (rf"{_ROOT}/metrics", MetricsHandler),
        (rf"{_ROOT}/(openapi\.yaml|asyncapi\.yaml)", DescriptionHandler),
        (rf"{_ROOT}(?:/.*)?", UnknownHandler),
    ]


def _size(limit: int) -> str:
    mebibytes = limit // 1024**2
    return f"{mebibytes} MiB" if mebibytes else f"{limit // 1024} KiB"


def _unknown(session_id: str) -> web.HTTPError:
    return web.HTTPError(404, f"there is no session {session_id}")
