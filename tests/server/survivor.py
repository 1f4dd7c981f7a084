"""A client that reconnects whenever its connection is lost, and continues from where it was."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage

from reasoning_widget.fold import is_open, new_transcript, receive
from reasoning_widget.protocol import JSON, Frame
from tests.server.client import HANGS


class Survivor:
    """A client of one session.

    Args:
        session_id: The session.
        token: Jupyter's.
        growing: Whether it sees steps grow.

    Attributes:
        state: The fold of all it was sent.
        acked: The ids of its messages that are safe.
        finished: The steps that it saw closed.
        errors: The data of the errors it was told.
        closed: The code with which its connection was closed last, if it was in order.
        grown: When text came, by `time.monotonic`, and how long its step's text was then.
    """

    def __init__(self, session_id: str, token: str, *, growing: bool = True) -> None:
        self.state = new_transcript()
        self.acked: set[str] = set()
        self.finished: dict[str, JSON] = {}
        self.errors: list[JSON] = []
        self.grown: list[tuple[float, int]] = []
        self.closed: int | None = None
        self._session_id = session_id
        self._headers = {"Authorization": f"token {token}"}
        self._stream = "&stream=tokens" if growing else ""
        self._outbox: dict[str, str] = {}

    def ask(self, message_id: str, text: str, agent: str, **options: bool | int) -> None:
        """Ask as soon as there is a connection, and again until there is an `ack`."""
        payload = {"message": text, "agent_name": agent, **options}
        self._outbox[message_id] = json.dumps({"type": "chat", "id": message_id, "payload": payload})

    async def follow(self, origin: str, until: Callable[[], bool]) -> bool:
        """Connect, and receive frames until a condition is true. Return False if the connection is lost before."""
        try:
            async with connect(self._url(origin), additional_headers=self._headers, open_timeout=HANGS) as socket:
                for message in self._outbox.values():
                    await socket.send(message)
                while not until():
                    async with asyncio.timeout(HANGS):
                        frame = json.loads(await socket.recv())
                    self._take(frame)
        except TimeoutError:
            raise
        except (OSError, ConnectionClosed, InvalidMessage) as error:
            self.closed = error.rcvd.code if isinstance(error, ConnectionClosed) and error.rcvd else None
            return False
        return True

    def _url(self, origin: str) -> str:
        epoch = f"&epoch={self.state['epoch']}" if self.state["epoch"] else ""
        query = f"after={self.state['last_seq']}{epoch}{self._stream}"
        return f"{origin.replace('http', 'ws')}/ws/chat/{self._session_id}?{query}"

    def _take(self, frame: Frame) -> None:
        assert receive(self.state, frame) != "gap"
        kind, data = frame["type"], frame["data"]
        if kind == "ack":
            self.acked.add(data["id"])
            self._outbox.pop(data["id"], None)
        elif kind == "reasoning_step" and not is_open(data):
            self.finished[data["id"]] = data
        elif kind == "step_delta":
            self.grown.append((time.monotonic(), data["offset"] + len(data["text"])))
        elif kind == "error":
            self.errors.append(data)
