"""Read saved sessions. Their files may have been edited, so nothing in them is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from ..clean import clean_json
from ..depth import ENVELOPE_DEPTH, MAX_DEPTH, is_deep, shallow
from ..fold import texts_of
from ..outputs import with_outputs
from ..protocol import (
    JSON,
    LOGGED_PART_TYPES,
    MAX_FRAME_BYTES,
    MAX_MESSAGE_BYTES,
    SERVER_MESSAGES,
    Author,
    Frame,
    ProtocolError,
    check_session_id,
    part_kind,
)
from .log import FORMAT, VERSION, SessionFile, cut_text, session_file

_LONGEST: Final = MAX_MESSAGE_BYTES // 4
"""The maximum length of a channel in code points. Any text of this length fits into a frame."""

_MAX_NAME: Final = 80
_DEFAULTS: Final = {"iteration": 1, "timestamp": 0.0, "status": "done"}
_DEEPEST: Final = MAX_DEPTH + ENVELOPE_DEPTH
"""The maximum nesting depth of events that this package writes."""


class SessionFileError(ValueError):
    """The file is not a saved session, or cannot be read. The message says why."""


class Read(NamedTuple):
    """The result of reading a saved session."""

    file: SessionFile
    notes: list[str]
    """Remarks about omitted parts, in sentences."""


def read_session(source: str | bytes | Mapping[str, Any]) -> Read:
    """Read a saved session from a file or a notebook, and omit the parts that cannot be read.

    Args:
        source: The content of the file, or the object that it encodes.

    Raises:
        SessionFileError: It is not JSON, not a saved session, or has a newer version.
    """
    value = _object(source)
    if value.get("format") != FORMAT or not isinstance(value.get("events"), list):
        raise SessionFileError(f"this is no exported session: its `format` is not {FORMAT!r}, or it has no `events`")
    version = value.get("version")
    if not isinstance(version, int) or version < 1:
        raise SessionFileError("this is no exported session: its `version` is no number")
    if version > VERSION:
        raise SessionFileError(
            f"this session was written by a later reasoning-widget (format {version}, and {VERSION} is known here): "
            "update the package to read it"
        )
    session_id, epoch = value.get("session_id"), value.get("epoch")
    if not isinstance(epoch, str) or not epoch or not isinstance(session_id, str):
        raise SessionFileError("the exported session has no `session_id` or no `epoch`")
    try:
        check_session_id(session_id)
    except ValueError as error:
        raise SessionFileError(f"the exported session: {error}") from None
    events, was_cut = _events(value["events"])
    was_deep = any(is_deep(event, _DEEPEST) for event in value["events"])
    blobs = _blobs(value.get("blobs"))
    message_id = value.get("message_id")
    file = session_file(
        session_id, epoch, events, message_id=message_id if isinstance(message_id, str) else None, blobs=blobs[0]
    )
    return Read(file, _notes(len(value["events"]) - len(events), was_cut=was_cut, was_deep=was_deep, blobs=blobs[1]))


def _object(source: str | bytes | Mapping[str, Any]) -> JSON:
    if isinstance(source, Mapping):
        return dict(source)
    try:
        value = msgspec.json.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = "it ends too early: part of it is missing" if "truncated" in str(error) else str(error)
        raise SessionFileError(f"this is no exported session, because it is no JSON: {what}") from None
    except RecursionError:
        text = source if isinstance(source, str) else source.decode(errors="replace")
        try:
            value = msgspec.json.decode(shallow(text, MAX_DEPTH + 2 * ENVELOPE_DEPTH))  # without the deep parts
        except msgspec.DecodeError:
            raise SessionFileError("this is no exported session: it is nested too deeply, and is no JSON") from None
    if not isinstance(value, dict):
        raise SessionFileError("this is no exported session: it is no JSON object")
    return value


def _events(values: list[Any]) -> tuple[list[Frame], bool]:
    """Return the valid events, with missing numbers replaced, and whether any text was cut."""
    events: list[Frame] = []
    last, runs, was_cut = 0, set[str](), False
    for value in values:
        read = _event(value, runs)
        if read is None:
            continue
        kind, data, shorter = read
        was_cut |= shorter
        seq = value.get("seq")
        last = seq if isinstance(seq, int) and last < seq < 2**53 else last + 1
        if kind == "run_started":
            runs.add(data["run_id"])
        elif kind == "reasoning_step":
            data.setdefault("id", f"seq-{last}")
        events.append({"type": kind, "seq": last, "data": data})
    return events, was_cut


def _event(value: Any, runs: set[str]) -> tuple[str, JSON, bool] | None:
    """Return the type and data of an event, and whether its text was cut; None if it is invalid."""
    if not isinstance(value, dict) or not isinstance(value.get("data"), dict):
        return None
    kind = value.get("type")
    if not isinstance(kind, str):
        return None
    declared = SERVER_MESSAGES.get(kind)
    if declared is not None and not declared.is_event:
        return None
    if declared is None and is_deep(value, _DEEPEST):
        return None  # for known types, only the deep parts are omitted
    data: JSON = clean_json(value["data"], _DEEPEST)
    if kind == "user_message":
        data = _with_author(_with_parts(data) if "parts" in data else data)
    if kind == "reasoning_step":
        data = with_outputs({**data, **{name: value for name, value in _DEFAULTS.items() if name not in data}})
    try:
        if declared is not None:
            msgspec.convert(data, declared.content)
        if kind == "reasoning_step" and data.get("run_id") not in runs:
            return None
        shortened = _shortened(kind, data)
        # A prompt may be long, and line breaks make it longer in JSON.
        rest = _without_text(shortened) if kind == "user_message" else shortened
        if len(msgspec.json.encode(rest)) >= MAX_FRAME_BYTES:
            return None
    except (msgspec.MsgspecError, OverflowError):
        return None
    return kind, shortened, shortened is not data


def _shortened(kind: str, data: JSON) -> JSON:
    if kind == "user_message":
        if len(data["content"].encode()) <= MAX_MESSAGE_BYTES:
            return data
        data = {**data, "content": _begin(data["content"])}
        if "parts" in data:
            data["parts"] = [{"text": _begin(part["text"])} if "text" in part else part for part in data["parts"]]
        return data
    if kind != "reasoning_step":
        return data
    for place, text in texts_of(data).items():
        if len(text) > _LONGEST and len(msgspec.json.encode(text)) > MAX_MESSAGE_BYTES:
            data = {**data}
            cut_text(data, place, _LONGEST)
    return data


def _begin(text: str) -> str:
    return text.encode()[:MAX_MESSAGE_BYTES].decode(errors="ignore")


def _with_parts(message: JSON) -> JSON:
    """Return the message without invalid parts."""
    values = message["parts"] if isinstance(message["parts"], list) else []
    parts = [part for part in values if _is_part(part)]
    if any("text" not in part for part in parts):
        return {**message, "parts": parts}
    return {name: value for name, value in message.items() if name != "parts"}


def _with_author(message: JSON) -> JSON:
    """Return the message without an invalid author."""
    try:
        author = msgspec.convert(message.get("author"), Author | None)
    except msgspec.ValidationError:
        author = None
    read = {name: value for name, value in message.items() if name != "author"}
    if author is not None:
        read["author"] = {**author, "name": author["name"][:_MAX_NAME], "initials": author["initials"][:3]}
    return read


def _is_part(part: Any) -> bool:
    try:
        return part_kind(part, LOGGED_PART_TYPES) is not None
    except ProtocolError:
        return False


def _without_text(message: JSON) -> JSON:
    parts = [{**part, "text": ""} if "text" in part else part for part in message.get("parts", ())]
    return {**message, "content": "", "parts": parts}


def _blobs(values: Any) -> tuple[JSON | None, int]:
    """Return the valid values beside the events, and the number of invalid ones."""
    if not isinstance(values, dict):
        return None, int(values is not None)
    read = {name: value for name, value in values.items() if isinstance(name, str) and not is_deep(value)}
    return clean_json(read), len(values) - len(read)


def _notes(dropped: int, *, was_cut: bool, was_deep: bool, blobs: int) -> list[str]:
    notes = []
    if dropped:
        notes.append(
            "One event in the file cannot be read, and is left out."
            if dropped == 1
            else f"{dropped} events in the file cannot be read, and are left out."
        )
    if blobs:
        notes.append("Some large outputs in the file cannot be read, and are left out.")
    if was_deep and not dropped:
        notes.append(f"Values in the file that were nested more than {MAX_DEPTH} levels deep are left out.")
    if was_cut:
        notes.append("Texts in the file that were too long are cut.")
    return notes
