"""Texts from a server are printed as text in a terminal, and cannot control it."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
import typer
from rich.console import Console

from reasoning_widget import cli
from reasoning_widget.fold import new_transcript
from reasoning_widget.terminal import Drawing, label
from tests.export.sessions import hand_made
from tests.parts import PNG

ATTACKS = [
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "\x1bP+q544e\x1b\\",
    "done\r\nroot# ",
    "a\x08\x08b\x00",
    "[/red][link=http://evil.example]x[/link]",
    "[bold",
    "x" * 5_000,
    7,
    None,
]
SGR = re.compile(r"\x1b\[[\d;]*m|\x1b\[\?25[hl]|\x1b\[\d*[AKJG]|\r")
"""The sequences that our own drawing uses: colours, moving the cursor, and clearing its output."""


def of(attack):
    """Return a step and a run of a hostile server, with the attack in every possible field."""
    step = {"id": "s", "run_id": "r", "type": attack, "status": attack, "content": "Hello.", "duration": attack}
    run = {"run_id": "r", "message_id": "m", "agent_name": "a", "status": attack, "steps": ["s"]}
    return step, run


@pytest.mark.parametrize("attack", ATTACKS, ids=repr)
@pytest.mark.parametrize("terminal", [False, True])
def test_types_and_statuses_cannot_control_the_terminal(attack, terminal, monkeypatch, capsys):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    step, run = of(attack)
    state = new_transcript()
    state["runs"].append(run)
    with Drawing(everything=True) as drawing:
        drawing.change(state, "run", "r")
        for status in (attack, "failed", "stopped", "done", "streaming"):
            drawing.show({**step, "id": str(status), "status": status})
    said = SGR.sub("", "".join(capsys.readouterr()))
    assert "Hello." in said
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", said)
    assert "root# " not in [line[:6] for line in said.splitlines()]
    assert "x" * 200 not in said
    if isinstance(attack, str) and attack.startswith("[/red]"):
        assert "[/red][link=http://evil.example]" in said, "it is shown as what it is"


@pytest.mark.parametrize("attack", ATTACKS, ids=repr)
def test_a_list_of_sessions_cannot_control_the_terminal(attack):
    info = {"id": attack, "updated": 1.0, "messages": attack, "status": attack, "title": "Seas", "snippet": None}
    for cell in cli._row(info):
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", cell)


@pytest.mark.parametrize("word", ["done", "max_iterations", "日本語", "a b"])
def test_ordinary_labels_are_unchanged(word):
    assert label(word) == word


def test_an_error_message_of_a_server_cannot_control_the_terminal(capsys):
    with pytest.raises(typer.Exit):
        cli._fail("no such session \x1b]0;owned\x07\x9b31m")
    assert "\x1b]" not in capsys.readouterr().err


# The output of a session

ADA = {"id": "ada", "name": "Ada Lovelace", "initials": "AL"}
BOB = {"id": "bob", "name": "Bob \x1b[31m\n", "initials": "B"}


def watched(state, **options):
    """Print a session as `watch` does when it starts, in a pipe."""
    with Drawing(everything=True, **options) as drawing:
        drawing.catch_up(state)


@pytest.mark.parametrize(
    ("author", "reader", "shown"),
    [
        (None, None, "You"),
        (ADA, ADA, "You"),
        (ADA, {**BOB, "id": "eve"}, "Ada Lovelace"),
        (BOB, ADA, "Bob"),
        (None, ADA, "You"),
        ({"id": 7}, ADA, "You"),
        (ADA, None, "Ada Lovelace"),
    ],
)
def test_the_author_of_a_prompt_is_named_if_it_is_another_user(author, reader, shown, capsys):
    state = hand_made({"type": "final_answer", "content": "It is so."}, question="Is it?")
    if author is not None:
        state["messages"][0]["author"] = author
    watched(state, reader=reader)
    assert capsys.readouterr().out.splitlines() == [f"{shown} → a: Is it?", "Final answer: It is so."]


def test_a_request_is_shown_in_its_place_and_with_its_reply(capsys):
    state = hand_made(
        {"type": "thought", "timestamp": 2.0, "content": "Hm."},
        {"type": "final_answer", "timestamp": 4.0, "content": "Swept."},
    )
    request: Any = {"run_id": "r", "kind": "approval", "step_id": None, "expires": None, "timestamp": 3.0}
    closed = {"request_id": "q", "reason": "answered", "value": True}
    state["requests"]["q"] = request | {"request_id": "q", "prompt": "Sweep\x1b[2J?", "closed": closed}
    state["requests"]["o"] = request | {"request_id": "o", "prompt": "Really?", "closed": None, "timestamp": 5.0}
    with Drawing(everything=True) as drawing:
        drawing.catch_up(state)
        drawing.change(state, "request", "q")
        state["requests"]["o"]["closed"] = {"request_id": "o", "reason": "expired"}
        drawing.change(state, "request", "o")
    assert capsys.readouterr().out.splitlines()[1:] == [
        "Thought: Hm.",
        "The agent asked: Sweep? → approved",
        "Final answer: Swept.",
        "The agent asks: Really?",
        "The agent asked: Really? → expired",
    ]


@pytest.mark.parametrize(
    ("raised", "shown"),
    [
        ({"where": "agent.py, line 3, in work", "traceback": "Traceback …"}, " (Raised at agent.py, line 3, in work.)"),
        ({"where": "agent.py\x1b[2J, line 3"}, " (Raised at agent.py, line 3.)"),
        ({"where": 3}, ""),
        ("agent.py", ""),
    ],
)
@pytest.mark.parametrize("terminal", [False, True])
def test_an_error_says_where_it_was_raised(raised, shown, terminal, monkeypatch, capsys):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    watched(hand_made({"type": "error", "content": "It broke.", "raised": raised}))
    said = SGR.sub("", capsys.readouterr().out)
    assert f"It broke.{shown}" in said
    assert ("Raised" in said) == bool(shown)
    assert "Traceback" not in said


RICH = [
    {"text/plain": "epoch 1\n\x1b[1;32mok\x1b[0m done\n"},
    {"image/png": base64.b64encode(PNG * 100).decode(), "text/plain": "<Figure size 640x480 with 1 Axes>"},
    {"text/markdown": "**bold** words"},
    {"text/html": "<table></table>" * 100},
    {"text/html": "<b>4</b>", "text/plain": "four"},
    {"application/vnd.vegalite.v5+json": {"mark": "point"}},
    {"image/png": {"blob": "sha256:0", "size": 2_500_000}},
    {"text/latex": "$x^2$"},
]


def result(outputs, content="returned", status="done"):
    """Return a step of a tool with outputs."""
    tool = {"name": "t", "call_id": "c"}
    step = {"id": "s", "run_id": "r", "type": "tool_result", "tool": tool, "status": status}
    return {**step, "content": content, "outputs": outputs}


@pytest.fixture
def terminal(monkeypatch):
    """A terminal with 256 colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    assert Console().is_terminal


