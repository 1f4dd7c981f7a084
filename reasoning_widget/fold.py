"""Fold the events of a session into a transcript.

`receive` depends only on the transcript and one frame. It changes the transcript in place, because a session of 10,000
steps must not be copied for each token. ``js/src/protocol/fold.ts`` is the same function in TypeScript; the golden
traces in ``tests/fixtures/traces/`` test both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, NotRequired, TypedDict, cast

from .outputs import outputs_of, with_outputs
from .protocol import (
    JSON,
    TERMINAL_STEP_STATUSES,
    Channel,
    Frame,
    MessageSteeredData,
    MessageWithdrawnData,
    ReasoningStep,
    RequestClosedData,
    RequestData,
    RunFinishedData,
    RunStartedData,
    RunStatus,
    SessionData,
    SessionInfoData,
    StepDeltaData,
    ToolCall,
    Usage,
    UserMessageData,
    WithdrawalReason,
)

Outcome = Literal["applied", "ignored", "gap"]
"""The effect of a frame: it changed the transcript; it was known already; or an earlier frame was lost, so that the
client must request what it missed."""


class TranscriptMessage(UserMessageData):
    """A prompt and its state."""

    run_id: str | None
    """The id of its run; None while it is queued."""
    steered: bool
    """Whether it was passed to the run of another message."""
    withdrawn: WithdrawalReason | None
    """Why it will never run; None if it was not withdrawn."""


class TranscriptRun(RunStartedData):
    """A run and its state."""

    status: Literal["running"] | RunStatus
    usage: Usage | None
    """The tokens that were used; None until the run ends."""
    duration: float | None
    """Seconds; None until the run ends."""
    steps: list[str]
    """The keys of its steps in `Transcript.steps`, in the order in which they opened."""


class TranscriptStep(ReasoningStep):
    """The latest snapshot of a step, and the text that was appended since."""

    seq: int
    """The `seq` of that snapshot."""


class TranscriptRequest(RequestData):
    """A request of an agent to the person."""

    closed: RequestClosedData | None
    """The end of the request; None while it waits for a reply."""


class Transcript(TypedDict):
    """The state of a session, as plain JSON."""

    session_id: str | None
    epoch: str | None
    title: str | None
    last_seq: int
    messages: list[TranscriptMessage]
    runs: list[TranscriptRun]
    steps: dict[str, TranscriptStep]
    """By `step_key`."""
    requests: dict[str, TranscriptRequest]
    """By id."""
    other: list[Frame]
    """Events of types that this version does not know."""


def new_transcript() -> Transcript:
    """Return an empty transcript."""
    return {
        "session_id": None,
        "epoch": None,
        "title": None,
        "last_seq": 0,
        "messages": [],
        "runs": [],
        "steps": {},
        "requests": {},
        "other": [],
    }


def receive(state: Transcript, frame: Frame) -> Outcome:
    """Fold one frame into `state`, in place.

    Frames that do not affect transcripts (`ack`, `pong`, …) are ignored.
    """
    kind, data = frame["type"], frame["data"]
    if kind == "session":
        return _session(state, cast("SessionData", data))
    if kind == "step_delta":
        return _append(state, cast("StepDeltaData", data))
    seq = frame.get("seq")
    if seq is None or seq <= state["last_seq"]:
        return "ignored"
    state["last_seq"] = seq
    fold = _EVENTS.get(kind)
    if fold is not None:
        fold(state, data, seq)
    else:
        state["other"].append(frame.copy())
    return "applied"


_SINGLE_TEXT_CHANNELS: Final[tuple[Channel, ...]] = ("content", "arguments")
"""The channels with a single text. The channel `output` has a text for each output."""


class Place(NamedTuple):
    """Identifies one of the texts of a step."""

    channel: Channel
    entry: int = 0
    """For the channel `output`: the index of the output, from 0."""


def texts_of(step: Mapping[str, Any]) -> dict[Place, str]:
    """Return the texts of a step that may grow."""
    texts = {Place(channel): channel_text(step, channel) for channel in _SINGLE_TEXT_CHANNELS}
    for entry, bundle in enumerate(outputs_of(step)):
        if isinstance(bundle.get("text/plain"), str):
            texts[Place("output", entry)] = bundle["text/plain"]
    return texts


def channel_text(step: Mapping[str, Any], channel: Channel, entry: int = 0) -> str:
    """Return the text of a step at the `Place` of `channel` and `entry`; empty if there is none yet."""
    text: object = None
    if channel == "content":
        text = step.get("content")
    elif channel == "arguments":
        text = (step.get("tool") or {}).get("arguments")
    elif entry < len(outputs := outputs_of(step)):
        text = outputs[entry].get("text/plain")
    return text if isinstance(text, str) else ""


def set_channel_text(step: JSON | ReasoningStep, channel: Channel, text: str, entry: int = 0) -> None:
    """Set the text of a step at the `Place` of `channel` and `entry`. An entry after the last output adds an output.

    Nested values are replaced, never changed, because the step may be a shallow copy of a logged one.
    """
    if channel == "content":
        step["content"] = text
    elif channel == "arguments":
        step["tool"] = cast("ToolCall", {**(step.get("tool") or {}), "arguments": text})
    else:
        outputs = outputs_of(step)
        before = outputs[entry] if entry < len(outputs) else {}
        step["outputs"] = [*outputs[:entry], {**before, "text/plain": text}, *outputs[entry + 1 :]]
        step.pop("output", None)


def is_open(step: Mapping[str, Any]) -> bool:
    """Whether the step may still change."""
    return step.get("status") not in TERMINAL_STEP_STATUSES


def step_key(step: Mapping[str, Any], seq: int) -> str:
    """Return the key of a step in a transcript: its id, or one made of its `seq` if it has no id."""
    return step.get("id") or f"seq-{seq}"


def find_message(state: Transcript, message_id: str) -> TranscriptMessage | None:
    """The message of that id, looked for from the newest back."""
    return next((message for message in reversed(state["messages"]) if message["id"] == message_id), None)


def find_run(state: Transcript, run_id: str) -> TranscriptRun | None:
    """Return the run with this id; None if there is none."""
    return next((run for run in reversed(state["runs"]) if run["run_id"] == run_id), None)


def _session(state: Transcript, data: SessionData) -> Outcome:
    changed = data["epoch"] != state["epoch"]
    if changed:
        # A new log: discard the state of the old one.
        state.update(new_transcript())
        state["epoch"] = data["epoch"]
        state["session_id"] = data["session_id"]
    run = data.get("run")
    if run is not None and find_run(state, run["run_id"]) is None:
        _run_started(state, run, 0)
        changed = True
    return "applied" if changed else "ignored"


def _append(state: Transcript, data: StepDeltaData) -> Outcome:
    step = state["steps"].get(data["step_id"])
    if step is None or data["base"] > step["seq"]:
        return "gap"
    if data["base"] < step["seq"] or not is_open(step):
        return "ignored"
    channel: Channel = data["channel"]
    entry = data.get("entry", 0) if channel == "output" else 0
    if entry > len(step.get("outputs", ())):
        return "gap"
    text = channel_text(step, channel, entry)
    known = len(text) - data["offset"]
    if known < 0:
        return "gap"
    if known >= len(data["text"]):
        return "ignored"
    set_channel_text(step, channel, text + data["text"][known:], entry)
    return "applied"


def _session_info(state: Transcript, data: SessionInfoData, seq: int) -> None:
    state["title"] = data["title"]


def _user_message(state: Transcript, data: UserMessageData, seq: int) -> None:
    state["messages"].append({**data, "run_id": None, "steered": False, "withdrawn": None})


def _message_withdrawn(state: Transcript, data: MessageWithdrawnData, seq: int) -> None:
    _change_message(state, data["message_id"], {"withdrawn": data["reason"]})


def _message_steered(state: Transcript, data: MessageSteeredData, seq: int) -> None:
    _change_message(state, data["message_id"], {"run_id": data["run_id"], "steered": True})


def _run_started(state: Transcript, data: RunStartedData, seq: int) -> None:
    run = find_run(state, data["run_id"])
    if run is None:
        run = {**data, "status": "running", "usage": None, "duration": None, "steps": []}
    else:
        # The frame `session` added the run before the earlier runs were read: move it to its position.
        state["runs"].remove(run)
    state["runs"].append(run)
    _change_message(state, data["message_id"], {"run_id": data["run_id"]})


class _LastChanged:
    """The index of the last changed message: the next change is usually of the same message, or of the next one."""

    at = 0


class _MessageChange(TypedDict):
    """Fields of a `TranscriptMessage` that change."""

    run_id: NotRequired[str]
    steered: NotRequired[bool]
    withdrawn: NotRequired[WithdrawalReason]


def _change_message(state: Transcript, message_id: str, change: _MessageChange) -> None:
    messages = state["messages"]
    likely = (_LastChanged.at, _LastChanged.at + 1)
    at = next((at for at in likely if at < len(messages) and messages[at]["id"] == message_id), None)
    if at is None:
        at = next((at for at in reversed(range(len(messages))) if messages[at]["id"] == message_id), None)
    if at is not None:
        _LastChanged.at = at
        messages[at].update(cast("TranscriptMessage", change))


def _reasoning_step(state: Transcript, data: ReasoningStep, seq: int) -> None:
    step_id = step_key(data, seq)
    known = state["steps"].get(step_id)
    if known is None:
        run = find_run(state, data.get("run_id", ""))
        if run is not None:
            _insert_in_order(state, run["steps"], step_id, data.get("index"))
    elif not is_open(known):
        return
    state["steps"][step_id] = cast("TranscriptStep", {**with_outputs(data), "seq": seq})


def _insert_in_order(state: Transcript, step_ids: list[str], step_id: str, index: int | None) -> None:
    """Insert a step in the order of opening: a step that opened later but closed earlier may be read before it."""
    at = len(step_ids)
    if index is not None:
        while at > 0 and state["steps"][step_ids[at - 1]].get("index", -1) > index:
            at -= 1
    step_ids.insert(at, step_id)


def _request(state: Transcript, data: RequestData, seq: int) -> None:
    state["requests"][data["request_id"]] = {**data, "closed": None}


def _request_closed(state: Transcript, data: RequestClosedData, seq: int) -> None:
    request = state["requests"].get(data["request_id"])
    if request is not None and request["closed"] is None:
        request["closed"] = data.copy()


def _run_finished(state: Transcript, data: RunFinishedData, seq: int) -> None:
    run = find_run(state, data["run_id"])
    if run is not None and run["status"] == "running":
        run.update(cast("TranscriptRun", data))


_EVENTS: Final[dict[str, Callable[[Transcript, Any, int], None]]] = {
    "session_info": _session_info,
    "user_message": _user_message,
    "message_withdrawn": _message_withdrawn,
    "message_steered": _message_steered,
    "run_started": _run_started,
    "reasoning_step": _reasoning_step,
    "request": _request,
    "request_closed": _request_closed,
    "run_finished": _run_finished,
}
