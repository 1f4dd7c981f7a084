"""Converts the steps that an agent yields to the steps that are logged: ids, times, limits, and rules of change.

Pure logic: it uses no log, no loop, and no clock other than the given one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from ..agents.errors import redact
from ..clean import clean_json, clean_text, fitting_length, json_length, store_long_values
from ..fold import Place, texts_of
from ..masking import shortened
from ..outputs import PLAIN, is_printed, outputs_of
from ..printed import as_shown, head_and_tail
from ..protocol import (
    JSON,
    MAX_INLINE_MIME_BYTES,
    MAX_OUTPUTS,
    TERMINAL_STEP_STATUSES,
    Channel,
    MimeBundle,
    Raised,
    Step,
    StepStatus,
)
from .calls import OURS, call_of

_MAX_CHANNEL_BYTES: Final[dict[Channel, int]] = {
    "content": 256 * 1024,
    "arguments": 96 * 1024,
    "output": MAX_INLINE_MIME_BYTES,
}
"""Together with the inline MIME values and the rest of a step, they stay below `MAX_FRAME_BYTES`. The limit of `output`
is for the texts of all outputs together."""

_MAX_CALL_IN_WORDS = 300  # code points of arguments in the content of a tool_use
_TELL_OF_ERRORS = ("tool_result", "error")  # if they have failed
_COPIED = ("agent", "duration", "usage", "raised")
_FLAT = frozenset({"type", "id", "content", "status", "agent", "iteration", "parent_id", "timestamp", "duration"})


class Grown(NamedTuple):
    """The complete current text of a place in a step."""

    step_id: str
    place: Place
    text: str


class Changes(NamedTuple):
    """Changes of a run's steps: snapshots to log, and texts that only grew."""

    snapshots: list[JSON]
    grown: list[Grown]


@dataclass(eq=False)
class _Call:
    """A tool call that has no result yet."""

    step_id: str
    tool: JSON
    parent: str | None
    since: float
    """When it was made."""
    result: str | None = None
    """The id of its result's step, once that has begun."""


@dataclass
class _OpenStep:
    """An open step."""

    step: JSON
    opened_at: float
    explicit: bool
    """Whether the agent itself closes the step."""
    said: StepStatus | None = None
    """The status with which the agent closed an answer; only the end of the run shows whether it was the final one."""
    superseded: bool = False
    """Whether another step followed this answer, so that it is closed as a thought."""
    fits: dict[Channel, int] = field(default_factory=dict)
    """The positions at which channels that became too long were cut."""
    is_call: bool = False
    """Whether it is a tool call that ends with its result, because the agent does not close it."""
    taken: Step | None = None
    """Its last snapshot."""
    shown: list[MimeBundle] | None = None
    """Its outputs in the last snapshot."""
    length: int | None = None
    """Length of its content in bytes of JSON; None if it was not counted."""


