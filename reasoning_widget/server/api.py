"""The REST interface, below ``reasoning-widget/api/``. ``openapi.yaml`` describes it, ``asyncapi.yaml`` the sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

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
from .export_job import Job, Kind
from .exports import FORMATS
from .service import EXPORT_MEMORY
from .tickets import Grant

if TYPE_CHECKING:
    from collections.abc import Awaitable

_T = TypeVar("_T")

_ROOT: Final = r"/reasoning-widget/api"
_DESCRIPTIONS: Final = Path(__file__).parent
_VERBS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_MAX_BODY: Final = 64 * 1024  # bytes
_ALL_USERS: Final = (
    f"these numbers are of all users together: the authorizer must let you `read` `{SERVER_RESOURCE}`, and "
    "`ReasoningApp.sharing` must be `authorizer`"
)
_MAX_TICKET_ID: Final = 100  # characters; tickets are longer
_MAX_ID: Final = 2**53
_MAX_PAGES: Final = 10  # of sessions that one may not see, which are passed over at once
_CHUNK: Final = 256 * 1024  # bytes of an export that are read and sent at once
_MAX_FILE: Final = 64 * 1024 * 1024  # bytes of a session that is to be exported
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


def _needs(action: Action) -> Callable[[Callable[..., Any]], Callable[..., Awaitable[None]]]:
    """A verb for those who may do `action`: with the session in its path if there is one, else for users alone."""

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

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Errors are JSON."""
        if status_code == 405:
            self.set_header("Allow", ", ".join(self.methods()))
        self.send(self.error_body(status_code, kwargs["exc_info"][1] if "exc_info" in kwargs else None))

    @classmethod
    def methods(cls) -> list[str]:
        """The methods that are answered."""
        return [verb for verb in _VERBS if getattr(cls, verb.lower()) is not getattr(web.RequestHandler, verb.lower())]

    def send(self, value: object, content_type: str = "application/json") -> None:
        """Answer with `value`: text or bytes as they are, else as JSON."""
        body = value if isinstance(value, str | bytes) else msgspec.json.encode(value)
        self.finish(body, set_content_type=content_type)

    def integer(self, name: str, default: int) -> int:
        """A number from the query.

        Raises:
            ValueError: It is none.
        """
        text = self.get_query_argument(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 17):
            raise ValueError(f"`{name}` must be a number")
        return int(text)

    def body(self, kind: type[_T], limit: int = _MAX_BODY) -> _T:
        """The request's JSON body, of at most `limit` bytes.

        Raises:
            ValueError: It is none, or not as it should be.
            HTTPError: 413, it is too long; 415, it is something else.
        """
        try:
            return msgspec.json.decode(self.json_body(limit), type=kind)
        except msgspec.MsgspecError as error:
            raise ValueError(f"the body: {error}".replace("`$", "`body")) from None
        except UnicodeDecodeError:
            raise ValueError("the body is not UTF-8") from None
        except RecursionError:
            raise ValueError(f"the body is nested too deeply: {MAX_DEPTH} levels are the most") from None

    def json_body(self, limit: int) -> bytes:
        """The request's body as it came, if it says that it is JSON, and has at most `limit` bytes.

        Raises:
            HTTPError: 413, it is too long; 415, it is something else.
        """
        kind_sent = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind_sent != "application/json":
            raise web.HTTPError(415, "send the body as application/json")
        if len(self.request.body) > limit:
            raise web.HTTPError(413, f"the body must not be longer than {_size(limit)}")
        return self.request.body


class AgentsHandler(_Handler):
    """Who may be asked."""

    @_needs("read")
    def get(self) -> None:
        """List the agents."""
        self.send({"agents": self.service.agents.list()})


class SessionsHandler(_Handler):
    """The sessions."""

    @_needs("read")
    async def get(self) -> None:
        """List them, or those in which something was said: such as whoever asks may see."""
        limit = self.integer("limit", 50)
        query = self.get_query_argument("q", None)
        cursor = self.get_query_argument("cursor", None)
        whose = self.service.access.whose(self.current_user)
        page = await self.service.search(query, limit, cursor, whose)
        found = [info for info in page["sessions"] if await self._may_see(info)]
        # Where the authorizer chooses, a page may be short; a limit on the pages bounds what one request costs.
        for _ in range(_MAX_PAGES):
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

    @_needs("read")
    def get(self, session_id: str) -> None:
        """What is known of it."""
        info = self.service.store.info(session_id)
        if info is None:
            raise _unknown(session_id)
        self.send(info)

    @_needs("write")
    def patch(self, session_id: str) -> None:
        """Rename it."""
        title = self.body(NewTitle).title
        try:
            self.service.manager.rename(session_id, title)
        except KeyError:
            raise _unknown(session_id) from None
        self.send(self.service.store.info(session_id))

    @_needs("write")
    def delete(self, session_id: str) -> None:
        """Delete it, and everything said in it."""
        try:
            owner = self.service.manager.owner(session_id)
            self.service.manager.delete(session_id)
        except KeyError:
            raise _unknown(session_id) from None
        self.service.audit(self.actor, "deleted", session_id, owner)
        self.set_status(204)
        self.finish()


