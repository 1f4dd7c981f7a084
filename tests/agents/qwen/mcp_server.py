"""An MCP server for the tests, over standard streams, or over streamable HTTP with `--port`.

python mcp_server.py [--stubborn]       # ends with its input; with --stubborn, never
python mcp_server.py --port 8123
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from mcp.server.fastmcp import FastMCP, Image
from mcp.types import EmbeddedResource, ImageContent, TextContent, TextResourceContents

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPj/HwADBwIAMCbHYQAAAABJRU5ErkJggg=="
)

port = int(sys.argv[sys.argv.index("--port") + 1]) if "--port" in sys.argv else 0
server = FastMCP("lab", log_level="ERROR", port=port or 8000)


@server.tool()
def stock(item: str) -> str:
    """How many of an item there are."""
    return f"{item}: 42"


@server.tool()
def pid() -> str:
    """The id of the server's process."""
    return str(os.getpid())


@server.tool(structured_output=False)
def pictures() -> list[Any]:
    """Two pictures."""
    return ["Two pictures:", Image(data=PIXEL, format="png"), Image(data=PIXEL, format="png")]


@server.tool(structured_output=False)
def mixed() -> list[Any]:
    """Contents of several kinds."""
    uri: Any = "lab://notes"
    return [
        TextContent(type="text", text="a text"),
        EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, text="a note")),
        ImageContent(type="image", data="AAAA", mimeType="image/x-unknown"),
    ]


@server.tool()
def broken(key: str = "") -> str:
    """Fails."""
    raise ValueError(f"no such thing {key}")


@server.tool()
async def slow() -> str:
    """Writes a file when it starts, and then takes long."""
    Path(sys.argv[-1]).write_text("begun")
    await asyncio.sleep(3600)
    return "late"


@server.resource("lab://notes")
def notes() -> str:
    """Notes."""
    return "the notes"


if __name__ == "__main__":
    logging.disable()
    if "--stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            server.run("stdio")
        finally:
            while True:
                time.sleep(1)
    server.run("streamable-http" if port else "stdio")
