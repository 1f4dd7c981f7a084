"""Colours of printed text in the exports."""

import re

import pytest

from reasoning_widget.export.html import to_html
from reasoning_widget.export.markdown import to_markdown
from reasoning_widget.fold import Transcript, new_transcript, receive


def printed(text: str) -> Transcript:
    """A transcript of one tool call that printed `text`."""
    state = new_transcript()
    step = {
        "id": "r.0",
        "run_id": "r",
        "index": 0,
        "agent": "a",
        "type": "tool_result",
        "status": "done",
        "iteration": 1,
        "timestamp": 1.0,
        "content": "",
        "tool": {"name": "t"},
        "outputs": [{"text/plain": text}],
    }
    receive(state, {"type": "reasoning_step", "seq": 1, "data": step})
    run = {"run_id": "r", "message_id": "m", "agent_name": "a", "timestamp": 1.0, "enable_reasoning": True}
    state["runs"].append({**run, "status": "completed", "usage": None, "duration": 1.0, "steps": ["r.0"]})
    return state


@pytest.mark.parametrize(
    ("code", "css"),
    [
        ("31", "color:color-mix(in srgb,#c4101f 55%,currentColor)"),
        ("94", "color:color-mix(in srgb,#1769c2 55%,currentColor)"),
        ("38;5;208", "color:color-mix(in srgb,rgb(255 135 0) 55%,currentColor)"),
        ("38;5;244", "color:color-mix(in srgb,rgb(128 128 128) 55%,currentColor)"),
        ("48;2;1;2;3", "background:color-mix(in srgb,rgb(1 2 3) 30%,transparent)"),
        ("1", "font-weight:700"),
        ("4", "text-decoration:underline"),
    ],
)
def test_pages_have_the_colours_of_what_was_printed(code, css):
    assert f'<span style="{css}">words</span> and' in to_html(printed(f"\x1b[{code}mwords\x1b[0m and"))


def test_nothing_that_was_printed_is_markup():
    page = to_html(printed('\x1b[31m<b onclick="x">\x1b[38;5;1;"><i>m</b>'))
    assert not re.search("<(b onclick|i)", page)


def test_markdown_has_the_text_alone():
    text = to_markdown(printed("\x1b[1;31mred\x1b[0m plain"))
    assert "red plain" in text
    assert "[31m" not in text
