"""Colours of printed text in the exports."""

import re
from typing import Any

import pytest

from reasoning_widget.export.colours import MIN_CONTRAST, contrast, css_of, css_of_block, parsed
from reasoning_widget.export.html import to_html, to_page
from reasoning_widget.export.markdown import to_markdown, to_plain
from reasoning_widget.fold import Transcript, new_transcript, receive
from reasoning_widget.printed import coloured

SOME = (0, 90, 150, 255)


def rules(css: str) -> dict[str, str]:
    """Return the rules of a style by name."""
    return dict(rule.split(":", 1) for rule in css.split(";") if rule)


def printed(text: str, content: str = "", kind: str = "tool_result") -> Transcript:
    """Return a transcript of one step that printed `text`, or of a tool call that did."""
    state = new_transcript()
    step = {
        "id": "r.0",
        "run_id": "r",
        "index": 0,
        "agent": "a",
        "type": kind,
        "status": "done",
        "iteration": 1,
        "timestamp": 1.0,
        "content": content,
        "tool": {"name": "t"},
        "outputs": [{"text/plain": text}],
    }
    receive(state, {"type": "reasoning_step", "seq": 1, "data": step})
    run: Any = {"run_id": "r", "message_id": "m", "agent_name": "a", "timestamp": 1.0, "enable_reasoning": True}
    state["runs"].append(run | {"status": "completed", "usage": None, "duration": 1.0, "steps": ["r.0"]})
    return state


@pytest.mark.parametrize(
    ("code", "css"),
    [
        ("31", "color:#c4101f"),
        ("94", "color:#1769c2"),
        ("38;2;120;0;60", "color:#78003c"),
        ("97;41", "color:#ffffff;background-color:#cd0000"),
        ("30;42", "color:#000000;background-color:#00cd00"),
        ("48;2;1;2;3", "color:#ffffff;background-color:#010203"),
        ("7", "color:#ffffff;background-color:#1f2328"),
        ("7;31", "color:#ffffff;background-color:#cd0000"),
        ("1", "font-weight:700"),
        ("4", "text-decoration:underline"),
        ("4;9", "text-decoration:underline line-through"),
    ],
)
def test_pages_have_the_colours_of_the_printed_text(code, css):
    assert f'<span style="{css}">words</span> and' in to_html(printed(f"\x1b[{code}mwords\x1b[0m and"))


SIXTEEN = [*range(30, 38), *range(90, 98)]
OTHERS = [*(f"5;{index}" for index in range(256)), *(f"2;{r};{g};{b}" for r in SOME for g in SOME for b in SOME)]
INKS = [*map(str, SIXTEEN), *(f"38;{colour}" for colour in OTHERS)]
GROUNDS = [*(str(code + 10) for code in SIXTEEN), *(f"48;{colour}" for colour in OTHERS[::7])]


@pytest.mark.parametrize("styles", ["", "1;", "2;", "7;", "2;7;"])
def test_every_text_colour_is_legible_on_every_background(styles):
    """The page's background does not matter: coloured text has its own."""
    codes = [*INKS, *GROUNDS, *(f"{ink};{ground}" for ink in INKS[::6] for ground in GROUNDS), "0"]
    illegible = []
    for code in codes:
        ((_, look),) = coloured(f"\x1b[{styles}{code}mx")
        paper = css_of_block([look])
        found = {**rules(paper), **rules(css_of(look))}
        if paper and contrast(parsed(found["color"]), parsed(found["background-color"])) < MIN_CONTRAST:
            illegible.append(code)

    assert illegible == []


def test_text_without_colours_uses_those_of_the_page():
    assert 'background:none">plain' in to_html(printed("plain"))
    assert 'background:none"><span style="font-weight:700">bold' in to_html(printed("\x1b[1mbold"))


def test_jupyters_sanitizer_allows_the_styles():
    """`js/test/lab/sanitizer.test.ts` checks with JupyterLab's own sanitizer that it allows these."""
    page = to_html(printed("\x1b[1;3;4;9;2;38;5;208;48;5;17mx\x1b[0m \x1b[7my"))
    (style,) = re.findall(r'<pre style="([^"]*)"', page)
    for rule in [style, *re.findall(r'<span style="([^"]*)"', page)]:
        for name, value in rules(rule).items():
            assert re.fullmatch(r"#[0-9a-f]{6}|[a-z0-9 -]+", value), (name, value)


def test_printed_text_is_not_markup():
    page = to_html(printed('\x1b[31m<b onclick="x">\x1b[38;5;1;"><i>m</b>'))
    assert not re.search("<(b onclick|i)", page)


LEFT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|\[[\d;?]*[A-Za-z]")
ESCAPES = [
    "\x1b[1;31mred\x1b[0m plain",
    "\x1b[38;2;1;2;3mred\x1b[m plain",
    "\x1b]8;;http://example.org\x1b\\red\x1b]8;;\x1b\\ plain",
    "\x1b]0;title\x07red plain",
    "\x1b[2K\x1b[?25lred\x1b[?25h plain",
    "\x9b31mred\x9b0m plain",
    "\x1b(Bred plain\x1b[3",
]


@pytest.mark.parametrize("text", ESCAPES, ids=ascii)
@pytest.mark.parametrize("write", [to_markdown, to_html, to_page, to_plain])
@pytest.mark.parametrize("kind", ["tool_result", "final_answer", "thought", "error"])
def test_no_export_contains_an_escape_code(text, write, kind):
    """Neither from what a tool printed or returned, nor from the text of an agent."""
    state = printed(text, content=text, kind=kind)
    asked: Any = {"id": "m", "content": text, "timestamp": 1.0, "run_id": "r", "steered": False, "withdrawn": None}
    state["messages"].append(asked)
    written = write(state)

    assert "red" in written
    assert LEFT.findall(re.sub("<[^>]*>", "", written)) == []
