"""A session as its log, in a file of its own or in a notebook: the one format of both.

A notebook holds it as an output of the type `SESSION_MIME`, an export as a file. It is an object with the fields of
`SessionFile`; whoever folds its `events` with `reasoning_widget.fold.receive` has the transcript. In an export nothing
is missing. In a notebook it is what a reader needs: no more than the newest snapshot of each step, texts that were too
long cut (`cut` of a step says how much of them is missing), pictures made smaller (`scaled` of a step), and secrets
masked.
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
"""The type of an output that holds a `SessionFile`."""

FORMAT: Final = "reasoning-widget.session"

VERSION: Final = 2
"""Grows when an older reader would understand a file wrongly; what it only does not know it keeps. In version 1 steps
have `output` for `outputs`."""


class Events(Protocol):
    """Where the events of sessions are kept."""

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
    """`VERSION` of who wrote it."""
    session_id: str
    epoch: str
    events: list[Frame]
    """In the order of their `seq`, which may have gaps: snapshots that later ones supersede may be left out. Of a step
    that was open, the snapshot has all the text that there was. Deltas are never in it."""
    message_id: NotRequired[str]
    """The one message that the events are about, with its run. Absent: they are about the whole session."""
    saved: NotRequired[bool]
    """False: the chat was made with ``save=False``, and there are no events. A page needs the rest to show it live."""
    model_id: NotRequired[str]
    """The widget model that shows it live, for as long as its kernel runs; only in a notebook."""
    ran_by: NotRequired[str]
    """The page that ran the cell of the output, by the id of its connection to the kernel; only in a notebook."""
    blobs: NotRequired[dict[str, Any]]
    """By SHA-256: the contents of attachments, as base64, and the MIME values that were too long for their steps, in
    which ``{"blob": <SHA-256>, "size": <bytes>}`` stands in their place. A reference without its value was left out to
    keep the file small."""


def session_file(
    session_id: str,
    epoch: str,
    events: list[Frame],
    *,
    message_id: str | None = None,
    blobs: dict[str, Any] | None = None,
) -> SessionFile:
    """The log of a session, or what is about one message of it, with what it takes to read it again."""
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
    """All that there is of a session.

    Args:
        state: Its fold, which has the text of open steps that no event holds yet.
        log: Where its events are kept.

    Raises:
        StorageError: The log cannot be read.
    """
    session_id = str(state["session_id"])
    events = [_grown(state, event) or event for event in log.read(session_id)]
    blobs: dict[str, Any] = {}
    for sha256 in (sha256 for event in events for sha256 in _references(event)):
        with contextlib.suppress(KeyError):
            blobs[sha256] = log.get_blob(session_id, sha256)
    return session_file(session_id, str(state["epoch"]), events, blobs=blobs)


def _references(event: Frame) -> Iterator[str]:
    """What an event refers to that is kept beside the log, by its SHA-256."""
    if event["type"] == "reasoning_step":
        values = (value for bundle in outputs_of(event["data"]) for value in bundle.values())
        yield from (value["blob"] for value in values if is_reference(value))
    elif event["type"] == "user_message":
        yield from (attachment["blob"] for attachment in attachments_of(event["data"]))


def is_reference(value: Any) -> bool:
    """Whether a MIME value is kept elsewhere, or not at all."""
    return isinstance(value, dict) and isinstance(value.get("blob"), str)


def cut_text(step: JSON, place: Place, longest: int) -> None:
    """Cut one text of a step to so many code points, and have the step say how many are missing."""
    channel, entry = place
    text = channel_text(step, channel, entry)
    missing = len(text) - longest
    if missing <= 0:
        return
    set_channel_text(step, channel, text[:longest], entry)
    cut = step.get("cut") or {}
    step["cut"] = {**cut, channel: cut.get(channel, 0) + missing}


def newest_events(state: Transcript, events: Iterable[Frame], message_id: str | None = None) -> list[Frame]:
    """The events that a reader needs: of each step the newest snapshot, with the text that it has grown by since.

    Args:
        state: The fold of the events.
        events: The log.
        message_id: The one message to keep, with what came of it; all of them if absent.

    Returns:
        Events whose fold is `state`, or what of it is about the message.
    """
    newest: list[Frame] = []
    for event in events:
        if event["type"] != "reasoning_step":
            newest.append(event)
        elif grown := _grown(state, event):
            newest.append(grown)
    return newest if message_id is None else _about(state, newest, message_id)


def _grown(state: Transcript, event: Frame) -> Frame | None:
    """The newest snapshot of a step with the text that it has grown by since; None if it is no such event."""
    step = state["steps"].get(step_key(event["data"], event["seq"])) if event["type"] == "reasoning_step" else None
    if step is None or step["seq"] != event["seq"]:
        return None
    return {**event, "data": {name: value for name, value in step.items() if name != "seq"}}


def _about(state: Transcript, events: list[Frame], message_id: str) -> list[Frame]:
    """The events about a message, the run it got, and what was handed to that run."""
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
