"""HTML and Markdown exports: their content. Nothing in them runs or is fetched, whatever an agent wrote."""

import base64
import json
import re
from html import escape
from html.parser import HTMLParser
from itertools import product
from typing import Any

import nbformat
import pytest
from markdown_it import MarkdownIt
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from reasoning_widget.export.html import to_html, to_page
from reasoning_widget.export.markdown import one_line, to_markdown, to_plain
from reasoning_widget.export.notebook import to_notebook
from reasoning_widget.export.reading import read_session
from reasoning_widget.export.saved import folded
from tests.browser.hostile import PAYLOADS
from tests.export.sessions import hand_made, png
from tests.fixtures.make_sessions import SESSIONS

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "h4", "h5", "h6", "div", "p", "em", "strong"),
    *("details", "summary", "b", "pre", "code", "a", "ul", "ol", "li", "blockquote", "hr", "br", "img"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("i", "s", "sub", "sup", "kbd", "span", "u"),
    *("math", "semantics", "annotation", "mrow", "mi", "mn", "mo", "mtext", "msup", "msub", "mspace", "mfrac"),
}
ATTRIBUTES = {
    "style",
    "open",
    "href",
    "class",
    "start",
    "alt",
    "src",
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "title",
    *("display", "encoding", "width", "stretchy", "class", "dir"),
}


class Page(HTMLParser):
    """Collects the elements of a page, and its text with and without styles."""

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self.text = ""
        self._silent = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._silent = tag in ("style", "title")

    def handle_endtag(self, tag):
        self._silent = False

    def handle_data(self, data):
        if not self._silent:
            self.text += data


def hostile(payload):
    state = hand_made(
        {"type": "thought", "content": payload},
        {"type": "tool_use", "content": payload, "tool": {"name": payload, "arguments": payload}},
        {"type": "tool_result", "content": payload, "tool": {"name": payload}, "output": {"text/html": payload}},
        {"type": "tool_result", "content": "", "output": {"image/png": payload, "image/svg+xml": payload}},
        {
            "type": "tool_result",
            "content": "",
            "output": {payload: {"blob": "0", "size": 1}},
            "scaled": {payload: [1, 1]},
        },
        {"type": "final_answer", "content": payload},
        {"type": "error", "content": payload},
        {"type": payload, "content": payload, "status": payload},
        question=payload,
        title=payload,
    )
    asked: Any = {"request_id": "q", "run_id": "r", "step_id": None, "kind": "text", "prompt": payload, "expires": None}
    state["requests"]["q"] = asked | {"closed": {"request_id": "q", "reason": "answered", "value": payload}}
    return state


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_is_text_on_a_page(payload):
    page = Page(to_page(hostile(payload)))

    assert {tag for tag, _ in page.elements} <= TAGS
    for tag, attributes in page.elements:
        assert set(attributes) <= ATTRIBUTES
        assert re.match(r"https?:|mailto:|#|$", attributes.get("href", ""))
        assert "url(" not in attributes.get("style", "")
        assert tag != "img" or attributes["src"].startswith("data:image/svg+xml;base64,")


def assert_dead(markdown):
    """Assert that nothing in the text is markup of a page, is fetched, or runs."""
    tokens = MarkdownIt("commonmark", {"html": True, "maxNesting": 200}).enable("table").parse(markdown)
    flat = [child for token in tokens for child in (token, *(token.children or ()))]
    assert [token.content for token in flat if token.type in ("html_block", "html_inline")] == [], markdown
    pictures = [str(token.attrGet("src")) for token in flat if token.type == "image"]
    assert [picture for picture in pictures if not picture.startswith("attachment:")] == [], markdown
    links = [str(token.attrGet("href")) for token in flat if token.type == "link_open"]
    assert [link for link in links if not re.match(r"https?:|mailto:|#", link)] == [], markdown


