"""A plain client of the WebSocket, which keeps the frames it receives and their fold."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect

from reasoning_widget.fold import new_transcript, receive
from reasoning_widget.protocol import Frame

HANGS = 60  # seconds without a frame before a test fails, instead of waiting forever

_numbers = itertools.count(1)


def new_session():
    """Return the id of a new session."""
    return f"s{next(_numbers)}"


class Client:
    """A connection to a session.

    Attributes:
        frames: The frames that were received, in order.
        state: The fold of the frames.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[Frame] = []
        self.state = new_transcript()

    async def send(self, kind, message_id=None, /, **payload):
        message = {"type": kind, "payload": payload}
        if message_id is not None:
            message["id"] = message_id
        await self.socket.send(json.dumps(message))

    async def ask(self, text, agent="echo", message_id=None, **payload):
        message_id = message_id or f"m{next(_numbers)}"
        await self.send("chat", message_id, message=text, agent_name=agent, **payload)
        return message_id

    async def receive(self):
        """Receive the next frame."""
        async with asyncio.timeout(HANGS):
            frame: Frame = json.loads(await self.socket.recv())
        self.frames.append(frame)
        assert receive(self.state, frame) != "gap"
        return frame

    async def until(self, kind):
        """Receive frames up to the next one of a type, and return that one."""
        while (frame := await self.receive())["type"] != kind:
            pass
        return frame

    def steps(self):
        """Return the type and the text of each step."""
        return [(step["type"], step["content"]) for step in self.state["steps"].values()]


async def bare_connection(server, session_id):
    """Open a connection for raw bytes and send a handshake. The response is not read yet."""
    host, port = server.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [
        f"GET /ws/chat/{session_id} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Authorization: token {server.token}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return reader, writer


@asynccontextmanager
async def connected(server, session_id, query="after=0&stream=tokens", **options):
    """Connect to a session, with the server's token unless `additional_headers` are given."""
    options.setdefault("additional_headers", {"Authorization": f"token {server.token}"})
    async with connect(server.socket_url(session_id, query), **options) as socket:
        yield Client(socket)
