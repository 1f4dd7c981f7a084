"""Reduce a session for notebook files: limited in size, and with secrets masked."""

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
"""The factor by which prompts and answers may be longer than other texts, if the total is too long."""

_IDS: Final = ("id", "run_id", "parent_id")
"""The names of a step's ids, which must remain intact."""

_Which = int | tuple[int, str]
"""Identifies a value of an event: the index of a message's part, or the index of a step's output and the MIME type."""


class SavedTranscript(Configurable):
    """The limits of snapshots in notebook files: `c.SavedTranscript…` in a Jupyter or IPython configuration file."""

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
    """Creates the saved form of one session. Events that have not changed are processed only once.

    Args:
        limits: The limits.
        blob: Returns the MIME value with a SHA-256; raises `KeyError` if there is none.
    """

    def __init__(self, limits: SavedTranscript, blob: Callable[[str], Any]) -> None:
        self._limits = limits
        self._blob = blob
        self._epoch: str | None = None
        self._made: dict[int, tuple[Frame, Frame]] = {}

    def file(self, state: Transcript, events: Iterable[Frame], message_id: str | None = None) -> SessionFile:
        """Return the saved form of a session, or of one message: masked, cut, and with smaller pictures.

        Args:
            state: The fold of `events`.
            events: The log.
            message_id: The id of a message, to save only it and its run; None for all messages.
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
        """Return a part of a prompt, with the content of an image, which `_without_contents` moves to the blobs."""
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
        kept.update(mask_json({name: rest[name] for name in _IDS if name in rest}))  # ids are never unfinished
        if "call_id" in rest.get("tool", {}):
            kept["tool"]["call_id"] = mask_json(rest["tool"]["call_id"])
        if outputs:
            printed = _masked_texts(outputs, unfinished=unfinished)
            kept["outputs"] = [self._output(kept, entry, bundle, printed) for entry, bundle in enumerate(outputs)]
        if step["type"] in ("tool_use", "tool_result"):
            self._cut_texts(kept)
        return kept

    def _cut_texts(self, step: JSON) -> None:
        """Cut a tool's arguments, output and result. Its printed texts share one limit."""
        left = self._limits.max_text
        for place, text in texts_of(step).items():
            cut_text(step, place, left if place.channel == "output" else self._limits.max_text)
            left -= min(len(text), left) if place.channel == "output" else 0

    def _output(self, step: JSON, entry: int, bundle: MimeBundle, printed: dict[int, str]) -> MimeBundle:
        """Return the saved form of an output, and note the original size of a scaled picture in the step."""
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
        """Yield the events, reduced so that the total length of texts and of values is within the limits."""
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
        """Return the maximum length of a text that keeps the total within the limit.

        It is halved until it fits, so that a new text rarely changes the others.
        """
        lengths = [(len(text), share) for event in events for _, text, share in _texts(event)]
        limit = LONGEST
        while limit and sum(min(length, limit * share) for length, share in lengths) > self._limits.max_texts:
            limit //= 2
        return limit

    def _left_out(self, events: list[Frame]) -> dict[int, list[_Which]]:
        """Return the oldest values, which exceed the limit, by the `seq` of their events."""
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
    """Yield the texts of an event, with the factor of each one's limit."""
    data = event["data"]
    if event["type"] == "user_message":
        yield Place("content"), data["content"], _SHARE_OF_TALK
    elif event["type"] == "reasoning_step":
        share = _SHARE_OF_TALK if data["type"] in PLAIN_STEP_TYPES else 1
        for place, text in texts_of(data).items():
            yield place, text, share


def _values(event: Frame) -> Iterator[tuple[_Which, Any]]:
    """Yield the pictures, tables and other rich values of an event."""
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
    """Return the event with references instead of image contents, which are moved to `blobs`."""
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
    """Return the masked transcript, including the pictures beside the log. Nothing is cut.

    Args:
        state: The fold of `events`.
        events: The log.
        blob: Returns the MIME value with a SHA-256; raises `KeyError` if there is none.
    """
    unlimited = SavedTranscript(config=Config(), **dict.fromkeys(_LIMITS, _NO_LIMIT))
    return folded(Saver(unlimited, blob).file(state, events))


def folded(file: SessionFile) -> Transcript:
    """Return the transcript of a saved session. Images have their `CONTENT` if the file contains it."""
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
    """Mask printed texts together, because a secret may continue after a picture. The keys are indexes of outputs."""
    texts = {entry: bundle[PLAIN] for entry, bundle in enumerate(outputs) if isinstance(bundle.get(PLAIN), str)}
    each = [mask(text, unfinished=unfinished) for text in texts.values()]
    return dict(zip(texts, mask_texts(each, unfinished=unfinished), strict=True))


def _masked_title(title: str) -> str:
    """Mask a title. It is often the cut beginning of a prompt, so a secret at its end may be incomplete."""
    return f"{mask(title[:-1], unfinished=True)}…" if title.endswith("…") else mask(title)


def _reference_to(value: Any) -> JSON:
    encoded = msgspec.json.encode(value)
    return {"blob": hashlib.sha256(encoded).hexdigest(), "size": len(encoded)}
