import json

import pytest

from reasoning_widget.fold import new_transcript, receive
from tests.fixtures.make_traces import SCENARIOS, TRACES, make


@pytest.mark.parametrize("path", sorted(TRACES.glob("*.json")), ids=lambda path: path.stem)
def test_a_golden_trace_folds_to_its_state(path):
    trace = json.loads(path.read_text("utf-8"))
    state = new_transcript()

    outcomes = [receive(state, frame) for frame in trace["frames"]]

    assert outcomes == trace["outcomes"]
    assert state == trace["state"]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_a_session_still_sends_the_golden_traces(scenario):
    kept = json.loads((TRACES / f"{scenario.__name__}.json").read_text("utf-8"))

    assert await make(scenario) == kept


def test_every_golden_trace_has_a_scenario():
    assert {path.stem for path in TRACES.glob("*.json")} == {scenario.__name__ for scenario in SCENARIOS}


def test_folding_does_not_change_the_frames():
    trace = json.loads((TRACES / "one_answer.json").read_text("utf-8"))
    before = json.dumps(trace["frames"])
    state = new_transcript()

    for frame in trace["frames"]:
        receive(state, frame)

    assert json.dumps(trace["frames"]) == before


def test_a_step_without_an_id_is_complete():
    state = new_transcript()
    step = {"type": "thought", "content": "hm", "iteration": 1, "timestamp": 1.0}

    receive(state, {"type": "reasoning_step", "seq": 1, "data": step})
    receive(state, {"type": "reasoning_step", "seq": 2, "data": step})

    assert [kept["content"] for kept in state["steps"].values()] == ["hm", "hm"]
