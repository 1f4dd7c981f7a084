"""Authors of prompts, shown if a conversation has more than one."""

from __future__ import annotations

import csv
import json

import pytest

from reasoning_widget.export.frame import to_csv
from reasoning_widget.export.html import to_html, to_page
from reasoning_widget.export.log import session_file
from reasoning_widget.export.markdown import to_markdown, to_plain
from reasoning_widget.export.notebook import to_notebook
from reasoning_widget.export.reading import read_session
from reasoning_widget.export.saved import folded
from reasoning_widget.fold import Transcript
from reasoning_widget.protocol import Frame

ADA = {"id": "ada", "name": "Ada Lovelace", "initials": "AL"}
BOB = {"id": "bob", "name": "<script>Bob</script> [x](javascript:y) $a$\n# b", "initials": "B"}


def said(*authors, steered=None) -> Transcript:
    """Return a conversation with a prompt by each author. The author `steered`, if any, steers the first run."""
    frames = []
    for number, author in enumerate(authors):
        message = {"id": f"m{number}", "content": f"Question {number}", "timestamp": 1.0, "follows": None}
        frames.append(("user_message", message if author is None else {**message, "author": author}))
        run = {"run_id": f"r{number}", "message_id": f"m{number}", "agent_name": "echo", "enable_reasoning": True}
        frames.append(("run_started", {**run, "timestamp": 1.0}))
        step = {"type": "final_answer", "content": "So.", "iteration": 1, "timestamp": 1.0, "status": "done"}
        frames.append(("reasoning_step", {**step, "id": f"s{number}", "run_id": f"r{number}"}))
        if steered is not None and number == 0:
            aside = {"id": "a", "content": "By the way", "timestamp": 1.0, "follows": None, "author": steered}
            frames.append(("user_message", aside))
            frames.append(("message_steered", {"message_id": "a", "run_id": "r0"}))
        end = {"run_id": f"r{number}", "status": "completed", "usage": {}, "duration": 1.0}
        frames.append(("run_finished", end))
    events: list[Frame] = [{"type": kind, "seq": seq, "data": data} for seq, (kind, data) in enumerate(frames, 1)]
    return folded(read_session(session_file("s", "e", events)).file)


def test_with_one_author_no_names_are_shown():
    state = said(ADA, ADA)
    for text in (to_markdown(state), to_page(state), to_plain(state), json.dumps(to_notebook(state))):
        assert "Ada" not in text
    assert "**You → echo**" in to_markdown(state)
    assert to_page(state) == to_page(said(None, None))


def test_with_several_authors_each_prompt_shows_its_author():
    state = said(ADA, BOB, None)
    markdown = to_markdown(state)
    assert "**Ada Lovelace → echo**\n\n> Question 0" in markdown
    assert "**You → echo**\n\n> Question 2" in markdown, "whoever the server does not know"
    assert "<small>Ada Lovelace</small>" in to_html(state)
    assert "> Ada Lovelace: Question 0" in to_plain(state)
    sources = [cell.source for cell in to_notebook(state).cells]
    assert any(source.startswith("**Ada Lovelace → echo**") for source in sources)
    rows = list(csv.DictReader(to_csv(state).splitlines()))
    assert rows[0]["author"] == "Ada Lovelace"
    for written in (markdown, to_html(state), *sources):
        assert "<script>" not in written
    for written in (markdown, *sources):
        assert "](javascript" not in written


def test_a_single_exported_prompt_shows_its_author_too():
    state = said(ADA, BOB)
    assert "Ada Lovelace" in to_markdown(state, "m0")
    assert "Ada Lovelace" in to_html(state, "m0")


def test_a_steering_prompt_shows_its_author():
    state = said(ADA, steered={**ADA, "id": "eve", "name": "Eve"})
    assert "**Eve**\n\n> By the way" in to_markdown(state)
    assert "<small>Eve</small>" in to_html(state)


@pytest.mark.parametrize("author", [5, "ada", {"id": "ada"}, {**ADA, "name": ["x"]}, [], {**ADA, "initials": None}])
def test_an_unreadable_author_is_omitted_and_the_prompt_kept(author):
    state = said(ADA, author)
    assert [message["content"] for message in state["messages"]] == ["Question 0", "Question 1"]
    assert [message.get("author") for message in state["messages"]] == [ADA, None]


def test_long_names_are_shortened():
    (message, _) = said({**ADA, "name": "x" * 10_000, "initials": "y" * 100}, BOB)["messages"]
    assert (len(message["author"]["name"]), message["author"]["initials"]) == (80, "yyy")