def assert_dead_converted(notebook):
    """Assert the same of the cells as nbconvert renders them, whose Markdown dialect differs."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert_dead(cell.source)
            renderer = IPythonRenderer(escape=False, attachments=cell.get("attachments"))
            elements = Page(MarkdownWithMath(renderer=renderer).render(cell.source)).elements
            assert not {tag for tag, _ in elements} & {"script", "iframe", "svg", "object", "form"}, cell.source
            pictures = [attributes["src"] for tag, attributes in elements if tag == "img"]
            assert [picture for picture in pictures if not picture.startswith("data:image/")] == [], cell.source
            assert not [name for _, attributes in elements for name in attributes if name.startswith("on")], cell.source
            links = [attributes.get("href", "#") for _, attributes in elements]
            assert [link for link in links if not re.match(r"https?:|mailto:|#", link)] == [], cell.source


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_is_text_in_markdown_and_notebooks_too(payload):
    assert_dead(to_markdown(hostile(payload)))
    assert_dead_converted(to_notebook(hostile(payload)))


PAIRS = (
    ("<img src=http://evil.invalid/q onerror=alert(1)>", "<script>alert(1)</script>"),
    ("[x]: http://evil.invalid/p.png", "![x] [x] ![x](http://evil.invalid/p.png)"),
    ("[x]: javascript:alert(1)", "\\[x\\](javascript:alert(1)) \\\\[x](javascript:alert(1)) ![x] [x]"),
)
FRAMES = (
    "{}",
    "```\n{}\n```",
    "```\n{}",
    "~~~ {}\n",
    "<pre>\n```\n</pre>\n\n```\n{}\n```\n",
    "<!--\n```\n-->\n{}\n```",
    "- {}\n- ```\n  {}",
    "> {}\n> ```\n{}",
    "> " * 45 + "{}",
    "\t{}",
    "`\u2028\n{}`",
    "`` {} ``",
    "$ ` $ {} `",
    "$$\n\n```\n$$ {}\n```",
    "\\begin{{a}} ``` {}",
    "1. > <i>\n{}",
)


@pytest.mark.parametrize("frame", FRAMES)
def test_hostile_texts_cannot_activate_each_other(frame):
    for other, (first, second) in product(FRAMES, PAIRS):
        before, behind = frame.format(first, first), other.format(second, second)
        state = hand_made(
            {"type": "thought", "content": before},
            {"type": "thought", "content": f"{behind}\n\n{before}"},
            {"type": "tool_use", "content": "", "tool": {"name": before, "arguments": behind}},
            {"type": "final_answer", "content": behind},
            question=before,
            title=behind,
        )
        assert_dead(to_markdown(state))
        assert_dead_converted(to_notebook(state))


def test_harmless_markdown_is_exported_unchanged():
    text = "A [link](https://x.example), `<b>`, a < b\n\n```html\n<script>alert(1)</script>\n```\n\n| a |\n| - |\n| b |"

    assert text in to_markdown(hand_made({"type": "final_answer", "content": text}))


def test_code_keeps_its_markup_beside_hostile_text():
    text = "<b>bold</b>\n\n```html\n<script>alert(1)</script>\n```"

    shown = to_markdown(hand_made({"type": "final_answer", "content": text}))

    assert "&lt;b>bold&lt;/b>" in shown
    assert "```html\n<script>alert(1)</script>\n```" in shown


def test_an_unclosed_fence_does_not_swallow_the_following_text():
    shown = to_markdown(
        hand_made({"type": "thought", "content": "```python\nx"}, {"type": "final_answer", "content": "y"})
    )

    assert "```python\nx\n```\n\n**Final answer**" in shown


def test_the_fragment_is_readable_without_its_styles():
    state = hand_made(
        {"type": "thought", "content": "I **look** it up."},
        {"type": "tool_use", "content": "", "tool": {"name": "search", "arguments": '{"q": 1}'}, "duration": 1.25},
        {"type": "tool_result", "content": "found", "tool": {"name": "search"}, "status": "failed"},
        {"type": "final_answer", "content": "It is *this*."},
    )
    bare = re.sub(r"<style>.*?</style>| style=\"[^\"]*\"", "", to_html(state))
    page = Page(bare)

    for text in (
        "What is it?",
        "Thought",
        "I look it up.",
        "Tool use: search · 1.2 s",
        '"q": 1',
        "found",
        "It is this.",
    ):
        assert text in page.text
    assert "Tool result: search (failed)" in page.text
    assert len([tag for tag, _ in page.elements if tag == "details"]) == 4
    assert len([tag for tag, attributes in page.elements if tag == "details" and "open" in attributes]) == 2


def test_pictures_of_tools_are_shown_and_tables_as_text():
    table = "<table><tr><th>a</th></tr><tr><td>1</td></tr></table><script>x</script>"
    state = hand_made(
        {"type": "tool_result", "content": "", "output": {"image/png": png(4, 4)}},
        {"type": "tool_result", "content": "", "output": {"text/html": table}},
    )
    page = Page(to_html(state))

    assert [attributes["src"] for tag, attributes in page.elements if tag == "img"] == [
        f"data:image/png;base64,{png(4, 4)}"
    ]
    assert "a" in page.text
    assert "1" in page.text
    assert "x</script>" not in to_html(state)


SVG = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><circle r="4"/></svg>'


def test_a_picture_is_in_the_page_and_the_notebook_and_named_in_markdown():
    state = hand_made(
        {"type": "tool_result", "content": "", "output": {"image/png": png(4, 4), "text/plain": "<Figure>"}},
        {"type": "tool_result", "content": "", "output": {"image/svg+xml": SVG}},
    )
    notebook = to_notebook(state)
    nbformat.validate(notebook)
    converted, _ = HTMLExporter().from_notebook_node(notebook)
    drawing = base64.b64encode(SVG.encode()).decode()

    for page in (to_html(state), converted):
        addresses = [attributes.get("src") for tag, attributes in Page(page).elements if tag == "img"]
        assert addresses == [f"data:image/png;base64,{png(4, 4)}", f"data:image/svg+xml;base64,{drawing}"]
    assert "*(a picture, PNG: open the chat to see it)*" in to_markdown(state)
    assert "*(a picture, SVG: open the chat to see it)*" in to_markdown(state)
    assert "```\n\n```" not in to_markdown(state)
    assert "open the chat" not in converted + to_html(state)


@pytest.mark.parametrize(
    ("mime", "value", "name"),
    [
        ("application/vnd.vegalite.v5+json", {"mark": "bar"}, "a Vega-Lite chart"),
        ("application/vnd.vega.v5+json", {"marks": []}, "a Vega chart"),
        ("application/vnd.plotly.v1+json", {"data": []}, "a Plotly chart"),
        ("application/geo+json", {"type": "Point"}, "a map"),
        ("text/html", "<canvas></canvas>", "a page"),
        ("application/x-unheard-of", "x", "application/x-unheard-of"),
        ("image/png", "no picture!", "a picture, PNG"),
    ],
)
def test_outputs_that_cannot_be_shown_are_named(mime, value, name):
    state = hand_made({"type": "tool_result", "content": "", "output": {mime: value}})

    for form in (to_html(state), to_markdown(state), to_notebook(state).cells[-1].source):
        assert f"({name}: open the chat to see it)" in form


def test_a_table_beside_its_text_is_shown_as_text_without_a_note_and_data_as_json():
    output = {"text/html": "<table></table>", "text/plain": "a table", "application/json": {"a": 1}}
    state = hand_made(
        {"type": "tool_result", "content": "", "output": output},
        {"type": "tool_result", "content": "", "output": {"application/json": {"b": [2]}}},
    )

    for form in (to_html(state), to_markdown(state)):
        assert "a table" in form
        assert "open the chat" not in form
    assert '"b": [\n    2\n  ]' in to_markdown(state)


def test_texts_of_five_megabytes_are_drawn_up_to_a_limit():
    long = "<b>x [y](javascript:z) " * 220_000
    state = hand_made(
        {"type": "thought", "content": long},
        {"type": "tool_use", "content": "", "tool": {"name": "t", "arguments": long}},
        {"type": "final_answer", "content": "The end."},
        question=long,
    )

    html, markdown = to_page(state), to_markdown(state)

    assert len(html) < 8_000_000
    assert "more characters are not shown" in html
    assert "The end." in html
    assert len(markdown) < 3_000_000
    assert "The end." in markdown


def test_a_run_whose_prompt_is_missing_is_shown_in_its_place():
    file = next(path for path in SESSIONS.glob("v*-session.json"))
    whole = json.loads(file.read_text("utf-8"))["file"]
    first = next(event for event in whole["events"] if event["type"] == "user_message")
    state = folded(read_session({**whole, "events": [event for event in whole["events"] if event is not first]}).file)
    answers = [step["content"] for step in state["steps"].values() if step["type"] == "final_answer"]

    for form in (to_markdown(state), to_html(state), to_plain(state), nbformat.writes(to_notebook(state))):
        assert "What was asked is missing." in form
        assert answers[0][:5] in form
    assert to_markdown(state).index("is missing") < to_markdown(state).index(answers[0][:5])


def test_requests_and_steering_prompts_are_shown_too():
    state = hand_made({"type": "tool_result", "id": "s", "content": "ok"}, {"type": "final_answer", "content": "Done"})
    request: Any = {
        "request_id": "q",
        "run_id": "r",
        "step_id": "s",
        "kind": "approval",
        "prompt": "Really?",
        "expires": None,
    }
    state["requests"]["q"] = request | {"closed": {"request_id": "q", "reason": "answered", "value": True}}
    hurry: Any = {"id": "n", "content": "Hurry", "run_id": "r", "steered": True, "withdrawn": None}
    state["messages"].append(hurry)

    for form in (to_html(state), to_markdown(state)):
        assert "The agent asked: Really? → approved" in form
        assert "Hurry" in form


ASKED: dict[str, dict[str, Any]] = {
    "before all": {"timestamp": 0.5, "step_id": None},
    "after the thought": {"timestamp": 2.5, "step_id": None},
    "about the call": {"timestamp": None, "step_id": "call"},
    "after the result": {"timestamp": 4.5, "step_id": None},
}


@pytest.mark.parametrize(
    "written",
    [to_html, to_page, to_markdown, lambda state: nbformat.writes(to_notebook(state))],
    ids=["html", "page", "markdown", "notebook"],
)
@pytest.mark.parametrize("closed", ["approved", "denied", "expired", None])
def test_a_request_is_shown_where_the_agent_made_it(written, closed):
    state = hand_made(
        {"type": "thought", "timestamp": 2.0, "content": "Thinking."},
        {"type": "tool_use", "timestamp": 3.0, "id": "call", "content": "", "tool": {"name": "sweep"}},
        {"type": "tool_result", "timestamp": 4.0, "content": "Swept."},
        {"type": "final_answer", "timestamp": 5.0, "content": "Finished."},
    )
    ends: dict[str, dict[str, Any]] = {
        "approved": {"reason": "answered", "value": True},
        "denied": {"reason": "answered", "value": False},
        "expired": {"reason": "expired"},
    }
    for name, place in ASKED.items():
        end = {"request_id": name, **ends[closed]} if closed else None
        request: Any = {
            "request_id": name,
            "run_id": "r",
            "kind": "approval",
            "prompt": f"Is it {name}?",
            "expires": None,
        }
        state["requests"][name] = request | place | {"closed": end}

    form = written(state)

    asked = [f"Is it {name}? → {closed or 'not answered yet'}" for name in ASKED]
    order = [asked[0], "Thinking.", asked[1], "sweep", asked[2], "Swept.", asked[3], "Finished."]
    places = [form.index(each) for each in order]
    assert places == sorted(places)


@pytest.mark.parametrize("around", ["", "a `b` ", "``` ", "x` "])
def test_a_name_with_a_costly_formula_is_code(around):
    """JupyterLab makes formulas even of escaped characters, because it looks for formulas in the drawn text."""
    name = f"{around}$" + "\\frac{1}{" * 300 + "x" + "}" * 300 + "$"
    drawn = MarkdownIt().renderInline(f"**{one_line(name)}**")

    assert drawn == f"<strong><code>{escape(name)}</code></strong>"
