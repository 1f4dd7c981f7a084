"""What a server sends is words for a terminal, and never commands."""

from __future__ import annotations

import re

import pytest
import typer

from reasoning_widget import cli
from reasoning_widget.fold import new_transcript
from reasoning_widget.terminal import Drawing, label

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
"""What our own drawing says: colours, the cursor, and clearing what it drew."""


def of(attack):
    """A step, a run and a request of a server that means harm, wherever it may."""
    step = {"id": "s", "run_id": "r", "type": attack, "status": attack, "content": "Hello.", "duration": attack}
    run = {"run_id": "r", "message_id": "m", "agent_name": "a", "status": attack, "steps": ["s"]}
    return step, run


@pytest.mark.parametrize("attack", ATTACKS, ids=repr)
@pytest.mark.parametrize("terminal", [False, True])
def test_types_and_statuses_command_no_terminal(attack, terminal, monkeypatch, capsys):
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
def test_what_a_list_of_sessions_says_commands_no_terminal(attack):
    info = {"id": attack, "updated": 1.0, "messages": attack, "status": attack, "title": "Seas", "snippet": None}
    for cell in cli._row(info):
        assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", cell)


@pytest.mark.parametrize("word", ["done", "max_iterations", "日本語", "a b"])
def test_what_is_a_word_stays_one(word):
    assert label(word) == word


def test_what_a_server_says_of_an_error_commands_no_terminal(capsys):
    with pytest.raises(typer.Exit):
        cli._fail("no such session \x1b]0;owned\x07\x9b31m")
    assert "\x1b]" not in capsys.readouterr().err
