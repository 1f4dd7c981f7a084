"""However an agent's text is split into pieces, the step that is logged in the end is the same."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasoning_widget.protocol import Step
from reasoning_widget.session import steps
from reasoning_widget.session.steps import RunSteps

ANYTHING = st.text(st.characters(categories=("L", "S", "Cc", "Cs")), max_size=8)


@pytest.fixture(scope="module", autouse=True)
def little_room():
    limits = pytest.MonkeyPatch()
    limits.setitem(steps._MAX_CHANNEL_BYTES, "content", 60)
    yield
    limits.undo()


def logged(snapshots):
    """Return the step that is logged when the run ends, and check that its text was shown before."""
    run = RunSteps("run", "agent", lambda: 0.0, lambda _sha256, _value: None)
    shown = ""
    for snapshot in snapshots:
        changes = run.add([cast("Step", {"type": "final_answer", "id": "answer", **snapshot})])
        for logged_step in changes.snapshots:
            shown = logged_step["content"]
        for grown in changes.grown:
            assert grown.text.startswith(shown), "what grows keeps what was there"
            shown = grown.text
    (final,) = run.close("done")
    assert final["content"] == shown
    return final


@given(st.lists(ANYTHING, min_size=1))
def test_in_pieces_a_text_becomes_what_it_becomes_whole(pieces):
    snapshots = [{"content": "".join(pieces[: count + 1])} for count in range(len(pieces))]
    assert logged(snapshots) == logged(snapshots[-1:])


@given(st.lists(st.tuples(ANYTHING, st.sampled_from("ab"), st.integers(1, 2))))
def test_what_else_changes_meanwhile_is_noticed(pieces):
    text, snapshots = "", []
    for piece, agent, iteration in pieces:
        text += piece
        snapshots.append({"content": text, "agent": agent, "iteration": iteration})
    assert not snapshots or logged(snapshots) == logged(snapshots[-1:])
