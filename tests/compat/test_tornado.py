"""Tornado's WebSockets. If one of these tests fails, Tornado has changed; adapt `compat/tornado.py`."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from reasoning_widget.compat.tornado import all_sent, counting_connection, drop, is_sending

KIB = 1024
MIB = 1024 * KIB


class Counter:
    """Counts like the server's `IncomingLimit`, and refuses messages above a limit."""

    def __init__(self):
        self.held = {}
        self.limit = 64 * MIB
        self.changed = asyncio.Event()

    def add(self, connection, size):
        self.held[connection] = self.held.get(connection, 0) + size
        self.changed.set()
        if self.held[connection] > self.limit:
            connection.refuse(1013, "too much")

    def remove(self, connection):
        self.held.pop(connection, None)
        self.changed.set()

    async def until(self, condition):
        """Wait until the number of held bytes meets a condition."""
        while not condition(sum(self.held.values())):
            self.changed.clear()
            await self.changed.wait()


class Socket(WebSocketHandler):
    """A WebSocket that stores the messages it receives."""

    def initialize(self, opened, counter):
        self.opened = opened
        self.counter = counter
        self.messages: asyncio.Queue[str | bytes] = asyncio.Queue()

    def get_websocket_protocol(self):
        return counting_connection(super().get_websocket_protocol(), self, self.counter)

    def open(self, *_args, **_kwargs):
        self.opened.put_nowait(self)

    def on_message(self, message):
        self.messages.put_nowait(message)


@pytest.fixture
def counter():
    return Counter()


@pytest.fixture
async def port(counter):
    """The port of a server with only `Socket`, and the queue of its open sockets."""
    opened: asyncio.Queue[Socket] = asyncio.Queue()
    server = HTTPServer(Application([("/", Socket, {"opened": opened, "counter": counter})]))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    yield sockets[0].getsockname()[1], opened
    server.stop()
    await server.close_all_connections()


@asynccontextmanager
async def connected(port):
    """A client and the server's end of its connection."""
    number, opened = port
    async with connect(f"ws://127.0.0.1:{number}/", max_size=None, max_queue=1) as client:
        yield client, await opened.get()


async def test_messages_that_a_client_has_not_read_count_as_being_sent(port):
    async with connected(port) as (client, socket):
        assert not is_sending(socket)
        socket.write_message("short")
        assert not is_sending(socket)
        for _ in range(8):
            socket.write_message(b"x" * 8 * MIB, binary=True)
        assert is_sending(socket)
        sent = asyncio.ensure_future(all_sent(socket))
        assert await client.recv() == "short"
        assert not sent.done()
        for _ in range(8):
            await client.recv()
        await sent
        assert not is_sending(socket)


async def test_waiting_for_a_closed_connection_ends(port):
    async with connected(port) as (_, socket):
        for _ in range(8):
            socket.write_message(b"x" * 8 * MIB, binary=True).add_done_callback(lambda sent: sent.exception())
        sent = asyncio.ensure_future(all_sent(socket))
        await asyncio.sleep(0)
        assert not sent.done()
        drop(socket)
        await sent


async def test_a_dropped_connection_ends_without_a_closing_handshake(port):
    async with connected(port) as (client, socket):
        drop(socket)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is None
    drop(socket)


async def test_the_fragments_of_a_message_are_counted_until_it_ends(port, counter):
    async with connected(port) as (client, socket):
        counted = asyncio.Event()

        async def fragments():
            yield "a" * 300 * KIB
            await counted.wait()
            yield "b" * 300 * KIB

        sending = asyncio.ensure_future(client.send(fragments()))
        await counter.until(lambda held: held >= 300 * KIB)
        await client.ping()
        assert sum(counter.held.values()) >= 300 * KIB, "a ping between the fragments ends no message"
        counted.set()
        await sending
        assert await socket.messages.get() == "a" * 300 * KIB + "b" * 300 * KIB
        assert counter.held == {}


async def open_raw(port):
    """Connect a client that sends arbitrary bytes."""
    number, opened = port
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    lines = ("GET / HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    writer.write("\r\n".join([*lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""]).encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer, await opened.get()


def beginning_of_frame(length):
    """The header of a text frame of that length, with a mask that changes nothing."""
    return b"\x81\xff" + struct.pack("!Q", length) + bytes(4)


async def test_a_long_frame_is_counted_while_it_arrives(port, counter):
    _, writer, socket = await open_raw(port)
    writer.write(beginning_of_frame(2 * MIB) + b"x" * MIB)
    await counter.until(lambda held: held >= MIB)
    writer.write(b"y" * MIB)
    assert await socket.messages.get() == "x" * MIB + "y" * MIB
    assert counter.held == {}
    writer.close()


async def test_a_refused_connection_is_closed_and_its_message_discarded(port, counter):
    reader, writer, socket = await open_raw(port)
    counter.limit = 2 * MIB  # exceeded with the last byte: unread bytes would reset the connection
    writer.write(beginning_of_frame(8 * MIB) + b"x" * 2 * MIB)
    assert await reader.read() == b"\x88\x0a" + struct.pack("!H", 1013) + b"too much"
    await counter.until(lambda held: held == 0)
    assert socket.messages.empty()
    writer.close()
