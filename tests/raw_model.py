"""A model server that sends exactly the bytes of a test, because real servers do not always send what they should."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

JSON = dict[str, Any]
Part = bytes | threading.Event | str
"""Bytes to send, an event to wait for, or ``"reset"`` to break the connection."""
Turn = list[Part]

RESET: Final = "reset"
DONE: Final = b"data: [DONE]\n\n"


def head(status: str = "200 OK", kind: str = "text/event-stream", length: int | None = None) -> bytes:
    """Return the head of a response. Without a length, the body ends with the connection."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close", "x-should-retry: false"]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def event(data: object) -> bytes:
    """Return an event of a stream: JSON, or a text unchanged."""
    return b"data: " + (data if isinstance(data, str) else json.dumps(data)).encode() + b"\n\n"


def chunk(delta: object = None, finish: str | None = None, **more: Any) -> bytes:
    """Return a chunk of a chat completion."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return event(
        {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}
    )


def texts(*pieces: str, key: str = "content") -> list[Part]:
    """Return a chunk for each piece of a text."""
    return [chunk({key: piece}) for piece in pieces]


def stream(*parts: Part, finish: str | None = "stop", done: bool = True) -> Turn:
    """Return a whole stream."""
    ends: list[Part] = [chunk({}, finish)] if finish else []
    return [head(), *parts, *ends, *([DONE] if done else [])]


def body(content: object, status: str = "200 OK", kind: str = "application/json") -> Turn:
    """Return a response that is no stream: JSON, or bytes unchanged."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return [head(status, kind, len(data)), data]


class RawModel:
    """The server: request n gets turn n; the last turn repeats.

    Attributes:
        address: The address on which it listens, without a path.
        requests: The bodies of the requests.
        closed: Set when a client has closed a connection before its answer was complete.
    """

    def __init__(self, *turns: Turn | Callable[[JSON], Turn]) -> None:
        self._turns = turns
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.requests: list[JSON] = []
        self.closed = threading.Event()

    def llm(self, **generate_cfg: Any) -> JSON:
        """Return the configuration of a Qwen-Agent model that uses this server."""
        config: JSON = {"model": "m", "model_type": "oai", "model_server": f"{self.address}/v1", "api_key": "sk-raw-1"}
        return {**config, "generate_cfg": generate_cfg}

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                request = self._read(connection)
                number = min(len(self.requests), len(self._turns) - 1)
                self.requests.append(request)
                turn = self._turns[number]
                for part in turn(request) if callable(turn) else turn:
                    if part == RESET:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
                    if isinstance(part, threading.Event):
                        self._wait(connection, part)
                    elif isinstance(part, bytes):
                        connection.sendall(part)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                self.closed.set()

    def _wait(self, connection: socket.socket, event: threading.Event) -> None:
        """Wait until the event is set or the client has disconnected."""
        connection.settimeout(0.02)
        while not event.is_set():
            try:
                if not connection.recv(1):
                    raise ConnectionError
            except TimeoutError:
                continue
        connection.settimeout(None)

    def _read(self, connection: socket.socket) -> JSON:
        received = b"".join(self._until_head(connection))
        before, _, rest = received.partition(b"\r\n\r\n")
        fields = (line.partition(b":") for line in before.lower().split(b"\r\n")[1:])
        length = next((int(value) for name, _, value in fields if name == b"content-length"), 0)
        while len(rest) < length:
            rest += connection.recv(65536)
        request: JSON = json.loads(rest or b"{}")
        return request

    def _until_head(self, connection: socket.socket) -> Iterator[bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            part = connection.recv(65536)
            if not part:
                raise ConnectionError
            received += part
            yield part