class _Exporting(_Handler):
    def wanted(self, default: str | None) -> Kind:
        """The format that was asked for.

        Raises:
            ValueError: There is none of that name.
        """
        kind = self.get_query_argument("format", default)
        allowed = [name for name in FORMATS if default is not None or name != "json"]
        if kind not in allowed:
            raise ValueError(f"`format` must be one of {', '.join(allowed)}")
        return cast("Kind", kind)

    async def send_file(self, job: Job, source: bytes = b"") -> None:
        """Make an export, and send it as a file that runs nothing where a browser opens it.

        Raises:
            HTTPError: It cannot be made.
        """
        session_id, file = await self.service.exports.make(job, source)
        with file:
            ending, content_type = FORMATS[job.kind]
            self.set_header("Content-Disposition", f'attachment; filename="{session_id}.{ending}"')
            self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
            self.set_header("Content-Type", content_type)
            loop = asyncio.get_running_loop()
            with suppress(StreamClosedError):  # nobody waits for it any more
                while chunk := await loop.run_in_executor(None, file.read, _CHUNK):
                    self.write(chunk)
                    await self.flush()
                self.finish(set_content_type=content_type)


class ExportHandler(_Exporting):
    """A session as a file."""

    about_session = True

    @_needs("read")
    async def get(self, session_id: str) -> None:
        """Send it in the format that was asked for."""
        try:
            job = self.service.export_job(session_id, self.wanted("json"))
        except KeyError:
            raise _unknown(session_id) from None
        await self.send_file(job)


class ConvertHandler(_Exporting):
    """A session that somebody else has, such as a notebook, as a file."""

    @_needs("read")
    async def post(self) -> None:
        """Send what is in the body in the format that was asked for. Nothing of it is kept."""
        job = Job(self.wanted(None), memory=EXPORT_MEMORY)
        await self.send_file(job, self.json_body(_MAX_FILE))


class BlobHandler(_Handler):
    """A MIME value that was too long for its step, or the content of an attachment."""

    about_session = True

    @_needs("read")
    def get(self, session_id: str, sha256: str) -> None:
        """Send it as JSON."""
        try:
            value = self.service.store.get_blob(session_id, sha256)
        except KeyError:
            raise web.HTTPError(404, "there is no such value") from None
        self.send(msgspec.json.encode(value))  # a picture is a JSON text


class TicketsHandler(_Handler):
    """Tickets for programs."""

    @_needs("execute")
    async def post(self) -> None:
        """Make one."""
        wanted = self.body(NewTicket)
        # A personal ticket opens nothing to anybody: what it is used for, its user must be allowed to do each time.
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
            speaks_as=granter,
        )


class TicketHandler(_Handler):
    """One ticket."""

    @_needs("execute")
    async def delete(self, ticket_id: str) -> None:
        """Accept it no longer, and close the connections that came in with it."""
        issued = self.service.store.issued_ticket(ticket_id)
        theirs = issued is not None and issued.granted_by != self.account
        if issued is not None and theirs and not await self.may("write", issued.session_id):
            raise web.HTTPError(404, "there is no ticket of this id that you granted, or for a session of yours")
        self.service.tickets.revoke(ticket_id)
        self.service.end_ticket(ticket_id)
        about = (issued.session_id, issued.owner) if issued is not None else ("", None)
        # Whoever asks may have written anything, even the ticket itself.
        shown = repr(ticket_id if len(ticket_id) <= _MAX_TICKET_ID else f"{ticket_id[:20]}…")
        self.service.audit(self.actor, "revoked", *about, f"ticket {ticket_id if issued is not None else shown}")
        self.set_status(204)
        self.finish()


class HealthHandler(_Handler):
    """Whether sessions can be served."""

    @_needs("read")
    def get(self) -> None:
        """Say so; 503 with the reason if not."""
        self.service.store.unfinished()
        self.send({"status": "ok"})


class MetricsHandler(_Handler):
    """What the server is doing, in numbers."""

    @_needs("read")
    async def get(self) -> None:
        """For Prometheus."""
        if not await self.service.access.may_see_all(self, self.current_user):
            raise web.HTTPError(403, _ALL_USERS)
        self.send(self.service.metrics.text(), CONTENT_TYPE_LATEST)


class AuditHandler(_Handler):
    """What was done to sessions besides speaking in them, and by whom."""

    @_needs("read")
    async def get(self) -> None:
        """Newest first: by whoever asks or to their sessions; all of it for those who may see what is of all users."""
        see_all = await self.service.access.may_see_all(self, self.current_user)
        before = self.integer("before", _MAX_ID)
        if before > _MAX_ID:
            raise ValueError(f"`before` must be a number up to {_MAX_ID}")
        entries = self.service.store.audit(None if see_all else self.account, self.integer("limit", 50), before)
        self.send({"entries": entries})


class DescriptionHandler(_Handler):
    """What describes all this, and the WebSocket."""

    @_needs("read")
    def get(self, name: str) -> None:
        """As YAML."""
        self.send((_DESCRIPTIONS / name).read_bytes(), "application/yaml")


class UnknownHandler(_Handler):
    """Whatever else."""

    async def prepare(self, **kwargs: Any) -> None:
        """There is nothing, for anybody who may know."""
        await super().prepare(**kwargs)
        await self.require("read")
        raise web.HTTPError(404, "there is nothing of this name: see openapi.yaml")


def handlers() -> list[tuple[str, type[_Handler]]]:
    """The routes, below the server's base address."""
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
