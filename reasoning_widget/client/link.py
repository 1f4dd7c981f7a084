"""How a client follows a session over a WebSocket that may break, and what becomes of its messages. No I/O here.

What a WebSocket brings is complete and in order as long as it holds. So all that can be missing is behind the last
event that came, and a new connection resumes there. Own messages wait until they are acknowledged: what was written or
sent without an answer goes out on return, under the same ids, and the session takes each id once.

`Link` is told what happens and what time it is; it says what to do (`actions`) and when it wants to be called next
(`deadline`). ``js/src/transport/socket-link.ts`` is the same policy for pages.
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
"""After so many seconds a connection that broke is tried again: once for each of these, then it rests."""

PING_EVERY: Final = 30.0
"""How often the server is asked whether it is there, in seconds."""

ANSWER_WITHIN: Final = 10.0
"""For how long it may then be silent, in seconds."""

DELETED: Final = 4410
"""The close code that says that the session was deleted."""

TICKET_ENDED: Final = 4401
"""The close code that says that the ticket has expired or was revoked."""

_QUIET: Final = 0.1  # seconds without a frame after which what is still missing is not meant for us
_SLOW_DOWN: Final = 1.0  # seconds; what the server found too much is sent again after these

State = Literal["closed", "connecting", "open", "waiting", "resting", "refused", "deleted"]


@dataclass(frozen=True)
class Connection:
    """How it stands with the connection.

    Attributes:
        state: ``waiting`` for the next try; ``resting``, ``refused`` or ``deleted`` when there will be none by itself.
        reason: Why it is not open, in words; may be empty.
        retry_at: When the next try is, on the link's clock, while ``waiting``.
    """

    state: State
    reason: str = ""
    retry_at: float | None = None

    @property
    def given_up(self) -> bool:
        """Whether nothing more comes unless the person does something."""
        return self.state in ("closed", "resting", "refused", "deleted")


@dataclass(frozen=True)
class Dial:
    """Make a connection that brings what is behind event `after` of `epoch`; without `after`, what comes from now."""

    epoch: str | None
    after: int | None


@dataclass(frozen=True)
class Post:
    """Send a message over the connection."""

    message: JSON


@dataclass(frozen=True)
class HangUp:
    """Close the connection, or give up making one; nothing more may come of it."""


Action = Dial | Post | HangUp


class Link:
    """The policy of one client of one session. Times are in seconds, on any clock that never goes back.

    Args:
        retry_after: See `RETRY_AFTER`.
        ping_every: See `PING_EVERY`.
        answer_within: See `ANSWER_WITHIN`.
        history: Whether what happened before the first connection is wanted.

    Attributes:
        connection: How it stands.
        state: The fold of all that came.
        pending: The own messages that are not acknowledged yet, by id, oldest first.
        actions: What is to be done, in order. Whoever does it takes it out.
    """

    def __init__(
        self,
        *,
        retry_after: Sequence[float] = RETRY_AFTER,
        ping_every: float = PING_EVERY,
        answer_within: float = ANSWER_WITHIN,
        history: bool = True,
    ) -> None:
        self.connection = Connection("closed")
        self.state: Transcript = new_transcript()
        self.pending: dict[str, JSON] = {}
        self.actions: list[Action] = []
        self._retry_after = tuple(retry_after)
        self._ping_every = ping_every
        self._answer_within = answer_within
        self._position: int | None = 0 if history else None
        self._failures = 0  # how many times in a row it has not come to a `session` frame
        self._goal = 0  # where the log stood when this connection began
        self._attached_at = -1  # the position at which what is missing was asked for: once is enough
        self._asking = False  # whether a ping is unanswered
        self._posted: set[str] = set()
        self._refused_for_now: list[str] = []
        self._beat_at: float | None = None
        self._quiet_at: float | None = None
        self._again_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called next; None if only something that happens can change anything."""
        times = (self.connection.retry_at, self._beat_at, self._quiet_at, self._again_at)
        return min((time for time in times if time is not None), default=None)

    @property
    def caught_up(self) -> bool:
        """Whether all is here that had happened when the connection was made."""
        return self.connection.state == "open" and self._quiet_at is None

    def was_posted(self, message_id: str) -> bool:
        """Whether a pending message has left at least once, so that the server may have it."""
        return message_id in self._posted

    # What the person does

    def connect(self) -> None:
        """Try now, whatever came before, unless there is a connection or the session is gone."""
        if self.connection.state not in ("open", "connecting", "deleted"):
            self._failures = 0
            self._dial()

    def close(self) -> None:
        """Be connected no longer."""
        self._stop_timers()
        self.actions.append(HangUp())
        self._move(Connection("closed"))

    def send(self, kind: str, payload: JSON) -> str:
        """Send a message, now or on return.

        `stop` does not wait for a connection: what it would stop then is another matter. Then, and only then, it is not
        in `pending` afterwards.

        Returns:
            Its id.

        Raises:
            ProtocolError: It is too long.
        """
        message_id = f"c-{secrets.token_hex(12)}"
        message = {"type": kind, "id": message_id, "payload": payload}
        in_parts = has_attachments(message)
        if len(encode(message)) > (MAX_CHAT_BYTES if in_parts else MAX_CLIENT_FRAME_BYTES):
            text = "the message is too long: put the text into a file and ask about the file"
            raise too_large_together() if in_parts else ProtocolError("too_large", text)
        if self.connection.state == "open":
            self.pending[message_id] = message
            self._post(message)
        elif kind != "stop":
            self.pending[message_id] = message
        if self.connection.state == "resting":
            self.connect()
        return message_id

    def forget(self, message_id: str) -> None:
        """Send a pending message no more."""
        self.pending.pop(message_id, None)
        self._posted.discard(message_id)

    # What the connection brings

    def receive(self, frame: Frame, now: float) -> Outcome:
        """Take a frame, and fold it."""
        if self._asking:
            self._beat(now)
        kind, data, seq = frame["type"], frame["data"], frame.get("seq")
        if kind == "session":
            self._begin(data, now)
        outcome = receive(self.state, frame)
        if outcome == "gap":
            self._attach()
        if seq is not None:
            self._position = max(self._position or 0, seq)
        if kind in ("ack", "error"):
            self._settle(kind, data, now)
        elif kind == "pong" and data["last_seq"] > (self._position or 0):
            self._attach()
        if self._quiet_at is not None:
            self._quiet_at = None if (self._position or 0) >= self._goal else now + _QUIET
        return outcome

    def lost(self, code: int, reason: str, now: float) -> None:
        """The connection broke, or could not be made.

        Args:
            code: The close code; 0 where there is none.
            reason: Why, for the person.
            now: The time.
        """
        if self.connection.state not in ("open", "connecting"):
            return
        self._stop_timers()
        if code == DELETED:
            self._move(Connection("deleted", "The session was deleted."))
        elif code == TICKET_ENDED:
            self._move(Connection("refused", "The ticket has ended: get another one."))
        elif self._failures >= len(self._retry_after):
            self._move(Connection("resting", reason))
        else:
            self._move(Connection("waiting", reason, now + self._retry_after[self._failures]))
            self._failures += 1

    def refused(self, reason: str) -> None:
        """The server will not have us, and trying again would change nothing."""
        self._stop_timers()
        self._move(Connection("refused", reason))

    def tick(self, now: float) -> None:
        """Time has passed."""
        retry_at = self.connection.retry_at
        if retry_at is not None and now >= retry_at:
            self._dial()
        if self._quiet_at is not None and now >= self._quiet_at:
            self._quiet_at = None
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
            again, self._refused_for_now = self._refused_for_now, []
            for message_id in again:
                if message_id in self.pending:
                    self._post(self.pending[message_id])
        if self._beat_at is not None and now >= self._beat_at:
            if self._asking:
                self.actions.append(HangUp())
                self.lost(0, "The server no longer answers.", now)
            else:
                self._asking = True
                self.actions.append(Post({"type": "ping", "payload": {}}))
                self._beat_at = now + self._answer_within

    # Connecting

    def _dial(self) -> None:
        self._stop_timers()
        self._move(Connection("connecting"))
        self.actions.append(Dial(self.state["epoch"], self._position))

    def _begin(self, session: JSON, now: float) -> None:
        """A `session` frame leads a connection, what `attach` brings, and a log that begins anew."""
        if self._position is None:
            self._position = session["last_seq"]
        elif session["epoch"] != self.state["epoch"]:
            self._position = 0
            self._attached_at = -1
        self._goal = session["last_seq"]
        self._quiet_at = now + _QUIET
        if self.connection.state != "connecting":
            return
        self._failures = 0
        self._attached_at = -1
        self._move(Connection("open"))
        self._beat(now)
        for message in self.pending.values():
            self._post(message)

    def _move(self, connection: Connection) -> None:
        self.connection = connection
        if connection.state != "open":
            for message_id in [each["id"] for each in self.pending.values() if each["type"] == "stop"]:
                self.forget(message_id)

    def _attach(self) -> None:
        """Ask for what is behind the position: once, for where that brings nothing no more would."""
        position = self._position or 0
        if self._attached_at != position:
            self._attached_at = position
            self.actions.append(Post({"type": "attach", "payload": {"epoch": self.state["epoch"], "after": position}}))

    # Own messages, and whether the server is there

    def _post(self, message: JSON) -> None:
        self._posted.add(message["id"])
        self.actions.append(Post(message))

    def _settle(self, kind: str, data: JSON, now: float) -> None:
        message_id = data.get("id", "")
        if kind == "error" and data["code"] == "too_fast" and message_id in self.pending:
            self._refused_for_now.append(message_id)
            self._again_at = now + _SLOW_DOWN
        else:
            self.forget(message_id)

    def _beat(self, now: float) -> None:
        self._asking = False
        self._beat_at = now + self._ping_every

    def _stop_timers(self) -> None:
        self._asking = False
        self._beat_at = self._quiet_at = self._again_at = None
        self._refused_for_now.clear()
