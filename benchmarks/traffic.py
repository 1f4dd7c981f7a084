"""The traffic of a stream between kernel and page, counted in the frames of JupyterLab's WebSocket.

One answer is yielded as fast as the agent can, and one at 1,000 tokens per second for some seconds. The payload is the
batch as compact JSON; the size with Jupyter's envelope is given beside it. All messages of an answer count, including
the prompt and the last snapshot with the whole text. Optional modules, which are sent once per page, are counted
separately.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from playwright.sync_api import BrowserContext, WebSocket, expect

from benchmarks.measure import ROUNDS, Claim, Report
from benchmarks.pages import browser_window, widget_page
from benchmarks.tokens import END, Order
from reasoning_widget.protocol import encode

MAX_MESSAGES = 60.0
MAX_BYTES = 30.0


@dataclass(frozen=True)
class Message:
    """A comm message with a batch, as the page received it."""

    sent_at: float
    """The time at which the kernel made it, in seconds since the epoch."""
    payload: int
    """Bytes of the batch, without modules."""
    modules: int
    """Bytes of the modules in it."""
    frame: int
    """Bytes of the WebSocket frame, with Jupyter's envelope."""


def run(rounds: int = ROUNDS, tokens: int = 8000, rate: int = 1000) -> Report:
    orders = {"as fast as it can": Order(tokens), f"at {rate:,} tokens/s": Order(tokens // 2, rate=rate)}
    claims = []
    counts = {}
    modules = 0
    for pace, messages in _listened_to(orders).items():
        order = orders[pace]
        modules += sum(message.modules for message in messages)
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
    notes = [f"The optional modules, sent once to this page: {modules / 1000:.1f} kB."]
    return Report("What a stream costs on the wire", __doc__, claims, notes, counts)


def _listened_to(orders: dict[str, Order]) -> dict[str, list[Message]]:
    heard: dict[str, list[Message]] = {}
    messages: list[Message] = []
    with browser_window() as window:
        _listen(window, messages)
        with widget_page(window) as widget:
            for pace, order in orders.items():
                widget.clear()
                messages.clear()
                widget.start(order)
                expect(widget.chat.card("Final answer")).to_contain_text(END)
                widget.wait_until_ready()
                heard[pace] = list(messages)
    return heard


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
        frames = [each for each in batch["frames"] if each["type"] != "module"]
        payload = len(encode({**batch, "frames": frames}))
        modules = len(encode(batch)) - payload
        yield Message(sent_at, payload, modules, len(frame) - modules)


def _decode(frame: bytes) -> tuple[Any, Any]:
    """Decode header and content of a message in Jupyter's WebSocket protocol, version 1: offsets, channel, parts."""
    count = int.from_bytes(frame[:8], "little")
    offsets = [int.from_bytes(frame[8 * i : 8 * i + 8], "little") for i in range(1, count + 1)]
    _, header, _, _, content, *_ = (frame[start:end] for start, end in itertools.pairwise(offsets))
    return json.loads(header), json.loads(content)


def max_in_a_second(times: list[float]) -> int:
    """Return the largest number of `times`, in seconds, that lie within one second."""
    times = sorted(times)
    begin = most = 0
    for end, time in enumerate(times):
        while time - times[begin] >= 1:
            begin += 1
        most = max(most, end - begin + 1)
    return most
