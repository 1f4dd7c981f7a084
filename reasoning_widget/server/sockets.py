"""`ws/chat/<session_id>`: the protocol over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler, WebSocketProtocol

from ..compat.tornado import all_sent, counting_connection, drop, is_sending
from ..depth import shallow
from ..protocol import (
    CLIENT_MESSAGES,
    MAX_CHAT_BYTES,
    MAX_CLIENT_FRAME_BYTES,
    PROTOCOL_VERSION,
    Action,
    ClientMessage,
    Frame,
    ProtocolError,
    check_session_id,
    encode,
    has_attachments,
    too_deep,
)
from ..session.budget import Budget
from ..session.dispatch import dispatch, refusal
from ..session.log import StorageError
from ..session.session import EndReason, Session
from .auth import ReasoningHandler

SUBPROTOCOL: Final = "reasoning-widget.v1"

_MAX_READ_BYTES: Final = 16 * 1024 * 1024  # so that who sends too much can be told

_CLOSE_CODES: Final[dict[EndReason, tuple[int, str]]] = {
    "closed": (1001, "the server is going away"),
    "deleted": (4410, "the session was deleted"),
    "failed": (1013, "the session could not be read or saved: try again later"),
}
_TICKET_ENDED: Final = 4401
_LOGGED_OUT: Final = 1008
_NOT_LET_IN: Final = 4403
_TOO_MANY: Final = 4429


class ChatSocket(WebSocketMixin, WebSocketHandler, ReasoningHandler):
    """One client of one session."""

    _session: Session
    _after: int | None
    _epoch: str | None
    _growing = False
    _protocol = 1
    _messages: Budget
    _expiry: asyncio.TimerHandle | None = None
    _unanswered_pings = 0
    _was_owned = False
    _is_closing = False

    # The handshake

    async def get(self, session_id: str) -> None:
        """Check who asks for what, then become a WebSocket."""
        try:
            check_session_id(session_id)
        except ValueError as error:
            raise web.HTTPError(400, str(error)) from None
        try:
            await self.require("read", session_id)
        except StorageError as error:
            raise web.HTTPError(503, str(error)) from error
        except web.HTTPError as error:
            if error.status_code != 404:
                raise
            raise web.HTTPError(
                403, "this session belongs to another user: ask for a ticket, or choose another id"
            ) from None
        self._after = self._integer("after")
        self._epoch = self.get_query_argument("epoch", None)
        self._growing = self.get_query_argument("stream", "") == "tokens"
        self._protocol = min(self._integer("protocol") or 1, PROTOCOL_VERSION)
        try:
            self._session = self.service.manager.open(session_id)
        except StorageError as error:
            raise web.HTTPError(503, str(error)) from error
        self._was_owned = self._session.owned
        await super().get(session_id)

    def _integer(self, name: str) -> int | None:
        text = self.get_query_argument(name, None)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise web.HTTPError(400, f"`{name}` must be a number, or absent")
        return int(text)

    def check_origin(self, origin: str | None = None) -> bool:
        """Whether a page of that origin may connect.

        Raises:
            HTTPError: 403, it may not. Tornado would say so in no words that a client shows.
        """
        if super().check_origin(origin):
            return True
        raise web.HTTPError(403, "a page of another site needs a ticket, or `ServerApp.allow_origin` must name it")

    def set_default_headers(self) -> None:
        """None of those that say how a page may be used."""

    def set_cookie(self, name: str, value: str | bytes, *args: Any, **kwargs: Any) -> None:
        """None: whoever opens a socket with a token has not logged in with a browser."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Why the handshake was refused, for programs."""
        self.set_header("Content-Type", "application/json")
        self.finish(encode(self.error_body(status_code, kwargs["exc_info"][1])))

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Browsers send their ticket as another one, which is never answered."""
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None

    def get_compression_options(self) -> None:
        """No compression: it would cost more memory for each watcher than all else together."""
        return

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        """Return a connection that counts messages which have not ended; see `IncomingLimit`."""
        return counting_connection(super().get_websocket_protocol(), self, self.service.incoming)

    @property
    def max_message_size(self) -> int:
        """Bytes; a longer message closes the connection with 1009."""
        return _MAX_READ_BYTES

    @property
    def ping_interval(self) -> float:
        """None of its own: one timer of the service's beats for all sockets."""
        return 0

    def open(self, *args: str, **kwargs: str) -> None:
        """The handshake is done: serve."""
        self.set_nodelay(True)
        app = self.service.app
        self._messages = Budget(app.max_messages_per_second, 2 * app.max_messages_per_second)
        self.service.sockets.add(self)
        if self.ticket is not None:
            left = self.ticket.expires - time.time()
            self._expiry = asyncio.get_running_loop().call_later(left, self.ticket_ended)
        begun = self._session.owned and not self._was_owned
        if begun and self._session.owner != self.account and not self.service.access.open:
            self.not_let_in()  # somebody else has begun it during the handshake
            return
        too_many = self.service.quotas.check_connection(self.account)
        if too_many is not None:  # told so, for a page hears no words of a handshake that is refused
            self.close(_TOO_MANY, too_many)
            return
        self._follow(self._epoch, self._after)

    def _follow(self, epoch: str | None, after: int | None) -> None:
        self.service.hub.follow(
            self,
            self._session,
            growing=self._growing,
            protocol=self._protocol,
            epoch=epoch,
            after=after,
            author=self.author,
        )

    def on_close(self) -> None:
        """The connection is gone."""
        if self._expiry is not None:
            self._expiry.cancel()
        self.service.sockets.discard(self)
        self.service.hub.leave(self)

    # What the client sends

    async def on_message(self, message: str | bytes) -> None:
        """Answer; the next message is only read once the answer has been taken."""
        self._unanswered_pings = 0
        if self._is_closing:
            return  # without an `ack`, the client sends the message again
        replies = [encode(reply) for reply in await self._replies(message)]
        if replies:
            self.send(replies)
            await self.drained()

    async def _replies(self, message: str | bytes) -> list[Frame]:
        now = asyncio.get_running_loop().time()
        too_fast = self._messages.wait(now) > 0
        raw: Any = None
        try:
            if isinstance(message, bytes):
                raise ProtocolError("bad_message", "send text messages, not binary ones")  # noqa: TRY301
            if len(message) > MAX_CHAT_BYTES:
                raise _too_long()
            raw = _decoded(message)
            if len(message) > MAX_CLIENT_FRAME_BYTES and not has_attachments(raw):
                raise _too_long()
            if too_fast:
                raise ProtocolError("too_fast", "too many messages: wait a second before you send more")  # noqa: TRY301
            self._messages.spend(max(1, len(message) // MAX_CLIENT_FRAME_BYTES), now)
            await self._check_allowed(_permission(raw))
        except (ProtocolError, StorageError) as error:
            return [refusal(error, raw)]
        return dispatch(raw, "socket", self._receive)

    async def _check_allowed(self, action: Action) -> None:
        """Raises `ProtocolError` where whoever is there may not do this, or not any more."""
        session_id = self._session.session_id
        allowed = await self.may(action, session_id)
        if not allowed and not await self.may("read", session_id):
            self.not_let_in()
        if not allowed:
            raise ProtocolError("forbidden", "you may watch this session, but not take part in it")

    def _receive(self, message: ClientMessage) -> list[Frame]:
        kind, payload = message["type"], message["payload"]
        if kind == "attach":
            self._follow(payload["epoch"], payload["after"])
            return []
        if kind == "blob":
            return self._session.blob_frames(payload["blob"])
        if kind == "chat":
            self._make_room(message)
            self.service.claim(self._session, self.account)
        epoch = self._session.epoch
        replies = self._session.receive(message, self.username, self.author)
        if kind == "clear" and self._session.epoch != epoch:
            self.service.audit(self.actor, "cleared", self._session.session_id, self._session.owner)
        return replies

    def _make_room(self, message: ClientMessage) -> None:
        """Raises `ProtocolError` where there is no room for a prompt that is not there yet."""
        if not self._session.has_message(message["id"]):  # else it is sent again, and only to be acknowledged
            self.service.quotas.check_message(self._session, self.account, len(encode(message)))

    @property
    def session(self) -> Session:
        """The session that it is about."""
        return self._session

    # What the session sends: see `Peer`

    @property
    def stalled(self) -> bool:
        """See `Peer`."""
        return is_sending(self)

    def send(self, messages: Sequence[bytes]) -> None:
        """See `Peer`."""
        with contextlib.suppress(WebSocketClosedError):  # `on_close` follows
            for message in messages:
                self.write_message(message).add_done_callback(_ignore_closed)

    async def drained(self) -> None:
        """See `Peer`."""
        await all_sent(self)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection. Messages that the client sends until it notices are ignored."""
        self._is_closing = True
        super().close(code, reason)

    def end(self, reason: EndReason) -> None:
        """See `Peer`."""
        self.close(*_CLOSE_CODES[reason])

    def not_let_in(self) -> None:
        """Whoever is there may not see the session, or not any more."""
        self.service.hub.leave(self)
        self.close(_NOT_LET_IN, "you may not see this session: it belongs to another user")

    def came_with(self, cookie: str, username: str) -> bool:
        """Whether it was opened by a browser that had logged in with this cookie, or as that user."""
        if self.ticket is not None or self.token_authenticated:
            return False
        own = self.get_cookie(self.identity_provider.get_cookie_name(self))
        return own is not None and (own == cookie or (bool(username) and self.username == username))

    def logged_out(self) -> None:
        """Whoever opened it has logged out."""
        self.close(_LOGGED_OUT, "you have logged out")

    def ticket_ended(self) -> None:
        """The ticket has expired or was revoked."""
        self.close(_TICKET_ENDED, "the ticket has ended")

    # The heartbeat

    def beat(self) -> None:
        """Called once each interval: a peer that was silent for two of them is gone."""
        if self._unanswered_pings >= 2:
            drop(self)
            return
        self._unanswered_pings += 1
        with contextlib.suppress(WebSocketClosedError):
            self.ping()

    def on_pong(self, data: bytes) -> None:
        """The peer is there."""
        self._unanswered_pings = 0


def _ignore_closed(sent: asyncio.Future[None]) -> None:
    """Retrieve the error of a message that did not leave, because the connection was closed: `on_close` follows."""
    if not sent.cancelled():
        sent.exception()


def _permission(raw: Any) -> Action:
    """What its sender must be permitted to do, even if the message is none that can be sent."""
    kind = raw.get("type") if isinstance(raw, dict) else None
    declared = CLIENT_MESSAGES.get(kind) if isinstance(kind, str) else None
    return declared.permission if declared is not None else "execute"


def _too_long() -> ProtocolError:
    limits = MAX_CLIENT_FRAME_BYTES // 1024**2, MAX_CHAT_BYTES // 1024**2
    return ProtocolError("too_large", "a message may be {} MiB long, and one with attachments {} MiB".format(*limits))


def _decoded(message: str) -> Any:
    try:
        return msgspec.json.decode(message)
    except RecursionError:
        raise too_deep(_id_of(message)) from None
    except msgspec.DecodeError as error:
        if len(message) > MAX_CLIENT_FRAME_BYTES:
            raise _too_long() from None
        raise ProtocolError("bad_json", f"this is no JSON: {error}") from None


def _id_of(message: str) -> str | None:
    """The id of a message that no parser takes as it is, so that its sender knows which one was refused."""
    try:
        flat = msgspec.json.decode(shallow(message, 1))
    except msgspec.DecodeError:
        return None
    return flat["id"] if isinstance(flat, dict) and isinstance(flat.get("id"), str) else None
