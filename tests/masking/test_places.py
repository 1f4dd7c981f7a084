"""Texts are masked before they are shortened: no part of a secret is left, whatever its position."""

import json
from typing import Any

import pytest

from reasoning_widget.agents.errors import explain, quoted, redact
from reasoning_widget.answer import Answer
from reasoning_widget.masking import shortened
from reasoning_widget.session.prompt import title_of
from reasoning_widget.session.steps import RunSteps
from tests.masking.formats import KEYS, PASSWORD
from tests.masking.test_formats import pieces_left

TOKEN = "ghp_" + "a1B2c3" * 6


def words_of(arguments: str) -> str:
    """Return the text that is logged for a call."""
    run = RunSteps("run", "agent", lambda: 0.0, lambda _sha256, _value: None)
    step: Any = {"type": "tool_use", "content": "", "tool": {"name": "login", "arguments": arguments}}
    (call,) = run.add([step]).snapshots
    return str(call["content"])


@pytest.mark.parametrize("secret", [f'"password": "{PASSWORD}"', f'"x": "{TOKEN}"', f'"c": "curl -u me:{PASSWORD} x"'])
def test_the_text_of_a_call_contains_no_secret_at_any_position(secret):
    for position in range(420):
        words = words_of(f'{{"pad": "{"x" * position}", {secret}, "end": "{"y" * 90}"}}')

        assert pieces_left(PASSWORD, words, 4) == [], position
        assert pieces_left(TOKEN[4:], words, 5) == [], position


@pytest.mark.parametrize("each", KEYS, ids=lambda each: each.name)
def test_no_piece_of_a_secret_is_left_in_a_shortened_text(each):
    for position in {*range(0, 61, 7), 58, 59, 60}:
        short = shortened(f"{'z ' * (position // 2)}\n{each.text}\n{' tail' * 40}", 60)

        assert pieces_left(each.secret, short, 5) == [], position


@pytest.mark.parametrize("secret", [f"password={PASSWORD}", TOKEN, f"postgres://me:{PASSWORD}@h/d"])
def test_titles_representations_and_errors_contain_no_secret_at_any_position(secret):
    for position in range(0, 450, 3):
        said = f"{'x' * position} {secret} {'y' * 450}"
        shown = (
            title_of(said),
            repr(Answer(said, "completed", [], {}, 0.0)),
            explain(RuntimeError(said)),
            quoted(said),
        )

        for text in shown:
            assert pieces_left(PASSWORD, text, 5) == [], position
            assert pieces_left(TOKEN[4:], text, 5) == [], position


@pytest.mark.parametrize("each", KEYS, ids=lambda each: each.name)
def test_errors_contain_no_secret_of_any_format(each):
    assert pieces_left(each.secret, redact(each.text)) == []


def test_a_shortened_text_is_marked():
    assert shortened("a" * 60, 60) == "a" * 60
    assert shortened("a" * 61, 60) == "a" * 60 + "…"
    assert json.loads(json.dumps(shortened("", 60))) == ""
