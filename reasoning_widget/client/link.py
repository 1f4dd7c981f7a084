"""The policy of a client: when it reconnects, and what happens to its messages. This module does no I/O.

A WebSocket delivers frames completely and in order. After it breaks, only events after the last received one can be
missing, so a new connection resumes there. Messages are kept until they are acknowledged, and are sent again after a
reconnect with the same ids; the session accepts each id once.

`Link` gets events and the time as arguments; its results are `actions` to perform and the `deadline` of its next call.
``js/src/transport/socket-link.ts`` is the same policy for pages.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ..fold import Outcome, Transcript, new_transcript, receive
from ..parts import too_large_together
from ..protocol import (
    JSON,
    MAX_CHAT_BYTES,
    MAX_CLIENT_FRAME_BYTES,
    Frame,
    ProtocolError,
    encode,
    has_attachments,
)

RETRY_AFTER: Final = (2.0, 4.0, 6.0, 8.0, 10.0)
"""The delays before the attempts to reconnect, in seconds. After the last one, the link rests."""

PING_EVERY: Final = 30.0
"""The interval of heartbeats, in seconds."""

PONG_TIMEOUT: Final = 10.0
"""The time in which the server must respond to a heartbeat, in seconds."""

DELETED: Final = 4410
"""The close code of a deleted session."""

TICKET_ENDED: Final = 4401
"""The close code of a ticket that has expired or was revoked."""

_CATCH_UP_TIMEOUT: Final = 0.1  # seconds without a frame after which the missing events are not for this client
_RESEND_DELAY: Final = 1.0  # seconds until a message that exceeded the rate limit is sent again

State = Literal["closed", "connecting", "open", "waiting", "resting", "refused", "deleted"]


@dataclass(frozen=True)
class Connection:
    """The state of a connection.

    Attributes:
        state: ``waiting`` before the next attempt; ``resting``, ``refused`` or ``deleted`` if none is scheduled.
        reason: Why the connection is not open, for the person; may be empty.
        retry_at: The time of the next attempt on the link's clock, while ``waiting``.
    """

    state: State
    reason: str = ""
    retry_at: float | None = None

    @property
    def given_up(self) -> bool:
        """Whether the link reconnects only if the person acts."""
        return self.state in ("closed", "resting", "refused", "deleted")


@dataclass(frozen=True)
class Connect:
    """Open a connection that delivers the events after `after` of the log `epoch`; without `after`, only new events."""

    epoch: str | None
    after: int | None


@dataclass(frozen=True)
class Send:
    """Send a message over the connection."""

    message: JSON


@dataclass(frozen=True)
class Close:
    """Close the connection, or stop connecting. Its frames must be ignored from now on."""


Action = Connect | Send | Close


class Link:
    """The policy of one client of one session. Times are in seconds, on any monotonic clock.

    Args:
        retry_after: The delays before the attempts to reconnect, in seconds.
        ping_every: The interval of heartbeats, in seconds.
        pong_timeout: The time in which the server must respond to a heartbeat, in seconds.
        history: Whether events before the first connection are wanted.

    Attributes:
        connection: The state of the connection.
        state: The fold of all received frames.
        pending: The messages of this client that are not acknowledged yet, by id, oldest first.
        actions: The actions to perform, in order. The caller removes them.
    """

    def __init__(
        self,
        *,
        retry_after: Sequence[float] = RETRY_AFTER,
        ping_every: float = PING_EVERY,
        pong_timeout: float = PONG_TIMEOUT,
        history: bool = True,
    ) -> None:
        self.connection = Connection("closed")
        self.state: Transcript = new_transcript()
        self.pending: dict[str, JSON] = {}
        self.actions: list[Action] = []
        self._retry_after = tuple(retry_after)
        self._ping_every = ping_every
        self._pong_timeout = pong_timeout
        self._position: int | None = 0 if history else None
        self._failures = 0  # attempts since the last `session` frame
        self._target_seq = 0  # the last event of the log when this connection began
        self._attach_sent_at = -1  # the position of the last `attach`, which is not repeated
        self._awaiting_pong = False  # whether the last heartbeat is unanswered
        self._sent: set[str] = set()
        self._to_resend: list[str] = []
        self._ping_at: float | None = None
        self._caught_up_at: float | None = None
        self._resend_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """The time at which `tick` must be called; None if it need not be called."""
        times = (self.connection.retry_at, self._ping_at, self._caught_up_at, self._resend_at)
        return min((time for time in times if time is not None), default=None)

    @property
    def caught_up(self) -> bool:
        """Whether all events from before the connection was opened have arrived."""
        return self.connection.state == "open" and self._caught_up_at is None

    def was_sent(self, message_id: str) -> bool:
        """Whether a pending message was sent at least once, so that the server may have received it."""
        return message_id in self._sent

    # Actions of the person

    def connect(self) -> None:
        """Connect now, unless there is a connection or the session was deleted."""
        if self.connection.state not in ("open", "connecting", "deleted"):
            self._failures = 0
            self._connect()

    def close(self) -> None:
        """Disconnect, and stay disconnected."""
        self._stop_timers()
        self.actions.append(Close())
        self._set_connection(Connection("closed"))

    def send(self, kind: str, payload: JSON) -> str:
        """Send a message, now or after the next connection.

        A `stop` is dropped if there is no connection, because by then it could stop another run. Only in this case the
        message is not in `pending` afterwards.

        Returns:
            The id of the message.

        Raises:
            ProtocolError: The message is too long.
        """
        message_id = f"c-{secrets.token_hex(12)}"
        message = {"type": kind, "id": message_id, "payload": payload}
        in_parts = has_attachments(message)
        if len(encode(message)) > (MAX_CHAT_BYTES if in_parts else MAX_CLIENT_FRAME_BYTES):
            text = "the message is too long: put the text into a file and ask about the file"
            raise too_large_together() if in_parts else ProtocolError("too_large", text)
        if self.connection.state == "open":
            self.pending[message_id] = message
            self._send_now(message)
        elif kind != "stop":
            self.pending[message_id] = message
        if self.connection.state == "resting":
            self.connect()
        return message_id

    def drop(self, message_id: str) -> None:
        """Remove a pending message, so that it is not sent again."""
        self.pending.pop(message_id, None)
        self._sent.discard(message_id)

    # Events of the connection

    def receive(self, frame: Frame, now: float) -> Outcome:
        """Receive a frame, and fold it."""
        if self._awaiting_pong:
            self._schedule_ping(now)
        kind, data, seq = frame["type"], frame["data"], frame.get("seq")
        if kind == "session":
            self._begin_log(data, now)
        outcome = receive(self.state, frame)
        if outcome == "gap":
            self._attach()
        if seq is not None:
            self._position = max(self._position or 0, seq)
        if kind in ("ack", "error"):
            self._handle_reply(kind, data, now)
        elif kind == "pong" and data["last_seq"] > (self._position or 0):
            self._attach()
        if self._caught_up_at is not None:
            self._caught_up_at = None if (self._position or 0) >= self._target_seq else now + _CATCH_UP_TIMEOUT
        return outcome

    def lost(self, code: int, reason: str, now: float) -> None:
        """Note that the connection broke, or could not be opened.

        Args:
            code: The close code; 0 if there is none.
            reason: The reason, for the person.
            now: The time.
        """
        if self.connection.state not in ("open", "connecting"):
            return
        self._stop_timers()
        if code == DELETED:
            self._set_connection(Connection("deleted", "The session was deleted."))
        elif code == TICKET_ENDED:
            self._set_connection(Connection("refused", "The ticket has expired or was revoked: get another one."))
        elif self._failures >= len(self._retry_after):
            self._set_connection(Connection("resting", reason))
        else:
            self._set_connection(Connection("waiting", reason, now + self._retry_after[self._failures]))
            self._failures += 1

    def rejected(self, reason: str) -> None:
        """Note that the server rejects connections, so that further attempts are useless."""
        self._stop_timers()
        self._set_connection(Connection("refused", reason))

    def tick(self, now: float) -> None:
        """Do what is due at the time `now`."""
        retry_at = self.connection.retry_at
        if retry_at is not None and now >= retry_at:
            self._connect()
        if self._caught_up_at is not None and now >= self._caught_up_at:
            self._caught_up_at = None
        if self._resend_at is not None and now >= self._resend_at:
            self._resend_at = None
            again, self._to_resend = self._to_resend, []
            for message_id in again:
                if message_id in self.pending:
                    self._send_now(self.pending[message_id])
        if self._ping_at is not None and now >= self._ping_at:
            if self._awaiting_pong:
                self.actions.append(Close())
                self.lost(0, "The server stopped responding.", now)
            else:
                self._awaiting_pong = True
                self.actions.append(Send({"type": "ping", "payload": {}}))
                self._ping_at = now + self._pong_timeout

    # Connecting

    def _connect(self) -> None:
        self._stop_timers()
        self._set_connection(Connection("connecting"))
        self.actions.append(Connect(self.state["epoch"], self._position))

    def _begin_log(self, session: JSON, now: float) -> None:
        """Handle a `session` frame, which begins a connection, the reply to `attach`, and a new log."""
        if self._position is None:
            self._position = session["last_seq"]
        elif session["epoch"] != self.state["epoch"]:
            self._position = 0
            self._attach_sent_at = -1
        self._target_seq = session["last_seq"]
        self._caught_up_at = now + _CATCH_UP_TIMEOUT
        if self.connection.state != "connecting":
            return
        self._failures = 0
        self._attach_sent_at = -1
        self._set_connection(Connection("open"))
        self._schedule_ping(now)
        for message in self.pending.values():
            self._send_now(message)

    def _set_connection(self, connection: Connection) -> None:
        self.connection = connection
        if connection.state != "open":
            for message_id in [each["id"] for each in self.pending.values() if each["type"] == "stop"]:
                self.drop(message_id)

    def _attach(self) -> None:
        """Request the events after the current position. A second request at the same position would return nothing."""
        position = self._position or 0
        if self._attach_sent_at != position:
            self._attach_sent_at = position
            self.actions.append(Send({"type": "attach", "payload": {"epoch": self.state["epoch"], "after": position}}))

    # Messages and heartbeats

    def _send_now(self, message: JSON) -> None:
        self._sent.add(message["id"])
        self.actions.append(Send(message))

    def _handle_reply(self, kind: str, data: JSON, now: float) -> None:
        message_id = data.get("id", "")
        if kind == "error" and data["code"] == "too_fast" and message_id in self.pending:
            self._to_resend.append(message_id)
            self._resend_at = now + _RESEND_DELAY
        else:
            self.drop(message_id)

    def _schedule_ping(self, now: float) -> None:
        self._awaiting_pong = False
        self._ping_at = now + self._ping_every

    def _stop_timers(self) -> None:
        self._awaiting_pong = False
        self._ping_at = self._caught_up_at = self._resend_at = None
        self._to_resend.clear()