class RunSteps:
    """The steps of one run.

    Args:
        run_id: The run's id; the ids of its steps begin with it.
        agent_name: The agent of steps that do not name one.
        clock: The time, in seconds since the epoch.
        put_blob: Stores a MIME value that is too long for its step, by its SHA-256.
    """

    def __init__(
        self, run_id: str, agent_name: str, clock: Callable[[], float], put_blob: Callable[[str, Any], None]
    ) -> None:
        self._run_id = run_id
        self._agent_name = agent_name
        self._clock = clock
        self._put_blob = put_blob
        self._ids: dict[str, str] = {}
        self._open: dict[str, _OpenStep] = {}
        self._calls: list[_Call] = []
        self._count = 0
        self._iteration = 1

    def add(self, steps: list[Step]) -> Changes:
        """Add the newest snapshots of steps that have changed."""
        changes = Changes([], [])
        for step in steps:
            step_id = self._ids.get(step.get("id", ""))
            if step_id is None:
                self._begin(step, changes)
            elif step_id in self._open:
                self._grow(self._open[step_id], step, changes)
            # A closed step stays as it is: a terminal status never regresses.
        # If a step grew and was then closed by another one, its last snapshot has all its text.
        return Changes(changes.snapshots, [grown for grown in changes.grown if grown.step_id in self._open])

    def wire_id(self, step_id: str) -> str | None:
        """Return the session's id of the step that the agent yields under `step_id`; None if it has yielded none."""
        return self._ids.get(step_id)

    def newest_open(self, step_type: str) -> str | None:
        """Return the id of the open step of that type that began last; None if there is none."""
        matching = [step_id for step_id, opened in self._open.items() if opened.step["type"] == step_type]
        return matching[-1] if matching else None

    def close(self, status: StepStatus, *, abandoned: bool = False) -> list[JSON]:
        """Close the open steps, because the run ends, and return their snapshots.

        Args:
            status: The status of steps that the agent has not closed itself.
            abandoned: Whether tools may still be running.
        """
        snapshots = []
        for opened in list(self._open.values()):
            if abandoned and opened.step["type"] == "tool_result":
                note = "Stopped. The tool may still be running."
                opened.step["content"] = f"{opened.step['content']}\n\n{note}".strip()
            snapshots.append(self._closed(opened, opened.said or status))
        return snapshots

    def error(self, content: str, raised: Raised | None = None) -> JSON:
        """Add an `error` step that says what went wrong and where, and return its snapshot."""
        step: Step = {"type": "error", "content": content, "status": "failed"}
        if raised is not None:
            step["raised"] = raised
        return self.add([step]).snapshots[-1]

    # A step from its beginning to its end

    def _begin(self, step: Step, changes: Changes) -> None:
        now = self._clock()
        index, self._count = self._count, self._count + 1
        wire_id = f"{self._run_id}.{index}"
        if "id" in step:
            self._ids[step["id"]] = wire_id
        parent = self._ids.get(step.get("parent_id", ""))
        self._supersede(step, parent, changes)
        opened = _OpenStep(step={}, opened_at=now, explicit="status" in step)
        opened.is_call = step["type"] == "tool_use" and "status" not in step and "duration" not in step
        opened.step = {
            "id": wire_id,
            "run_id": self._run_id,
            "index": index,
            "agent": self._agent_name,
            # A step that comes with its duration began earlier by that duration.
            "timestamp": _number(step.get("timestamp"), now - max(0.0, _number(step.get("duration"), 0.0))),
            "status": "streaming",
        }
        if parent is not None:
            opened.step["parent_id"] = parent
        self._open[wire_id] = opened
        self._update(opened, step)
        if step["type"] == "tool_use":
            self._calls.append(_Call(wire_id, opened.step["tool"], parent, now))
        elif step["type"] == "tool_result":
            self._begin_result(opened, step, parent)
        if self._ends(opened, step):
            self._end_call(wire_id, changes)
            changes.snapshots.append(self._closed(opened, step.get("status", "done")))
        else:
            changes.snapshots.append(self._snapshot(opened))

    def _grow(self, opened: _OpenStep, step: Step, changes: Changes) -> None:
        if self._take_growth(opened, step):
            changes.grown.append(Grown(opened.step["id"], Place("content"), step["content"]))
            return
        before, shown, type_before = texts_of(opened.step), outputs_of(opened.step), opened.step["type"]
        self._update(opened, step)
        if self._ends(opened, step):
            self._end_call(opened.step["id"], changes)
            changes.snapshots.append(self._closed(opened, step["status"]))
            return
        after = texts_of(opened.step)
        only_grew = only_more_text(shown, outputs_of(opened.step)) and all(
            place in after and after[place].startswith(text) for place, text in before.items()
        )
        if opened.step["type"] != type_before or not only_grew:
            changes.snapshots.append(self._snapshot(opened))
            return
        changes.grown.extend(
            Grown(opened.step["id"], place, text)
            for place, text in after.items()
            if len(text) > len(before.get(place, ""))
        )

    def _take_growth(self, opened: _OpenStep, step: Step) -> bool:
        """Take a snapshot that only extends a plain text, as nearly all do; return False if it does anything else."""
        content, before, last = step["content"], opened.step["content"], opened.taken
        if (
            last is None
            or not _FLAT.issuperset(step)
            or len(content) <= len(before)
            or not content.startswith(before)
            or {**last, "content": content} != step
        ):
            return False
        try:
            added = json_length(content[len(before) :])
        except UnicodeError:
            return False
        if opened.length is None:
            opened.length = json_length(before)
        if opened.length + added + len('""') > _MAX_CHANNEL_BYTES["content"]:
            return False
        opened.length += added
        opened.taken = step
        opened.step["content"] = content
        return True

    def _supersede(self, step: Step, parent: str | None, changes: Changes) -> None:
        """Close the steps that end because a new step begins, and mark the answers that were not final."""
        for wire_id, opened in list(self._open.items()):
            is_answer = _is_answer(opened.step)
            if is_answer and parent is None and step["type"] != "error":
                opened.superseded = True
                if opened.said or not opened.explicit:
                    changes.snapshots.append(self._closed(opened, opened.said or "done"))
            elif not opened.explicit and not is_answer and wire_id != parent and self._is_over(opened, step, parent):
                self._end_call(wire_id, changes)
                changes.snapshots.append(self._closed(opened, "done"))

    def _is_over(self, opened: _OpenStep, step: Step, parent: str | None) -> bool:
        """Return whether a step that the agent does not close itself ends because another one begins."""
        if not opened.is_call:
            return True
        later = step.get("iteration", 0) > opened.step["iteration"] and step["type"] != "tool_result"
        return later or (parent is None and step["type"] in ("final_answer", "error"))

    def _begin_result(self, opened: _OpenStep, step: Step, parent: str | None) -> None:
        """Begin a result. If it comes whole, its time begins with its call, unless the agent gives its time."""
        call = call_of(opened.step["tool"], parent, [call for call in self._calls if call.result is None])
        if call is None:
            return
        call.result = opened.step["id"]
        came_whole = "id" not in step or step["id"].startswith(OURS) or step.get("status") in TERMINAL_STEP_STATUSES
        if came_whole and "timestamp" not in step and "duration" not in step:
            opened.opened_at = opened.step["timestamp"] = call.since

    def _end_call(self, step_id: str, changes: Changes) -> None:
        """End a step. If it is a result, its call ends too."""
        call = next((call for call in self._calls if call.result == step_id), None)
        if call is not None:
            self._calls.remove(call)
            if call.step_id in self._open:
                changes.snapshots.append(self._closed(self._open[call.step_id], "done"))

    def _ends(self, opened: _OpenStep, step: Step) -> bool:
        """Return whether this snapshot closes its step. An answer stays open until it is known whether it is final."""
        said = step.get("status", "streaming" if "id" in step or opened.is_call else "done")
        if said not in TERMINAL_STEP_STATUSES:
            return False
        if _is_answer(opened.step) and not opened.superseded:
            opened.said = said
            opened.step.setdefault("duration", self._clock() - opened.opened_at)
            return False
        return True

    def _closed(self, opened: _OpenStep, status: StepStatus) -> JSON:
        del self._open[opened.step["id"]]
        if opened.shown is not None:
            opened.step["outputs"] = self._finished(opened, opened.shown)
        if opened.superseded and _is_answer(opened.step):
            opened.step["type"] = "thought"
        opened.step["status"] = status
        if status == "failed" and opened.step["type"] in _TELL_OF_ERRORS:
            opened.step["content"] = redact(opened.step["content"])
        opened.step.setdefault("duration", max(0.0, self._clock() - opened.opened_at))
        for call in self._calls:
            if call.step_id == opened.step["id"] and not opened.is_call:
                call.since = self._clock()  # the tool starts when its call is complete
        if opened.step["type"] == "tool_use" and not opened.step["content"]:
            opened.step["content"] = _call_in_words(opened.step.get("tool") or {})
        return self._snapshot(opened)

    # A step's fields

    def _update(self, opened: _OpenStep, step: Step) -> None:
        wire = opened.step
        opened.taken, opened.length = step, None
        wire["type"] = step["type"]
        if step["type"] == "final_answer" and "parent_id" in wire:
            wire["type"] = "thought"  # a nested agent's answer is not the run's
        self._iteration = step.get("iteration", self._iteration)
        wire["iteration"] = self._iteration
        wire["content"] = self._fitted(opened, "content", clean_text(step["content"]))
        if "tool" in step:
            wire["tool"] = self._tool(opened, cast("JSON", step["tool"]))
        elif step["type"] in ("tool_use", "tool_result"):
            wire.setdefault("tool", {"name": "tool"})
        if "outputs" in step or "output" in step:
            opened.shown = outputs_of(cast("JSON", step))
            wire["outputs"] = self._outputs(opened, opened.shown)
        for name in _COPIED:
            if name in step:
                wire[name] = clean_json(cast("JSON", step)[name])

    def _tool(self, opened: _OpenStep, tool: JSON) -> JSON:
        clean: JSON = clean_json(tool)
        arguments = tool.get("arguments")
        if arguments is not None:
            text = arguments if isinstance(arguments, str) else json.dumps(clean["arguments"], ensure_ascii=False)
            clean["arguments"] = self._fitted(opened, "arguments", clean_text(text))
        return clean

    def _outputs(self, opened: _OpenStep, outputs: list[MimeBundle]) -> list[MimeBundle]:
        """Return the outputs, with texts that together are not too long. A cut stays at the same place."""
        clean: list[MimeBundle] = [clean_json(bundle) for bundle in _not_too_many(outputs)]
        room, left_out = _MAX_CHANNEL_BYTES["output"], 0
        for bundle in clean:
            text = _joined(bundle)
            if isinstance(text, str):
                fits = fitting_length(text, room)
                left_out += len(text) - fits
                bundle[PLAIN] = text[:fits]
                room -= json_length(bundle[PLAIN])
        self._note_cut(opened, "output", left_out)
        return clean

    def _finished(self, opened: _OpenStep, outputs: list[MimeBundle]) -> list[MimeBundle]:
        """Return the outputs of a closing step: texts as a terminal shows them, long ones cut to head and tail."""
        finished: list[MimeBundle] = [clean_json(bundle) for bundle in _not_too_many(outputs)]
        whole = {at: text for at, bundle in enumerate(finished) if isinstance(text := _joined(bundle), str)}
        shown = {at: as_shown(text) for at, text in whole.items()}
        lengths = {at: json_length(text) for at, text in shown.items()}
        longest = _fair_share(list(lengths.values()), _MAX_CHANNEL_BYTES["output"])
        left_out = 0
        for at, text in shown.items():
            finished[at][PLAIN] = head_and_tail(text, longest) if lengths[at] > longest else text
            left_out += len(whole[at]) - len(finished[at][PLAIN]) if lengths[at] > longest else 0
        self._note_cut(opened, "output", left_out)
        return finished

    def _fitted(self, opened: _OpenStep, channel: Channel, text: str) -> str:
        """Return `text`, cut if it is too long. Once cut, a channel stays cut at the same place."""
        fits = opened.fits.get(channel)
        if fits is None:
            fits = fitting_length(text, _MAX_CHANNEL_BYTES[channel])
            if fits < len(text):
                opened.fits[channel] = fits
        self._note_cut(opened, channel, len(text) - fits)
        return text[:fits]

    def _note_cut(self, opened: _OpenStep, channel: Channel, left_out: int) -> None:
        cut = {**opened.step.get("cut", {}), channel: left_out}
        if left_out <= 0:
            del cut[channel]
        if cut:
            opened.step["cut"] = cut
        else:
            opened.step.pop("cut", None)

    def _snapshot(self, opened: _OpenStep) -> JSON:
        snapshot = dict(opened.step)
        if "outputs" in snapshot:
            snapshot["outputs"] = store_long_values(snapshot["outputs"], self._put_blob)
        return snapshot


