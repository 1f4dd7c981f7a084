"""A client that leaves and rejoins a session many times, and whose transcript is compared with the log in the end."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from reasoning_widget.export.log import SessionFile
from reasoning_widget.fold import Transcript, is_open
from reasoning_widget.protocol import JSON, PLAIN_STEP_TYPES, Frame
from tests.jupyter import Jupyter
from tests.server.client import Client
from tests.server.laws import folded_log

_SMALL = 8 * 1024  # bytes of the receive buffer, so that a client that does not read stalls soon
_numbers = itertools.count(1)


class Member:
    """One client of one session.

    Args:
        server: The server.
        session_id: The session.
        growing: Whether it sees steps grow.

    Attributes:
        client: Its connection; None while it is away.
        start: The event behind which it knows everything.
        awake: Whether it reads what it is sent.
        unsure: Its messages by id that may have arrived or not, for the connection was cut.
    """

    def __init__(self, server: Jupyter, session_id: str, *, growing: bool) -> None:
        self.client: Client | None = None
        self.start = 0
        self.awake = True
        self.growing = growing
        self.unsure: dict[str, JSON] = {}
        self._server = server
        self._session_id = session_id
        self._known: Client | None = None  # the last connection, with the state in which the client left
        self._last_seq = 0
        self._received: dict[int, Frame] = {}

    @property
    def state(self) -> Transcript:
        """The fold of all frames that were received."""
        assert self._known is not None
        return self._known.state

    @property
    def here(self) -> bool:
        """Whether the client is connected and reads."""
        return self.client is not None and self.awake

    # Connections

    async def come(self, query: str | None = None) -> None:
        """Connect: the first time with a query, later from where the client was."""
        if query is None and self._known is not None and self.state["last_seq"] > 0:
            query = f"after={self.state['last_seq']}&epoch={self.state['epoch']}"
        elif query is None:
            query = "after=0"
        query += "&protocol=2"
        if self.growing:
            query += "&stream=tokens"
        url = self._server.socket_url(self._session_id, query)
        where = urlsplit(url)
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        plug.connect((where.hostname, where.port))
        plug.setblocking(False)
        headers = {"Authorization": f"token {self._server.token}"}
        client = Client(await connect(url, sock=plug, additional_headers=headers, max_queue=2))
        if self._known is not None:
            client.state = self.state
        self.client = self._known = client
        self._last_seq = 0
        first_time = client.state["epoch"] is None
        session = (await self.receive())["data"]
        if first_time:
            self.start = session["last_seq"] if "after" not in query else 0
        for message_id, payload in self.unsure.items():
            await self.send("chat", message_id, **payload)

    def cut(self) -> None:
        """Abort the connection, with everything that is still being sent."""
        assert self.client is not None
        self.client.socket.transport.abort()
        self.client = None
        self.awake = True

    async def leave(self) -> None:
        """Close the connection with a closing handshake."""
        assert self.client is not None
        client, self.client, self.awake = self.client, None, True

        async def read_on() -> None:  # the server's closing frame comes after everything that was not read
            with suppress(ConnectionClosed):
                while True:
                    await client.socket.recv()

        await asyncio.gather(client.socket.close(), read_on())

    async def dismissed(self) -> int | None:
        """Read until the server closes the connection; return the code if it arrives."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as closed:
            self.client = None
            return closed.rcvd.code if closed.rcvd is not None else None

    def forget(self) -> None:
        """Forget the session, because it was deleted. A new one may have the same id."""
        assert self.client is None
        self._known = None
        self._received.clear()
        self.start = 0
        self.unsure.clear()

    # Messages

    async def send(self, kind: str, message_id: str | None = None, /, **payload: Any) -> str:
        """Send a message, and return its id."""
        assert self.client is not None
        message_id = message_id or f"x{next(_numbers)}"
        await self.client.send(kind, message_id, **payload)
        return message_id

    def send_at_once(self, *messages: tuple[str, str, JSON]) -> None:
        """Send messages, each with type, id and payload, in one write, so that the server receives them together."""
        assert self.client is not None
        texts = (json.dumps({"type": kind, "id": name, "payload": payload}) for kind, name, payload in messages)
        frames = (WebSocketFrame(Opcode.TEXT, text.encode()).serialize(mask=True) for text in texts)
        self.client.socket.transport.write(b"".join(frames))

    async def say(self, kind: str, message_id: str | None = None, /, **payload: Any) -> str:
        """Send a message and wait for the reply: `ack`, or the code of the error."""
        return await self.reply(await self.send(kind, message_id, **payload))

    async def reply(self, message_id: str) -> str:
        """Wait for the reply to a message: `ack`, or the code of the error."""
        while True:
            frame = await self.receive()
            if frame["type"] in ("ack", "error") and frame["data"].get("id") == message_id:
                return str(frame["data"].get("code", "ack"))

    async def say_raw(self, text: str | bytes) -> str:
        """Send something that may not be a message, and wait for the code of the error."""
        assert self.client is not None
        await self.client.socket.send(text)
        while (frame := await self.receive())["type"] != "error":
            pass
        return str(frame["data"]["code"])

    async def pong(self) -> int:
        """Send a ping, read until the reply, and return the last event's number."""
        assert self.client is not None
        await self.client.socket.send('{"type": "ping"}')
        while (frame := await self.receive())["type"] != "pong":
            pass
        return int(frame["data"]["last_seq"])

    async def receive(self) -> Frame:
        """Receive the next frame, and check that it may come now."""
        assert self.client is not None
        epoch = self.client.state["epoch"]
        frame: Frame = await self.client.receive()
        seq = frame.get("seq")
        if frame["type"] == "session":
            self._last_seq = 0  # it also precedes the events that `attach` requests
            if frame["data"]["epoch"] != epoch:
                self._received.clear()
                self.start = 0
        elif seq is not None:
            assert seq > self._last_seq, "an event came twice, or out of order"
            assert self._received.setdefault(seq, frame) == frame, "an event has changed"
            self._last_seq = seq
        return frame

    async def until(self, condition: Callable[[], bool]) -> None:
        """Read until a condition is true."""
        while not condition():
            await self.receive()

    def knows(self, seq: int) -> bool:
        """Whether the client has received this event."""
        return max(self.start, self.state["last_seq"]) >= seq

    # Checks at the end

    def check(self, file: SessionFile) -> None:
        """Check the client's transcript against a log in which nothing is open."""
        events = _shown(file, growing=self.growing)
        by_seq = {event["seq"]: event for event in events}
        newest = {event["data"]["id"]: event["seq"] for event in events if event["type"] == "reasoning_step"}
        for seq, frame in self._received.items():
            assert by_seq.get(seq) == frame, "it was sent what the log has not, or what is not for it"
        for seq, event in by_seq.items():
            superseded = event["type"] == "reasoning_step" and newest[event["data"]["id"]] != seq
            assert seq <= self.start or superseded or seq in self._received, "it was not sent what it should know"
        if self.start == 0:
            assert self.state == folded_log({**file, "events": events}), "what it knows is not the fold of the log"


def _shown(file: SessionFile, *, growing: bool) -> list[Frame]:
    """Return the events of a log that such a client gets, considering `enable_reasoning`."""
    plain = {
        event["data"]["run_id"]
        for event in file["events"]
        if event["type"] == "run_started" and not event["data"]["enable_reasoning"]
    }
    steps = [event["data"] for event in file["events"] if event["type"] == "reasoning_step"]
    newest = {step["id"]: step for step in steps}
    outcomes = {step["id"] for step in steps if (step if growing else newest[step["id"]])["type"] in PLAIN_STEP_TYPES}

    def is_shown(event: Frame) -> bool:
        step = event["data"]
        if event["type"] != "reasoning_step":
            return True
        return (growing or not is_open(step)) and (step["run_id"] not in plain or step["id"] in outcomes)

    return [event for event in file["events"] if is_shown(event)]


def asked_twice(state: Transcript) -> list[str]:
    """Return the messages for which there is more than one run."""
    return [message_id for message_id, runs in Counter(run["message_id"] for run in state["runs"]).items() if runs > 1]
