"""The laws of the design, for a session in which nothing is open: what its log must look like in all cases."""

from __future__ import annotations

from collections import Counter

import msgspec

from reasoning_widget.export.log import SessionFile
from reasoning_widget.fold import Transcript, TranscriptRun, TranscriptStep, is_open, new_transcript, receive
from reasoning_widget.protocol import SERVER_MESSAGES, Frame
from tests.jupyter import Jupyter


def exported(server: Jupyter, session_id: str) -> SessionFile:
    """Return the complete log of a session."""
    file: SessionFile = server.fetch("GET", f"reasoning-widget/api/sessions/{session_id}/export")
    return file


def checked(file: SessionFile, *transcripts: Transcript) -> Transcript:
    """Check the laws for a log in which nothing is open, and that clients have these transcripts; return its fold."""
    events = file["events"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1)), "a seq has a gap or was used twice"
    for event in events:
        msgspec.convert(event["data"], SERVER_MESSAGES[event["type"]].content)
    _check_order(events)
    folded = folded_log(file)
    _check_closed(folded)
    for transcript in transcripts:
        assert transcript == folded, "a client's transcript is not the fold of the log"
    return folded


def folded_log(file: SessionFile) -> Transcript:
    """Return the fold of a log."""
    state = new_transcript()
    state["session_id"], state["epoch"] = file["session_id"], file["epoch"]
    for event in file["events"]:
        assert receive(state, event) == "applied"
    return state


def _check_order(events: list[Frame]) -> None:
    """Check that nothing happens to steps, runs and requests that are closed or were never opened."""
    opened: Counter[str] = Counter()
    closed: set[str] = set()
    for event in events:
        data, kind = event["data"], event["type"]
        if kind == "run_started":
            opened[data["run_id"]] += 1
        elif kind == "run_finished":
            assert data["run_id"] in opened
            assert data["run_id"] not in closed, "a run ended twice"
            closed.add(data["run_id"])
        elif kind == "reasoning_step":
            assert data["run_id"] in opened
            assert data["run_id"] not in closed, "a step came after its run had ended"
            assert data["id"] not in closed, "a closed step was changed"
            if not is_open(data):
                closed.add(data["id"])
        elif kind == "request":
            opened[data["request_id"]] += 1
        elif kind == "request_closed":
            assert data["request_id"] in opened
            assert data["request_id"] not in closed, "a request was closed twice"
            closed.add(data["request_id"])
    assert set(opened.values()) <= {1}, "an id was used twice"


def _check_closed(state: Transcript) -> None:
    """Check that all runs have ended, and that all messages were answered, withdrawn or passed to a run."""
    assert not state["other"]
    assert not [step for step in state["steps"].values() if is_open(step)], "a step is open"
    assert not [run for run in state["runs"] if run["status"] == "running"], "a run is on"
    assert not [request for request in state["requests"].values() if request["closed"] is None], "a request is open"
    assert not [m for m in state["messages"] if not m["run_id"] and not m["withdrawn"]], "a message waits"
    assert len({message["id"] for message in state["messages"]}) == len(state["messages"]), "a message was logged twice"
    for run in state["runs"]:
        answers = [step for step in steps_of(state, run) if step["type"] == "final_answer" and "parent_id" not in step]
        assert len(answers) <= 1, "a run has two answers"


def steps_of(state: Transcript, run: TranscriptRun) -> list[TranscriptStep]:
    """Return the steps of a run, in order."""
    return [state["steps"][step_id] for step_id in run["steps"]]
