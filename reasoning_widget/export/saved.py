"""What a notebook file keeps of a session: small, and without secrets."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from traitlets import Int
from traitlets.config import Config, Configurable

from ..fold import Place, Transcript, new_transcript, receive, texts_of
from ..masking import mask, mask_json, mask_texts
from ..outputs import PICTURES, PLAIN, outputs_of, with_outputs
from ..protocol import JSON, PLAIN_STEP_TYPES, Frame, MimeBundle
from .log import SessionFile, cut_text, is_reference, newest_events, session_file
from .pictures import Picture, smaller
from .transcript import CONTENT, LONGEST

_LIMITS: Final = ("max_text", "max_value", "max_picture", "max_texts", "max_values")
_NO_LIMIT: Final = 2**31
_SHARE_OF_TALK: Final = 16
"""How many times longer a question or an answer may be than other texts, where all together are too long."""

_IDS: Final = ("id", "run_id", "parent_id")
"""The names of a step's ids: with others in their place, it would be nobody's step."""

_Which = int | tuple[int, str]
"""A value of an event: of a message the place of its part; of a step that of its output, and the MIME type."""


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
    max_texts = Int(
        1_500_000,
        min=0,
        help="All texts of a transcript that are kept together, in characters. Of more, the longest are cut: those of "
        "tools, thoughts and the like first, and questions and answers only where they are much longer.",
    ).tag(config=True)
    max_values = Int(
        4_000_000,
        min=0,
        help="All pictures, tables and the like of a transcript that are kept together, in bytes of JSON. Of more, the "
        "oldest are left out.",
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
        events = list(self._fitting(kept))
        blobs: JSON = {}
        events = [_without_contents(event, blobs) for event in events]
        return session_file(str(state["session_id"]), str(state["epoch"]), events, message_id=message_id, blobs=blobs)

    def _kept(self, event: Frame) -> Frame:
        known = self._made.get(event["seq"])
        if known is None or known[0] != event:
            known = self._made[event["seq"]] = (event, {**event, "data": self._data(event)})
        return known[1]

    def _data(self, event: Frame) -> JSON:
        if event["type"] == "reasoning_step":
            return self._step(event["data"])
        data: JSON = mask_json(event["data"])
        if "parts" in data:
            data["parts"] = [self._part(part) for part in data["parts"]]
        if event["type"] == "session_info":
            data["title"] = _masked_title(event["data"]["title"])
        return data

    def _part(self, part: JSON) -> JSON:
        """A part of a prompt; an image with its content, for which its reference makes room at the end."""
        if "image" not in part:
            return part
        image: JSON = part["image"]
        found = self._find(image)
        kept = self._smaller(found, image["mime"]) if isinstance(found, str) else None
        if kept is None:
            return part
        if kept.encoded != found:
            size = len(base64.b64decode(kept.encoded))
            image = {**image, "blob": _reference_to(kept.encoded)["blob"], "mime": kept.mime, "bytes": size}
        return {"image": {**image, CONTENT: kept.encoded}}

    def _smaller(self, encoded: str, mime: str) -> Picture | None:
        longest = max(self._limits.max_value, self._limits.max_picture**2 // 4)
        return smaller(encoded, mime, self._limits.max_picture, longest)

    def _step(self, step: JSON) -> JSON:
        outputs = outputs_of(step)
        unfinished = step.get("status") != "done" or "cut" in step
        rest = {name: value for name, value in with_outputs(step).items() if name != "outputs"}
        kept: JSON = mask_json(rest, unfinished=unfinished)
        kept.update(mask_json({name: rest[name] for name in _IDS if name in rest}))  # what breaks off is texts, not ids
        if "call_id" in rest.get("tool", {}):
            kept["tool"]["call_id"] = mask_json(rest["tool"]["call_id"])
        if outputs:
            printed = _masked_texts(outputs, unfinished=unfinished)
            kept["outputs"] = [self._output(kept, entry, bundle, printed) for entry, bundle in enumerate(outputs)]
        if step["type"] in ("tool_use", "tool_result"):
            self._cut_texts(kept)
        return kept

    def _cut_texts(self, step: JSON) -> None:
        """Cut what a tool was given, printed and returned; what it printed counts as one text."""
        left = self._limits.max_text
        for place, text in texts_of(step).items():
            cut_text(step, place, left if place.channel == "output" else self._limits.max_text)
            left -= min(len(text), left) if place.channel == "output" else 0

    def _output(self, step: JSON, entry: int, bundle: MimeBundle, printed: dict[int, str]) -> MimeBundle:
        """What is kept of an output; of a picture that is made smaller the step says how large it was."""
        kept: MimeBundle = {}
        for mime, value in bundle.items():
            if mime == PLAIN and entry in printed:
                kept[mime] = printed[entry]
            elif mime in PICTURES and isinstance(found := self._find(value), str):
                picture = self._smaller(found, mime)
                if picture is None:
                    kept[mime] = value if is_reference(value) else _reference_to(value)
                    continue
                kept[picture.mime] = picture.encoded
                if picture.was is not None:
                    step["scaled"] = {**(step.get("scaled") or {}), str(entry): list(picture.was)}
            else:
                kept[mime] = value if is_reference(value) else self._value(value)
        return kept

    def _value(self, value: Any) -> Any:
        masked = mask_json(value)
        return masked if len(msgspec.json.encode(masked)) <= self._limits.max_value else _reference_to(masked)

    def _fitting(self, events: list[Frame]) -> Iterator[Frame]:
        """The events, of which all texts together are not too long, nor are all values."""
        limit = self._limit_of_a_text(events)
        left_out = self._left_out(events)
        for event in events:
            data = {**event["data"]}
            for place, text, share in _texts(event):
                if len(text) <= limit * share:
                    continue
                if event["type"] == "reasoning_step":
                    cut_text(data, place, limit * share)
                else:
                    data["content"] = _cut(text, limit * share)
                    if "parts" in data:
                        data["parts"] = [_cut_part(part, limit * share) for part in data["parts"]]
            for which in left_out.get(event["seq"], ()):
                if isinstance(which, int):
                    image = {name: each for name, each in data["parts"][which]["image"].items() if name != CONTENT}
                    data["parts"] = [*data["parts"][:which], {"image": image}, *data["parts"][which + 1 :]]
                    continue
                entry, mime = which
                bundle = data["outputs"][entry]
                bundle = {**bundle, mime: _reference_to(bundle[mime])}
                data["outputs"] = [*data["outputs"][:entry], bundle, *data["outputs"][entry + 1 :]]
                if mime in PICTURES and "scaled" in data:
                    data["scaled"] = {other: was for other, was in data["scaled"].items() if other != str(entry)}
            yield event if data == event["data"] else {**event, "data": data}

    def _limit_of_a_text(self, events: list[Frame]) -> int:
        """How long a text may be so that all together are not too long.

        It is halved until it fits, so that not every text changes with each that comes.
        """
        lengths = [(len(text), share) for event in events for _, text, share in _texts(event)]
        limit = LONGEST
        while limit and sum(min(length, limit * share) for length, share in lengths) > self._limits.max_texts:
            limit //= 2
        return limit

    def _left_out(self, events: list[Frame]) -> dict[int, list[_Which]]:
        """By the `seq` of their events, the values for which there is no room behind the newer ones."""
        left = self._limits.max_values
        found: dict[int, list[_Which]] = {}
        for event in reversed(events):
            for which, value in _values(event):
                size = len(value) if isinstance(value, str) else len(msgspec.json.encode(value))
                if size <= left:
                    left -= size
                else:
                    found.setdefault(event["seq"], []).append(which)
        return found

    def _find(self, value: Any) -> Any:
        if not is_reference(value):
            return value
        try:
            return self._blob(value["blob"])
        except KeyError:
            return None


def _texts(event: Frame) -> Iterator[tuple[Place, str, int]]:
    """The texts of an event, and how many times longer than others each may be."""
    data = event["data"]
    if event["type"] == "user_message":
        yield Place("content"), data["content"], _SHARE_OF_TALK
    elif event["type"] == "reasoning_step":
        share = _SHARE_OF_TALK if data["type"] in PLAIN_STEP_TYPES else 1
        for place, text in texts_of(data).items():
            yield place, text, share


def _values(event: Frame) -> Iterator[tuple[_Which, Any]]:
    """The pictures, tables and the like in an event."""
    for entry, bundle in enumerate(event["data"].get("outputs") or ()):
        for mime, value in bundle.items():
            if not (mime == PLAIN and isinstance(value, str)) and not is_reference(value):
                yield (entry, mime), value
    for place, part in enumerate(event["data"].get("parts") or ()):
        if CONTENT in part.get("image", ()):
            yield place, part["image"][CONTENT]


def _cut(text: str, longest: int) -> str:
    more = len(text) - longest
    return f"{text[:longest]}… ({more:,} more characters were cut)" if more > 0 else text


def _cut_part(part: JSON, longest: int) -> JSON:
    return {"text": _cut(part["text"], longest)} if "text" in part else part


def _without_contents(event: Frame, blobs: JSON) -> Frame:
    """The event with references alone; what they refer to goes into `blobs`."""
    if event["type"] != "user_message" or "parts" not in event["data"]:
        return event
    parts = []
    for part in event["data"]["parts"]:
        image = dict(part.get("image", ()))
        if CONTENT in image:
            blobs[image["blob"]] = image.pop(CONTENT)
        parts.append({"image": image} if image else part)
    return {**event, "data": {**event["data"], "parts": parts}}


def masked(state: Transcript, events: Iterable[Frame], blob: Callable[[str], Any]) -> Transcript:
    """The transcript without secrets, and with the pictures that are kept beside the log. Nothing is cut.

    Args:
        state: The fold of `events`.
        events: The log.
        blob: See `Saver`.
    """
    unlimited = SavedTranscript(config=Config(), **dict.fromkeys(_LIMITS, _NO_LIMIT))
    return folded(Saver(unlimited, blob).file(state, events))


def folded(file: SessionFile) -> Transcript:
    """The transcript that a file holds. Images have their `CONTENT`, where it is in the file."""
    state = new_transcript()
    state["session_id"], state["epoch"] = file["session_id"], file["epoch"]
    for event in file["events"]:
        receive(state, event)
    blobs = file.get("blobs", {})
    for message in state["messages"]:
        if "parts" in message:
            message["parts"] = [_with_content(part, blobs) for part in message["parts"]]
    return state


def _with_content(part: JSON, blobs: JSON) -> JSON:
    image = part.get("image")
    if image is None or image["blob"] not in blobs:
        return part
    return {"image": {**image, CONTENT: blobs[image["blob"]]}}


def _masked_texts(outputs: Sequence[MimeBundle], *, unfinished: bool) -> dict[int, str]:
    """What was printed, masked, by the places of the outputs: a secret may go on behind a picture."""
    texts = {entry: bundle[PLAIN] for entry, bundle in enumerate(outputs) if isinstance(bundle.get(PLAIN), str)}
    each = [mask(text, unfinished=unfinished) for text in texts.values()]
    return dict(zip(texts, mask_texts(each, unfinished=unfinished), strict=True))


def _masked_title(title: str) -> str:
    """A title, which is mostly the beginning of a question: what was cut off may be the end of a secret."""
    return f"{mask(title[:-1], unfinished=True)}…" if title.endswith("…") else mask(title)


def _reference_to(value: Any) -> JSON:
    encoded = msgspec.json.encode(value)
    return {"blob": hashlib.sha256(encoded).hexdigest(), "size": len(encoded)}
