"""The process behind the bare WebSockets: writes the ordered messages, each preceded by its length.

An order is a line of JSON: an `Order` of tokens, or ``{"replay": <file>}``, a file of earlier messages. Each line has
the seconds since the first message, and the message itself.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from benchmarks.tokens import Order, stream

LENGTH: Final = struct.Struct("!I")


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        if "replay" in order:
            order["recorded"] = Path(order["replay"]).read_text(encoding="utf-8")
        asyncio.run(_say(order))


async def _say(order: Any) -> None:
    messages = _replayed(order["recorded"]) if "recorded" in order else stream(Order(**order))
    async for message in messages:
        body = message.encode()
        sys.stdout.buffer.write(LENGTH.pack(len(body)) + body)
        sys.stdout.buffer.flush()


async def _replayed(recorded: str) -> AsyncIterator[str]:
    begun = time.perf_counter()
    for line in recorded.splitlines():
        at, message = json.loads(line)
        ahead = begun + at - time.perf_counter()
        if ahead > 0:
            await asyncio.sleep(ahead)
        yield message


if __name__ == "__main__":
    main()
