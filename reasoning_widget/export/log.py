"""The format of saved sessions, in notebooks and in exported files.

A session is saved as its log: an object with the fields of `SessionFile`, in a notebook as an output of the type
`SESSION_MIME`. Folding its `events` with `reasoning_widget.fold.receive` results in the transcript. An export is
complete. A notebook contains what a reader needs: the newest state of each step, with long texts cut (the `cut` of a
step says by how much), pictures scaled down (its `scaled`), and secrets masked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, Final, NotRequired, Protocol, TypedDict

from ..fold import Place, Transcript, channel_text, set_channel_text, step_key
from ..outputs import outputs_of
from ..parts import attachments_of
from ..protocol import JSON, Frame

SESSION_MIME: Final = "application/vnd.reasoning-widget.session.v1+json"
"""The MIME type of an output that contains a `SessionFile`."""

FORMAT: Final = "reasoning-widget.session"

VERSION: Final = 2
"""The version of the format. It changes when older readers would misread a file; additions do not change it. In
version 1, steps have `output` instead of `outputs`."""


class Events(Protocol):
    """A store of the events of sessions."""

    def read(self, session_id: str, /) -> Iterable[Frame]:
        """Read the events of a session, in order."""

    def get_blob(self, session_id: str, sha256: str, /) -> object:
        """Read a value that is stored beside the log.

        Raises:
            KeyError: There is no such value.
        """


class SessionFile(TypedDict):
    """A session's log."""

    format: str
    """`FORMAT`."""
    version: int
    """The `VERSION` of the program that wrote the file."""
    session_id: str
    epoch: str
    events: list[Frame]
    """The events in the order of their `seq`, with gaps if steps that later events replace are omitted. An open step
    contains all its text so far; there are no deltas."""
    message_id: NotRequired[str]
    """The id of the message, if the file contains only one message and its run."""
    saved: NotRequired[bool]
    """False if the chat was created with ``save=False``: there are no events, but a page can still show it live."""
    model_id: NotRequired[str]
    """The id of the widget with the live view while the kernel runs; only in a notebook."""
    ran_by: NotRequired[str]
    """The id of the kernel connection of the page that ran the cell; only in a notebook."""
    blobs: NotRequired[dict[str, Any]]
    """Values by SHA-256: the contents of attachments, in base64, and the MIME values that were too long for their
    steps, where they are replaced by ``{"blob": <SHA-256>, "size": <bytes>}``. To keep the file small, values may be
    omitted."""


def session_file(
    session_id: str,
    epoch: str,
    events: list[Frame],
    *,
    message_id: str | None = None,
    blobs: dict[str, Any] | None = None,
) -> SessionFile:
    """Create a saved session from the events of a session, or of one message."""
    file: SessionFile = {
        "format": FORMAT,
        "version": VERSION,
        "session_id": session_id,
        "epoch": epoch,
        "events": events,
    }
    if message_id is not None:
        file["message_id"] = message_id
    if blobs:
        file["blobs"] = blobs
    return file


def complete_file(state: Transcript, log: Events) -> SessionFile:
    """Return a complete saved session.

    Args:
        state: The fold of the session, which includes the text of open steps that is not logged yet.
        log: The store of its events.

    Raises:
        StorageError: The log cannot be read.
    """
    session_id = str(state["session_id"])
    events = [_with_current_text(state, event) or event for event in log.read(session_id)]
    blobs: dict[str, Any] = {}
    for sha256 in (sha256 for event in events for sha256 in _references(event)):
        with contextlib.suppress(KeyError):
            blobs[sha256] = log.get_blob(session_id, sha256)
    return session_file(session_id, str(state["epoch"]), events, blobs=blobs)


def _references(event: Frame) -> Iterator[str]:
    """Yield the SHA-256 of the values beside the log that an event refers to."""
    if event["type"] == "reasoning_step":
        values = (value for bundle in outputs_of(event["data"]) for value in bundle.values())
        yield from (value["blob"] for value in values if is_reference(value))
    elif event["type"] == "user_message":
        yield from (attachment["blob"] for attachment in attachments_of(event["data"]))


def is_reference(value: Any) -> bool:
    """Return whether a MIME value is a reference to a value beside the log."""
    return isinstance(value, dict) and isinstance(value.get("blob"), str)


def cut_text(step: JSON, place: Place, longest: int) -> None:
    """Cut a text of a step to `longest` code points, and note in the step how many were removed."""
    channel, entry = place
    text = channel_text(step, channel, entry)
    missing = len(text) - longest
    if missing <= 0:
        return
    set_channel_text(step, channel, text[:longest], entry)
    cut = step.get("cut") or {}
    step["cut"] = {**cut, channel: cut.get(channel, 0) + missing}


def newest_events(state: Transcript, events: Iterable[Frame], message_id: str | None = None) -> list[Frame]:
    """Return the events without obsolete steps. Open steps contain all their text so far.

    Args:
        state: The fold of the events.
        events: The log.
        message_id: The id of a message, to return only its events and those of its run; None for all events.

    Returns:
        Events whose fold is `state`, or the part of it for the message.
    """
    newest: list[Frame] = []
    for event in events:
        if event["type"] != "reasoning_step":
            newest.append(event)
        elif grown := _with_current_text(state, event):
            newest.append(grown)
    return newest if message_id is None else _about(state, newest, message_id)


def _with_current_text(state: Transcript, event: Frame) -> Frame | None:
    """Return the newest event of a step with all its text so far; None for any other event."""
    step = state["steps"].get(step_key(event["data"], event["seq"])) if event["type"] == "reasoning_step" else None
    if step is None or step["seq"] != event["seq"]:
        return None
    return {**event, "data": {name: value for name, value in step.items() if name != "seq"}}


def _about(state: Transcript, events: list[Frame], message_id: str) -> list[Frame]:
    """Return the events of a message, of its run, and of the messages that steered the run."""
    messages = [message for message in state["messages"] if message["id"] == message_id]
    runs = {message["run_id"] for message in messages if message["run_id"] is not None}
    messages += [message for message in state["messages"] if message["steered"] and message["run_id"] in runs]
    known = runs | {message["id"] for message in messages}
    known |= {request["request_id"] for request in state["requests"].values() if request["run_id"] in runs}

    def belongs(event: Frame) -> bool:
        data = event["data"]
        ids = [data.get("message_id"), data.get("run_id"), data.get("request_id")]
        if event["type"] == "user_message":
            ids.append(data["id"])
        return event["type"] == "session_info" or not known.isdisjoint(ids)

    return [event for event in events if belongs(event)]