@pytest.mark.parametrize("status", ["done", "streaming"])
def test_a_terminal_shows_the_outputs_of_a_tool(terminal, status, capsys):
    with Drawing() as drawing:
        drawing.show(result(RICH, status=status))

    said = capsys.readouterr().out
    assert "\x1b[1;32mok" in said
    words = [" ".join(line.strip(" │").split()) for line in SGR.sub("", said).splitlines()]
    expected = ["epoch 1", "ok done", "[image/png, 7.3 kB]", "bold words", "[text/html, 1.5 kB]", "four"]
    expected += ["[application/vnd.vegalite.v5+json, 16 bytes]", "[image/png, 2.5 MB]", "returned"]
    assert [line for line in words if line in expected][-len(expected) :] == expected
    assert "Figure size" not in said
    assert any("x^2" in line or "x²" in line for line in words)


def test_a_pipe_gets_the_outputs_of_a_tool_as_plain_text(capsys):
    with Drawing(everything=True) as drawing:
        drawing.show(result(RICH))

    assert capsys.readouterr().out.splitlines() == [
        "Tool result: epoch 1",
        "ok done",
        "[image/png, 7.3 kB]",
        "**bold** words",
        "[text/html, 1.5 kB]",
        "four",
        "[application/vnd.vegalite.v5+json, 16 bytes]",
        "[image/png, 2.5 MB]",
        "$x^2$",
        "returned",
    ]


def test_printed_text_alone_adds_no_extra_line(capsys):
    with Drawing(everything=True) as drawing:
        drawing.show(result([{"text/plain": "printed\n"}], content=""))

    assert capsys.readouterr().out == "Tool result: printed\n"


HOSTILE = [
    "\x1b]0;owned\x07words",
    "\x1b[2J\x1b[Hwords",
    "\x9b31mwords\x9b2J",
    "\x1bP+q544e\x1b\\words",
    "\x1b]8;;http://evil.example\x1b\\words\x1b]8;;\x1b\\",
    "\x1b[8mwords\x1b[5m",
    "\x1b[999;;38;5mwords\x1b[38;2;1m",
    "wo\x08\x00rds",
    "words\x1b[3",
    "[/red][link=http://evil.example]words",
]


@pytest.mark.parametrize("attack", HOSTILE, ids=ascii)
@pytest.mark.parametrize("live", [False, True])
def test_outputs_cannot_control_the_terminal(attack, live, request, capsys):
    if live:
        request.getfixturevalue("terminal")
    outputs = [{"text/plain": attack}, {"text/latex": attack}, {attack: attack}]
    if "http" not in attack:  # in Markdown it is an ordinary link
        outputs.append({"text/markdown": attack})
    with Drawing(everything=True) as drawing:
        drawing.show(result(outputs, content=attack))

    said = capsys.readouterr().out
    assert "words" in said
    assert not re.search(r"\x1b\[(?:\d*;)*[58](?:;\d*)*m", said), "nothing hides or blinks"
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|\x1b", SGR.sub("", said))
    if attack.startswith("[/red]"):
        assert "[/red][link=http://evil.example]words" in said, "it is shown as what it is"
