"""`ws/chat/<session_id>`: the WebSocket over which clients follow a session and take part in it."""

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
from ..session.dispatch import dispatch, refusal
from ..session.log import StorageError
from ..session.session import EndReason, Session
from ..session.token_bucket import TokenBucket
from .auth import ReasoningHandler

SUBPROTOCOL: Final = "reasoning-widget.v1"

_MAX_READ_BYTES: Final = 16 * 1024 * 1024  # more than is accepted, so that the refusal can be explained

_CLOSE_CODES: Final[dict[EndReason, tuple[int, str]]] = {
    "closed": (1001, "the server is going away"),
    "deleted": (4410, "the session was deleted"),
    "failed": (1013, "the session could not be read or saved: try again later"),
}
_LOGGED_OUT: Final = 1008
_TICKET_ENDED: Final = 4401
_ACCESS_DENIED: Final = 4403
_TOO_MANY_CONNECTIONS: Final = 4429


class ChatSocket(WebSocketMixin, WebSocketHandler, ReasoningHandler):
    """The connection of one client to one session."""

    _session: Session
    _after: int | None
    _epoch: str | None
    _growing = False
    _protocol = 1
    _messages: TokenBucket
    _expiry: asyncio.TimerHandle | None = None
    _unanswered_pings = 0
    _was_owned = False
    _is_closing = False

    # The handshake

    async def get(self, session_id: str) -> None:
        """Check the request and the user's permission, then become a WebSocket."""
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
        """Whether a page of this origin may connect.

        Raises:
            HTTPError: 403, it may not. Tornado's own response has no message that clients show.
        """
        if super().check_origin(origin):
            return True
        raise web.HTTPError(403, "a page of another site needs a ticket, or `ServerApp.allow_origin` must name it")

    def set_default_headers(self) -> None:
        """Set none of Jupyter Server's headers for pages: a WebSocket is not a page."""

    def set_cookie(self, name: str, value: str | bytes, *args: Any, **kwargs: Any) -> None:
        """Set no cookie: a program that connects with a token has not logged in with a browser."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Respond to a refused handshake with a JSON error."""
        self.set_header("Content-Type", "application/json")
        self.finish(encode(self.error_body(status_code, kwargs["exc_info"][1])))

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Choose our subprotocol. Browsers also offer their ticket as a subprotocol, which is never chosen."""
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None

    def get_compression_options(self) -> None:
        """Use no compression, which would need more memory per connection than everything else together."""
        return

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        """Return a connection that counts messages which have not ended; see `IncomingLimit`."""
        return counting_connection(super().get_websocket_protocol(), self, self.service.incoming)

    @property
    def max_message_size(self) -> int:
        """The size of a message, in bytes, above which the connection is closed with code 1009."""
        return _MAX_READ_BYTES

    @property
    def ping_interval(self) -> float:
        """Disable Tornado's heartbeat: one timer of the service serves all sockets."""
        return 0

    def open(self, *args: str, **kwargs: str) -> None:
        """Follow the session, unless the user may not see it or has too many connections."""
        self.set_nodelay(True)
        app = self.service.app
        self._messages = TokenBucket(app.max_messages_per_second, 2 * app.max_messages_per_second)
        self.service.sockets.add(self)
        if self.ticket is not None:
            left = self.ticket.expires - time.time()
            self._expiry = asyncio.get_running_loop().call_later(left, self.end_ticket)
        claimed = self._session.owned and not self._was_owned
        if claimed and self._session.owner != self.account and not self.service.access.shared_with_all:
            self.deny_access()  # another user has sent the first message during the handshake
            return
        too_many = self.service.quotas.check_connection(self.account)
        if too_many is not None:  # not earlier, because browsers do not show why a handshake was refused
            self.close(_TOO_MANY_CONNECTIONS, too_many)
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
        """Release what belongs to the connection, which is closed."""
        if self._expiry is not None:
            self._expiry.cancel()
        self.service.sockets.discard(self)
        self.service.hub.leave(self)

    # What the client sends

    async def on_message(self, message: str | bytes) -> None:
        """Reply to a message. The next message is not read before the client has read the reply."""
        self._unanswered_pings = 0
        if self._is_closing:
            return  # without an `ack`, the client sends the message again
        replies = [encode(reply) for reply in await self._replies(message)]
        if replies:
            self.send(replies)
            await self.drained()

    async def _replies(self, message: str | bytes) -> list[Frame]:
        raw: Any = None
        try:
            raw = _decoded(message)
            _check_length(message, raw)
            self._check_rate(message)
            await self._check_allowed(_permission(raw))
        except (ProtocolError, StorageError) as error:
            return [refusal(error, raw)]
        return dispatch(raw, "socket", self._receive)

    def _check_rate(self, message: str | bytes) -> None:
        """Count a message. A long one counts as several.

        Raises:
            ProtocolError: The client sends too many messages.
        """
        now = asyncio.get_running_loop().time()
        if self._messages.wait(now) > 0:
            raise ProtocolError("too_fast", "too many messages: wait a second before you send more")
        self._messages.spend(max(1, len(message) // MAX_CLIENT_FRAME_BYTES), now)

    async def _check_allowed(self, action: Action) -> None:
        """Check the user's permission, which may have changed since the last message.

        Raises:
            ProtocolError: The user may not do this in the session.
            StorageError: The session's owner cannot be read.
        """
        session_id = self._session.session_id
        allowed = await self.may(action, session_id)
        if not allowed and not await self.may("read", session_id):
            self.deny_access()
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
            self._check_quota(message)
            self.service.claim(self._session, self.account)
        epoch = self._session.epoch
        replies = self._session.receive(message, self.username, self.author)
        if kind == "clear" and self._session.epoch != epoch:
            self.service.audit(self.actor, "cleared", self._session.session_id, self._session.owner)
        return replies

    def _check_quota(self, message: ClientMessage) -> None:
        """Check the user's limits, except for a message that is sent again and only needs an `ack`.

        Raises:
            ProtocolError: The prompt would exceed a limit.
            StorageError: The limits cannot be checked.
        """
        if not self._session.has_message(message["id"]):
            self.service.quotas.check_message(self._session, self.account, len(encode(message)))

    @property
    def session(self) -> Session:
        """The session that the client follows."""
        return self._session

    # As a `Peer` of the session

    @property
    def stalled(self) -> bool:
        """Whether earlier messages are still being sent."""
        return is_sending(self)

    def send(self, messages: Sequence[bytes]) -> None:
        """Send text messages. Ignored if the connection is closed."""
        with contextlib.suppress(WebSocketClosedError):  # `on_close` follows
            for message in messages:
                self.write_message(message).add_done_callback(_ignore_closed)

    async def drained(self) -> None:
        """Wait until all messages are sent, or the connection is closed."""
        await all_sent(self)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection. Messages that the client sends until it notices are ignored."""
        self._is_closing = True
        super().close(code, reason)

    def end(self, reason: EndReason) -> None:
        """Close the connection, because the session has ended."""
        self.close(*_CLOSE_CODES[reason])

    def deny_access(self) -> None:
        """Close the connection, because the user may not see the session, or no longer."""
        self.service.hub.leave(self)
        self.close(_ACCESS_DENIED, "you may not see this session: it belongs to another user")

    def logged_in_with(self, cookie: str, username: str) -> bool:
        """Whether a browser opened the connection that was logged in with this cookie, or as this user."""
        if self.ticket is not None or self.token_authenticated:
            return False
        own = self.get_cookie(self.identity_provider.get_cookie_name(self))
        return own is not None and (own == cookie or (bool(username) and self.username == username))

    def end_login(self) -> None:
        """Close the connection, because the user has logged out."""
        self.close(_LOGGED_OUT, "you have logged out")

    def end_ticket(self) -> None:
        """Close the connection, because its ticket has expired or was revoked."""
        self.close(_TICKET_ENDED, "the ticket has ended")

    # The heartbeat

    def check_heartbeat(self) -> None:
        """Ping the client, or drop the connection if it has not answered two pings. Called once per interval."""
        if self._unanswered_pings >= 2:
            drop(self)
            return
        self._unanswered_pings += 1
        with contextlib.suppress(WebSocketClosedError):
            self.ping()

    def on_pong(self, data: bytes) -> None:
        """Note that the client has answered a ping."""
        self._unanswered_pings = 0


def _ignore_closed(sent: asyncio.Future[None]) -> None:
    """Retrieve the error of a message that did not leave, because the connection was closed: `on_close` follows."""
    if not sent.cancelled():
        sent.exception()


def _permission(raw: Any) -> Action:
    """Return the permission that a decoded message needs, even if it is not a valid one."""
    kind = raw.get("type") if isinstance(raw, dict) else None
    declared = CLIENT_MESSAGES.get(kind) if isinstance(kind, str) else None
    return declared.permission if declared is not None else "execute"


def _too_long() -> ProtocolError:
    limits = MAX_CLIENT_FRAME_BYTES // 1024**2, MAX_CHAT_BYTES // 1024**2
    return ProtocolError("too_large", "a message may be {} MiB long, and one with attachments {} MiB".format(*limits))


def _check_length(message: str | bytes, raw: Any) -> None:
    if len(message) > MAX_CLIENT_FRAME_BYTES and not has_attachments(raw):
        raise _too_long()


def _decoded(message: str | bytes) -> Any:
    if isinstance(message, bytes):
        raise ProtocolError("bad_message", "send text messages, not binary ones")
    if len(message) > MAX_CHAT_BYTES:
        raise _too_long()
    try:
        return msgspec.json.decode(message)
    except RecursionError:
        raise too_deep(_id_of(message)) from None
    except msgspec.DecodeError as error:
        if len(message) > MAX_CLIENT_FRAME_BYTES:
            raise _too_long() from None
        raise ProtocolError("bad_json", f"this is not JSON: {error}") from None


def _id_of(message: str) -> str | None:
    """Return the id of a message that is nested too deeply for the parser, so that its sender can be told."""
    try:
        flat = msgspec.json.decode(shallow(message, 1))
    except msgspec.DecodeError:
        return None
    return flat["id"] if isinstance(flat, dict) and isinstance(flat.get("id"), str) else None
