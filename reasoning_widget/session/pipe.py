"""The messages between a server and its worker processes.

A message is a JSON object, preceded by its length in four bytes in network order. Only the changes of a step are sent:
an answer of n tokens costs n tokens, not n².
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, cast

import msgspec

from ..clean import clean_json
from ..depth import ENVELOPE_DEPTH, MAX_DEPTH
from ..fold import Place, channel_text, set_channel_text, texts_of
from ..outputs import outputs_of, with_outputs
from ..protocol import JSON, Step
from .steps import only_more_text

_LENGTH: Final = struct.Struct("!I")
HEADER_BYTES: Final = _LENGTH.size

ALIVE_INTERVAL: Final = 5.0
"""Seconds between two heartbeats of a worker during a run."""

_BATCH_BYTES: Final = 16 * 1024
"""The maximum that is read from one run before others have their turn."""


def packed(message: JSON) -> bytes:
    """Encode `message`, with its length."""
    body = msgspec.json.encode(message)
    return _LENGTH.pack(len(body)) + body


def body_length(header: bytes) -> int:
    """Return the number of bytes that follow a header."""
    (length,) = _LENGTH.unpack(header)
    return int(length)


def unpacked(body: bytes) -> JSON:
    """Decode the body of a message."""
    message: JSON = msgspec.json.decode(body)
    return message


def batches(messages: Iterable[JSON]) -> Iterator[list[msgspec.Raw]]:
    """Encode messages, in batches of at most `_BATCH_BYTES`, or of one message that is longer."""
    batch: list[msgspec.Raw] = []
    size = 0
    for message in messages:
        encoded = msgspec.json.encode(message)
        if batch and size + len(encoded) > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(msgspec.Raw(encoded))
        size += len(encoded)
    if batch:
        yield batch


class MessageReader:
    """Splits the bytes of a pipe into messages."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, data: bytes) -> list[JSON]:
        """Add bytes, and return the messages that they complete."""
        unread: bytes | bytearray = data
        if self._unread:
            self._unread += data
            unread = self._unread
        messages: list[JSON] = []
        begin, length = 0, len(unread)
        while (body := begin + HEADER_BYTES) <= length:
            (size,) = _LENGTH.unpack_from(unread, begin)
            if body + size > length:
                break
            begin = body + size
            messages.append(msgspec.json.decode(memoryview(unread)[body:begin]))
        if messages or unread is data:
            self._unread = bytearray(unread[begin:])
        return messages


class StepSender:
    """Encodes snapshots of a run's steps as their changes."""

    def __init__(self) -> None:
        self._sent: dict[str, JSON] = {}

    def message(self, step: Step) -> JSON:
        """Return the message from which a `StepReceiver` restores `step`."""
        whole: JSON = with_outputs(clean_json(step, MAX_DEPTH + ENVELOPE_DEPTH))
        step_id = whole.get("id")
        if step_id is None:
            return {"whole": whole}
        known, self._sent[step_id] = self._sent.get(step_id), whole
        if known is None or _without_text(known) != _without_text(whole):
            return {"whole": whole}
        if not only_more_text(outputs_of(known), outputs_of(whole)):
            return {"whole": whole}
        grown: list[tuple[Place, str]] = []
        before = texts_of(known)
        for place, text in texts_of(whole).items():
            if not text.startswith(before.get(place, "")):
                return {"whole": whole}
            if len(text) > len(before.get(place, "")):
                grown.append((place, text[len(before.get(place, "")) :]))
        return {"id": step_id, "grown": grown}


class StepReceiver:
    """Restores the snapshots from the messages of a `StepSender`."""

    def __init__(self) -> None:
        self._known: dict[str, JSON] = {}

    def step(self, message: JSON) -> Step:
        """Return the complete step of a message."""
        step = message["whole"] if "whole" in message else _grown(self._known[message["id"]], message["grown"])
        if "id" in step:
            self._known[step["id"]] = step
        return cast("Step", step)  # it was checked in the worker


def _without_text(step: JSON) -> JSON:
    """Return a step without its outputs and the texts that may grow."""
    rest = {**step, "content": None, "outputs": None}
    if isinstance(step.get("tool"), dict):
        rest["tool"] = {**step["tool"], "arguments": isinstance(step["tool"].get("arguments"), str)}
    return rest


def _grown(step: JSON, grown: list[tuple[Place, str]]) -> JSON:
    step = dict(step)
    for (channel, entry), text in grown:
        set_channel_text(step, channel, channel_text(step, channel, entry) + text, entry)
    return step
