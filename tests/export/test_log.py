"""A saved session folds to the state that was seen."""

import asyncio
import json

import pytest

from reasoning_widget.export.log import complete_file, newest_events, session_file
from reasoning_widget.fold import new_transcript, receive
from reasoning_widget.protocol import Frame
from reasoning_widget.session.sqlite import SQLiteLog
from tests.fixtures.make_traces import TRACES
from tests.session.manual import ask, open_session

TRACE_FILES = sorted(TRACES.glob("*.json"))


def fold(events, session_id="demo", epoch=""):
    state = new_transcript()
    state["session_id"], state["epoch"] = session_id, epoch
    for event in events:
        receive(state, event)
    return state


def contents(state):
    """Return the visible part of a transcript: everything except positions in the log."""
    steps = {
        key: {name: value for name, value in step.items() if name != "seq"} for key, step in state["steps"].items()
    }
    return {**state, "steps": steps}


@pytest.mark.parametrize("path", TRACE_FILES, ids=lambda path: path.stem)
def test_a_saved_golden_trace_folds_to_its_state(path):
    trace = json.loads(path.read_text("utf-8"))
    state = trace["state"]
    events: list[Frame] = []
    epoch = None
    for frame, outcome in zip(trace["frames"], trace["outcomes"], strict=True):
        if frame["type"] == "session" and frame["data"]["epoch"] != epoch:
            events, epoch = [], frame["data"]["epoch"]
        elif "seq" in frame and outcome == "applied":
            events.append(frame)

    kept = newest_events(state, events)

    assert contents(fold(kept, state["session_id"], state["epoch"])) == contents(state)


async def test_superseded_snapshots_are_omitted_and_open_steps_have_their_whole_text():
    session, runner = open_session()
    ask(session, "Tell me", "m1")
    runner.run.emit({"type": "final_answer", "id": "a", "content": "Once <tool", "status": "streaming"})
    runner.run.emit({"type": "final_answer", "id": "a", "content": "Once", "status": "streaming"})
    runner.run.emit({"type": "final_answer", "id": "a", "content": "Once upon a time", "status": "streaming"})

    kept = newest_events(session.state, session.events_after(0))

    assert [event["data"]["content"] for event in kept if event["type"] == "reasoning_step"] == ["Once upon a time"]
    assert fold(kept, epoch=session.epoch) == session.state


async def test_a_complete_file_has_the_text_of_growing_steps():
    log = SQLiteLog()
    session, runner = open_session(log)
    ask(session, "Tell me", "m1")
    for text in ("Once", "Once upon a time", "Once upon a time there was a king"):
        runner.run.emit({"type": "final_answer", "id": "a", "content": text, "status": "streaming"})

    file = complete_file(session.state, log)

    assert fold(file["events"], epoch=session.epoch) == session.state
    assert [step["content"] for step in session.state["steps"].values()] == ["Once upon a time there was a king"]


async def test_the_file_of_one_prompt_has_its_run_and_the_prompts_that_steered_it():
    session, runner = open_session()
    ask(session, "First", "m1")
    runner.run.emit({"type": "final_answer", "content": "one"})
    runner.run.end()
    ask(session, "Second", "m2")
    ask(session, "Hurry", "m3", steer=True)
    runner.run.host.steering()
    await asyncio.sleep(0)
    runner.run.emit({"type": "final_answer", "content": "two"})
    runner.run.end()

    file = session_file(
        "demo", session.epoch, newest_events(session.state, session.events_after(0), "m2"), message_id="m2"
    )
    state = fold(file["events"])

    assert file["message_id"] == "m2"
    assert [message["content"] for message in state["messages"]] == ["Second", "Hurry"]
    assert [step["content"] for step in state["steps"].values()] == ["two"]
    assert [run["status"] for run in state["runs"]] == ["completed"]
