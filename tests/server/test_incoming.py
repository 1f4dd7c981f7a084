"""Messages that begin and do not end."""

from __future__ import annotations

import asyncio
import contextlib
import struct

import psutil
import pytest

from reasoning_widget.server.incoming import MAX_INCOMING_BYTES
from tests.server.client import bare_connection, connected, new_session

MIB = 1024 * 1024


class Raw:
    """A client that sends raw bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gone: asyncio.Future[bytes]

    @classmethod
    async def open(cls, server):
        self = cls()
        self.reader, self.writer = await bare_connection(server, new_session())
        assert b"101" in await self.reader.readline()
        self.gone = asyncio.ensure_future(self.reader.read())
        return self

    def frame(self, payload, *, length=None, final=True, opcode=1):
        """Send a frame, or its beginning if `length` is greater than the payload."""
        length = len(payload) if length is None else length
        head = bytes([(128 if final else 0) | opcode, 128 | 127]) + struct.pack("!Q", length) + bytes(4)
        self.writer.write(head + payload)

    async def sent(self):
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    def close(self):
        self.writer.close()


def resident(server):
    return psutil.Process(server.pid).memory_info().rss


@pytest.mark.parametrize("how", ["one frame", "fragments"])
async def test_unfinished_messages_are_limited_together(server, how):
    before = resident(server)
    peers = [await Raw.open(server) for _ in range(20)]
    for peer in peers:
        if how == "one frame":
            peer.frame(b"x" * (13 * MIB), length=14 * MIB)
        else:
            for number in range(13):
                peer.frame(b"x" * MIB, final=False, opcode=0 if number else 1)
        await peer.sent()
    refused = [peer for peer in peers if peer.gone.done()]
    async with asyncio.timeout(60):
        while len(refused) < len(peers) - MAX_INCOMING_BYTES // (13 * MIB):
            await asyncio.sleep(0.05)
            refused = [peer for peer in peers if peer.gone.done()]
    assert not peers[-1].gone.done(), "those that stalled first have gone"
    assert b"unfinished messages" in peers[0].gone.result()
    assert resident(server) - before < 2 * MAX_INCOMING_BYTES + 64 * MIB

    async with connected(server, new_session()) as client:
        await client.ask("x" * 200_000)
        await client.until("run_finished")
    for peer in peers:
        peer.close()
    async with asyncio.timeout(60):
        for peer in peers:
            await peer.gone
    again = await Raw.open(server)
    again.frame(b"x" * MIB, length=2 * MIB)
    await again.sent()
    assert not again.gone.done()
    again.close()


async def test_long_messages_in_fragments_with_pings_between_them_arrive(server):
    async with connected(server, new_session()) as client:
        text = '{"type": "ping", "payload": {"pad": "' + "x" * 700_000 + '"}, "id": "p"}'
        for _ in range(120):  # together far more than may be unfinished
            await client.socket.send([text[:300_000], text[300_000:]])
            await client.socket.ping()
            while (frame := await client.receive())["type"] not in ("pong", "error"):
                pass
            assert frame["type"] == "pong" or frame["data"]["code"] == "too_fast"
