"""Serves the plain page and, over its WebSocket, the tokens that it requests: one message each, uncompressed.

This is a separate process, like a kernel: ``python -m benchmarks.plain.server <the page's script>``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from benchmarks.tokens import Order, stream

_JS = Path(__file__).resolve().parents[2] / "js" / "node_modules"
_PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Plain</title>
<div id="answer"></div>
<script type="module" src="/page.js"></script>
"""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Within the block, serve the page at this address. Its script is built in `folder` with the widget's libraries."""
    script = folder / "plain-page.js"
    build = [
        str(_JS / ".bin" / "esbuild"),
        str(Path(__file__).parent / "page.js"),
        "--bundle",
        "--minify",
        "--format=esm",
    ]
    subprocess.run(
        [*build, f"--outfile={script}", "--log-level=warning"], check=True, env={**os.environ, "NODE_PATH": str(_JS)}
    )
    command = [sys.executable, "-m", "benchmarks.plain.server", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def _speak(socket: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            async for token in stream(Order.from_json(str(message))):
                await socket.send(token)


async def _serve(script: bytes) -> None:
    def page(_socket: ServerConnection, request: Request) -> Response | None:
        if request.path == "/tokens":
            return None
        if request.path == "/page.js":
            return _response(script, "text/javascript")
        return _response(_PAGE.encode(), "text/html")

    async with serve(_speak, "127.0.0.1", 0, process_request=page, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(f"http://127.0.0.1:{port}/", flush=True)
        await server.serve_forever()


def _response(body: bytes, kind: str) -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(200, "OK", headers, body)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]).read_bytes()))