def only_more_text(before: list[MimeBundle], after: list[MimeBundle]) -> bool:
    """Return whether outputs differ only in the length of their texts, and new ones are only text."""
    return (
        len(before) <= len(after)
        and all({**old, PLAIN: ""} == {**new, PLAIN: ""} for old, new in zip(before, after, strict=False))
        and all(old.keys() == new.keys() for old, new in zip(before, after, strict=False))
        and all(is_printed(new) and isinstance(new[PLAIN], str) and new[PLAIN] for new in after[len(before) :])
    )


def _not_too_many(outputs: list[MimeBundle]) -> list[MimeBundle]:
    more = len(outputs) - MAX_OUTPUTS
    if more <= 0:
        return outputs
    half = MAX_OUTPUTS // 2
    note = {PLAIN: f"… {more + 1:,} outputs were left out …\n"}
    return [*outputs[:half], note, *outputs[half + more + 1 :]]


def _joined(bundle: MimeBundle) -> Any:
    """Return the plain text of an output, joined if it is a list of lines, as in notebook files."""
    text = bundle.get(PLAIN)
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        return "".join(text)
    return text


def _fair_share(lengths: list[int], room: int) -> int:
    """Return the length to which each must be limited, so that together they take no more than `room`."""
    left = len(lengths)
    for length in sorted(lengths):
        if length * left > room:
            return room // left
        room -= length
        left -= 1
    return max(lengths, default=0)


def _is_answer(wire: JSON) -> bool:
    return bool(wire["type"] == "final_answer")


def _number(value: object, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise


def _call_in_words(tool: JSON) -> str:
    return f"{tool.get('name', 'tool')}({shortened(tool.get('arguments', ''), _MAX_CALL_IN_WORDS)})"
