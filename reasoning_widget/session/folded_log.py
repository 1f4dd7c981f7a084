"""The log of a session and its fold, the transcript, kept in step."""

from __future__ import annotations

import itertools
import math
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from ..fold import Place, Transcript, channel_text, find_run, is_open, new_transcript, receive, texts_of
from ..protocol import JSON, PLAIN_STEP_TYPES, Frame, ReasoningStep, Usage
from .log import EventLog, LogDamaged, OpenText
from .steps import Grown

_TAIL = 512  # events kept in memory, for watchers that are almost up to date
_READ_AHEAD = 64  # events read from the log at a time


class LoggedStep(NamedTuple):
    """The last logged snapshot of an open step."""

    base: int
    """Its `seq`."""
    lengths: dict[Place, int]
    """The lengths of its texts, in code points. A text that is absent had not begun."""


class FoldedLog:
    """The log of one session, and its fold. Runs, steps and requests that are open in an existing log are closed.

    Args:
        session_id: The session.
        log: Stores the events.
        clock: The time, in seconds since the epoch.

    Attributes:
        state: The fold of the log, and of the text that was appended to open steps since.
        epoch: The id of the log.
        exists: Whether there is a log: it begins with the first event.
        owner: The user to whom the session belongs; None if users are not distinguished.
        open_steps: The last logged snapshots of the open steps, by step id.

    Raises:
        StorageError: The log cannot be read.
        LogDamaged: An event of it is invalid.
    """

    def __init__(self, session_id: str, log: EventLog, clock: Callable[[], float]) -> None:
        self.state: Transcript = new_transcript()
        self.epoch = ""
        self.open_steps: dict[str, LoggedStep] = {}
        self._plain_runs: set[str] = set()
        self._followed: set[str] = set()
        self._session_id = session_id
        self._log = log
        self._tail: deque[Frame] = deque(maxlen=_TAIL)
        position = log.position(session_id)
        self.exists = position is not None
        self.owner = log.owner(session_id) if self.exists else None
        if position is None:
            self._start(_new_epoch())
        else:
            self._start(position.epoch)
            with report_damage(session_id):
                for frame in log.read(session_id):
                    self._fold(frame)
                self._close_interrupted(clock())

    def begin_epoch(self) -> None:
        """Delete the log, and begin an empty one with another epoch."""
        epoch = _new_epoch()
        if self.exists:
            self._log.begin(self._session_id, epoch, self.owner)
        self._start(epoch)

    def append(self, *events: tuple[str, JSON], blobs: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Log events, then fold them.

        Args:
            events: Their types and data.
            blobs: The values that they refer to, by their SHA-256.

        Raises:
            StorageError: The log cannot be written, or another writer has changed it. Nothing has changed here.
        """
        if not events:
            return
        if not self.exists:
            self._log.begin(self._session_id, self.epoch, self.owner)
            self.exists = True
        last_seq = self.state["last_seq"]
        frames: list[Frame] = [
            {"type": kind, "seq": seq, "data": data} for seq, (kind, data) in enumerate(events, last_seq + 1)
        ]
        self._log.append(self._session_id, last_seq, frames, blobs)
        for frame in frames:
            self._fold(frame)

    def grow(self, grown: Grown) -> None:
        """Fold text that was appended to an open step. No event is logged."""
        known = channel_text(self.state["steps"][grown.step_id], *grown.place)
        base = self.open_steps[grown.step_id].base
        self._fold_delta(grown.step_id, grown.place, base, len(known), grown.text[len(known) :])

    def events_after(self, after: int) -> Iterator[Frame]:
        """The events after `after`, without snapshots that later ones supersede.

        Events are read from the log during the iteration, so that a watcher that catches up in many batches reads each
        of them once.
        """
        steps = self.state["steps"]
        while after < self.state["last_seq"]:
            first = self._tail[0]["seq"] if self._tail else math.inf
            if first <= after + 1:
                events = list(itertools.islice(self._tail, after + 1 - int(first), None))
            else:
                events = self._log.read(self._session_id, after, _READ_AHEAD)
            for frame in events:
                if frame["type"] != "reasoning_step" or steps[frame["data"]["id"]]["seq"] == frame["seq"]:
                    yield frame
            after = events[-1]["seq"]

    def is_shown(self, step: Mapping[str, Any], *, growing: bool) -> bool:
        """Whether a step is sent to clients that see of a run without reasoning only its outcome.

        Args:
            step: Its newest snapshot.
            growing: Whether the client sees steps grow. If so, a step that it saw as an answer is sent until it closes,
                even if it becomes a thought.
        """
        if step["run_id"] not in self._plain_runs:
            return True
        return step["id"] in self._followed if growing else step["type"] in PLAIN_STEP_TYPES

    def usage(self, run_id: str, closing: Sequence[ReasoningStep] = ()) -> Usage:
        """The tokens of all model calls of a run, including those of `closing`, which will be logged next."""
        run = find_run(self.state, run_id)
        steps: dict[str, ReasoningStep] = {
            step_id: self.state["steps"][step_id] for step_id in (run["steps"] if run else [])
        }
        steps.update((step["id"], step) for step in closing)
        usages = [step.get("usage") or {} for step in steps.values()]
        total: Usage = {}
        for name in ("input_tokens", "output_tokens"):
            counts = [usage[name] for usage in usages if isinstance(usage.get(name), int)]
            if counts:
                total[name] = sum(counts)
        return total

    def save_open_text(self) -> None:
        """Store the text of open steps that no event contains yet."""
        texts: OpenText = {}
        for step_id, logged in self.open_steps.items():
            for place, text in texts_of(self.state["steps"][step_id]).items():
                offset = logged.lengths.get(place, 0)
                if len(text) > offset:
                    texts[step_id, place] = (logged.base, offset, text[offset:])
        self._log.save_open_text(self._session_id, texts)

    def put_blob(self, sha256: str, value: Any) -> None:
        """Store a MIME value that is too long for its step."""
        self._log.put_blob(self._session_id, sha256, value)

    def blob(self, sha256: str) -> Any:
        """Return a value that was too long for its event.

        Raises:
            KeyError: There is none with this SHA-256.
        """
        return self._log.get_blob(self._session_id, sha256)

    def _start(self, epoch: str) -> None:
        self.epoch = epoch
        self.state.update(new_transcript())
        self.state["session_id"], self.state["epoch"] = self._session_id, epoch
        self._tail.clear()
        self.open_steps.clear()
        self._plain_runs.clear()
        self._followed.clear()

    def _fold(self, frame: Frame) -> None:
        receive(self.state, frame)
        self._tail.append(frame)
        if frame["type"] == "reasoning_step":
            step = frame["data"]
            if is_open(step):
                lengths = {place: len(text) for place, text in texts_of(step).items()}
                self.open_steps[step["id"]] = LoggedStep(frame["seq"], lengths)
            else:
                self.open_steps.pop(step["id"], None)
            if step["type"] in PLAIN_STEP_TYPES and step["run_id"] in self._plain_runs:
                self._followed.add(step["id"])
        elif frame["type"] == "run_started" and not frame["data"]["enable_reasoning"]:
            self._plain_runs.add(frame["data"]["run_id"])

    def _fold_delta(self, step_id: str, place: Place, base: int, offset: int, text: str) -> None:
        receive(self.state, delta_frame(step_id, place, base, offset, text))

    def _close_interrupted(self, now: float) -> None:
        """Close what an earlier process left open, with the text that it stored of open steps."""
        _receive_open_text(self.state, self._log, self._session_id)
        events: list[tuple[str, JSON]] = []
        for step_id in self.open_steps:
            step = self.state["steps"][step_id]
            kind = "thought" if self._is_superseded(step) else step["type"]
            logged = {name: value for name, value in step.items() if name != "seq"}
            events.append(("reasoning_step", {**logged, "type": kind, "status": "stopped"}))
        for request_id, request in self.state["requests"].items():
            if request["closed"] is None:
                events.append(("request_closed", {"request_id": request_id, "reason": "interrupted"}))
        for run in self.state["runs"]:
            if run["status"] == "running":
                usage = self.usage(run["run_id"])
                duration = max(0.0, now - run["timestamp"])
                data = {"run_id": run["run_id"], "status": "interrupted", "usage": usage, "duration": duration}
                events.append(("run_finished", data))
        self.append(*events)

    def _is_superseded(self, step: ReasoningStep) -> bool:
        """Whether an open answer was not the final one, because its run went on to another step (see `RunSteps`)."""
        run = find_run(self.state, step["run_id"])
        if step["type"] != "final_answer" or run is None:
            return False
        later = (self.state["steps"][step_id] for step_id in run["steps"][run["steps"].index(step["id"]) + 1 :])
        return any("parent_id" not in other and other["type"] != "error" for other in later)


def _receive_open_text(state: Transcript, log: EventLog, session_id: str) -> None:
    """Fold the stored text of open steps."""
    saved = log.open_text(session_id)
    for step_id, place in sorted(saved, key=lambda key: key[1].entry):  # an output can only follow the one before it
        receive(state, delta_frame(step_id, place, *saved[step_id, place]))


def transcript_of(log: EventLog, session_id: str) -> Transcript | None:
    """Return the fold of a log and of the stored text of open steps; None if there is no log.

    Raises:
        StorageError: It cannot be read.
    """
    position = log.position(session_id)
    if position is None:
        return None
    state = new_transcript()
    state["session_id"], state["epoch"] = session_id, position.epoch
    with report_damage(session_id):
        for frame in log.read(session_id):
            receive(state, frame)
        _receive_open_text(state, log, session_id)
    return state


@contextmanager
def report_damage(session_id: str) -> Iterator[None]:
    """Within the block, which folds a log, raise `LogDamaged` instead of the error that an invalid event causes."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise LogDamaged(
            f"session {session_id} is damaged: one of its events is invalid ({type(error).__name__}: {error}). Delete "
            "the session, or restore a copy of the file"
        ) from error


def delta_frame(step_id: str, place: Place, base: int, offset: int, text: str) -> Frame:
    """Return the `step_delta` frame for text that was appended to an open step."""
    entry = {"entry": place.entry} if place.channel == "output" else {}
    data = {"step_id": step_id, "base": base, "channel": place.channel, **entry, "offset": offset, "text": text}
    return {"type": "step_delta", "data": data}


def _new_epoch() -> str:
    return secrets.token_hex(8)
