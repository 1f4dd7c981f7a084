"""What a stream costs on the wire between kernel and page. Counted in the frames of JupyterLab's WebSocket, not timed.

One answer comes as fast as the agent can yield it, and one at 1,000 tokens a second for some seconds. The payload is
the batch as compact JSON; Jupyter wraps each into an envelope of its own, which is told beside it. All of an answer's
messages count: the question's, the last snapshot with the whole text, and the modules that its code needs.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from playwright.sync_api import BrowserContext, WebSocket  # noqa: TC002 (as TC001)

from benchmarks.measure import ROUNDS, Claim, Report
from benchmarks.pages import browser_window, widget_page
from benchmarks.tokens import Order
from reasoning_widget.protocol import encode

MAX_MESSAGES = 60.0
MAX_BYTES = 30.0


@dataclass(frozen=True)
class Message:
    """A comm message with a batch, as it came to the page."""

    sent_at: float
    """When the kernel made it, in seconds since the epoch."""
    payload: int
    """Bytes of the batch."""
    frame: int
    """Bytes of the WebSocket frame, with Jupyter's envelope."""


def run(rounds: int = ROUNDS, tokens: int = 8000, rate: int = 1000) -> Report:
    orders = {"as fast as it can": Order(tokens), f"at {rate:,} tokens/s": Order(tokens // 2, rate=rate)}
    claims = []
    counts = {}
    for pace, order in orders.items():
        messages = _messages_of(order)
        counts[f"messages {pace}"] = len(messages)
        a_second = max_in_a_second([message.sent_at for message in messages])
        payload = sum(message.payload for message in messages) / order.tokens
        frames = sum(message.frame for message in messages) / order.tokens
        total = f"{len(messages)} messages for {order.tokens:,} tokens"
        claims += [
            Claim(f"Comm messages in any second, {pace}", a_second, MAX_MESSAGES, "a second", total),
            Claim(
                f"Payload of a token, {pace}",
                payload,
                MAX_BYTES,
                "bytes",
                f"with Jupyter's envelope {frames:.1f} bytes",
            ),
        ]
    return Report("What a stream costs on the wire", __doc__, claims, counts=counts)


def _messages_of(order: Order) -> list[Message]:
    messages: list[Message] = []
    with browser_window() as window:
        _listen(window, messages)
        with widget_page(window) as widget:
            messages.clear()
            widget.start(order)
            widget.chat.card("Final answer").wait_for()
            widget.wait_until_ready()
            return list(messages)


def _listen(window: BrowserContext, messages: list[Message]) -> None:
    def heed(socket: WebSocket) -> None:
        if re.search(r"/api/kernels/[^/]+/channels", socket.url):
            socket.on("framereceived", lambda frame: messages.extend(_batches(frame)))

    window.on("page", lambda page: page.on("websocket", heed))


def _batches(frame: str | bytes) -> Iterator[Message]:
    header, content = _decode(frame.encode() if isinstance(frame, str) else frame)
    if header["msg_type"] != "comm_msg":
        return
    batch = content["data"].get("content")
    if isinstance(batch, dict) and "frames" in batch:
        sent_at = datetime.fromisoformat(header["date"]).timestamp()
        yield Message(sent_at, len(encode(batch)), len(frame))


def _decode(frame: bytes) -> tuple[Any, Any]:
    """Header and content of a message in Jupyter's WebSocket protocol, version 1: offsets, channel, then its parts."""
    count = int.from_bytes(frame[:8], "little")
    offsets = [int.from_bytes(frame[8 * i : 8 * i + 8], "little") for i in range(1, count + 1)]
    _, header, _, _, content, *_ = (frame[start:end] for start, end in itertools.pairwise(offsets))
    return json.loads(header), json.loads(content)


def max_in_a_second(times: list[float]) -> int:
    """The most of `times`, in seconds, that lie within one second."""
    times = sorted(times)
    begin = most = 0
    for end, time in enumerate(times):
        while time - times[begin] >= 1:
            begin += 1
        most = max(most, end - begin + 1)
    return most
