"""The tokens that a kernel's widgets show are sent as they come."""

from __future__ import annotations

import asyncio
import json
import urllib.request

from websockets.asyncio.client import connect


def get(server, path, data=None):
    headers = {"Authorization": f"token {server.token}"}
    with urllib.request.urlopen(urllib.request.Request(f"{server.address}{path}", data, headers)) as response:
        return json.loads(response.read())


async def test_a_kernels_messages_do_not_wait_for_those_before_to_arrive(tmp_path, start_server):
    extensions = {"ServerApp": {"jpserver_extensions": {"tests.server.probe": True}}}
    with start_server(tmp_path, more=extensions) as server:
        kernel = await asyncio.to_thread(get, server, "api/kernels", b"{}")
        address = f"{server.address}api/kernels/{kernel['id']}/channels?session_id=s".replace("http", "ws", 1)
        async with connect(address, additional_headers={"Authorization": f"token {server.token}"}) as socket:
            await socket.recv()  # the kernel is connected
            assert await asyncio.to_thread(get, server, "probe/sockets-of-kernels") == [True]
