"""What a notebook file keeps of a session: small, and without secrets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from traitlets import Int
from traitlets.config import Config, Configurable

from ..fold import Transcript, channel_text, new_transcript, receive
from ..protocol import JSON, Channel, Frame
from .log import SessionFile, is_reference, newest_events, session_file
from .mask import mask, mask_json
from .pictures import PICTURES, smaller

_CHANNELS: Final[tuple[Channel, ...]] = ("content", "arguments", "output")
_NO_LIMIT: Final = 2**31


class SavedTranscript(Configurable):
    """How much a notebook file keeps: `c.SavedTranscript…` in a Jupyter or IPython configuration file."""

    max_text = Int(
        8_000,
        min=0,
        help="The longest text of a tool that is kept, in characters: its arguments, its result, what it printed.",
    ).tag(config=True)
    max_value = Int(
        32_768, min=0, help="The longest table, plot or other rich output of a tool that is kept, in bytes of JSON."
    ).tag(config=True)
    max_picture = Int(
        800,
        min=16,
        help="The longer side of a picture that is kept, in pixels. One that is long even so is kept as JPEG or WebP.",
    ).tag(config=True)


class Saver:
    """Makes what is saved of one session. What was made of an event once is not made again.

    Args:
        limits: How much is kept.
        blob: The MIME value with that SHA-256; raises `KeyError` if there is none.
    """

    def __init__(self, limits: SavedTranscript, blob: Callable[[str], Any]) -> None:
        self._limits = limits
        self._blob = blob
        self._epoch: str | None = None
        self._made: dict[int, tuple[Frame, Frame]] = {}

    def file(self, state: Transcript, events: Iterable[Frame], message_id: str | None = None) -> SessionFile:
        """What is kept of a session, or of one message: masked, cut, with smaller pictures.

        Args:
            state: The fold of `events`.
            events: The log.
            message_id: The one message to keep, with what came of it; all of them if absent.
        """
        if state["epoch"] != self._epoch:
            self._epoch = state["epoch"]
            self._made.clear()
        kept = [self._kept(event) for event in newest_events(state, events, message_id)]
        return session_file(str(state["session_id"]), str(state["epoch"]), kept, message_id=message_id)

    def _kept(self, event: Frame) -> Frame:
        known = self._made.get(event["seq"])
        if known is None or known[0] != event:
            known = self._made[event["seq"]] = (event, {**event, "data": self._data(event)})
        return known[1]

    def _data(self, event: Frame) -> JSON:
        if event["type"] == "reasoning_step":
            return self._step(event["data"])
        data: JSON = mask_json(event["data"])
        if event["type"] == "session_info":
            data["title"] = _masked_title(event["data"]["title"])
        return data

    def _step(self, step: JSON) -> JSON:
        output = step.get("output")
        unfinished = step.get("status") != "done" or "cut" in step
        kept: JSON = mask_json({n: value for n, value in step.items() if n != "output"}, unfinished=unfinished)
        if output is not None:
            kept["output"] = {}
            for mime, value in output.items():
                if mime == "text/plain" and isinstance(value, str):
                    kept["output"][mime] = mask(value, unfinished=unfinished)
                else:
                    self._keep_value(kept, mime, value)
        if step["type"] in ("tool_use", "tool_result"):
            for channel in _CHANNELS:
                self._cut(kept, channel)
        return kept

    def _cut(self, step: JSON, channel: Channel) -> None:
        text = channel_text(step, channel)
        missing = len(text) - self._limits.max_text
        if missing <= 0:
            return
        text = text[: self._limits.max_text]
        if channel == "content":
            step["content"] = text
        elif channel == "arguments":
            step["tool"] = {**step["tool"], "arguments": text}
        else:
            step["output"] = {**step["output"], "text/plain": text}
        cut = step.get("cut") or {}
        step["cut"] = {**cut, channel: cut.get(channel, 0) + missing}

    def _keep_value(self, step: JSON, mime: str, value: Any) -> None:
        """Put what is kept of a MIME value into the step's output."""
        output: JSON = step["output"]
        reference = value if is_reference(value) else None
        if mime in PICTURES:
            found = self._find(value)
            longest = max(self._limits.max_value, self._limits.max_picture**2 // 4)
            kept = smaller(found, mime, self._limits.max_picture, longest) if isinstance(found, str) else None
            if kept is not None:
                output[kept.mime] = kept.encoded
                if kept.was is not None:
                    step["scaled"] = {**(step.get("scaled") or {}), kept.mime: list(kept.was)}
                return
        elif reference is None:
            value = mask_json(value)
            if len(msgspec.json.encode(value)) <= self._limits.max_value:
                output[mime] = value
                return
        output[mime] = reference or _reference_to(value)

    def _find(self, value: Any) -> Any:
        if not is_reference(value):
            return value
        try:
            return self._blob(value["blob"])
        except KeyError:
            return None


def masked(state: Transcript, events: Iterable[Frame], blob: Callable[[str], Any]) -> Transcript:
    """The transcript without secrets, and with the pictures that are kept beside the log. Nothing is cut.

    Args:
        state: The fold of `events`.
        events: The log.
        blob: See `Saver`.
    """
    unlimited = SavedTranscript(config=Config(), max_text=_NO_LIMIT, max_value=_NO_LIMIT, max_picture=_NO_LIMIT)
    return folded(Saver(unlimited, blob).file(state, events))


def folded(file: SessionFile) -> Transcript:
    """The transcript that a file holds."""
    state = new_transcript()
    state["session_id"], state["epoch"] = file["session_id"], file["epoch"]
    for event in file["events"]:
        receive(state, event)
    return state


def _masked_title(title: str) -> str:
    """A title, which is mostly the beginning of a question: what was cut off may be the end of a secret."""
    return f"{mask(title[:-1], unfinished=True)}…" if title.endswith("…") else mask(title)


def _reference_to(value: Any) -> JSON:
    encoded = msgspec.json.encode(value)
    return {"blob": hashlib.sha256(encoded).hexdigest(), "size": len(encoded)}
