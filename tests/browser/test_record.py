"""Transcripts in the notebook file: they are shown as before when the notebook is reopened without a kernel."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser.accessibility import moving, violations, with_edge
from tests.browser.chat import CHAT_WITH, Chat
from tests.browser.hostile import PAYLOADS
from tests.browser.lab import DARK, LIGHT
from tests.browser.look import contrasts
from tests.browser.test_hostile import DANGEROUS, TOUCH_EVERYTHING
from tests.browser.test_keyboard import tab_to
from tests.browser.test_look import READABLE
from tests.fixtures.make_sessions import SESSIONS

RESEARCHER = 'from reasoning_widget import ReasoningChat\n\nchat = ReasoningChat(agent="researcher")\nchat'

EVERYTHING = """
    from reasoning_widget import ReasoningChat

    PROSE = "Some **bold** `code`, a [link](https://example.org):\\n\\n```python\\n# Twice\\ndef f(x: int):\\n" \\
        "    return f'{x * 2}'\\n```\\n\\n| a | b |\\n| --- | --- |\\n| 1 | 2 |\\n\\n> quoted\\n\\n$x^2$"
    PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    OUTPUT = {"text/plain": "printed", "image/png": PNG, "text/html": "<table><tr><td>June</td></tr></table>"}

    async def everything(prompt):
        find = {"name": "find", "arguments": '{"text": "sun", "count": 3, "deep": true, "in": null}', "call_id": "c"}
        plot = {"name": "plot", "arguments": "not JSON", "call_id": "d"}
        yield {"type": "thought", "content": PROSE, "duration": 1.25, "usage": {"input_tokens": 9, "output_tokens": 4}}
        yield {"type": "tool_use", "content": "", "tool": find, "id": "use"}
        yield {"type": "thought", "content": "from within", "parent_id": "use", "agent": "helper"}
        yield {"type": "tool_result", "content": '{"found": ["here", "there"], "number": 2}', "tool": find}
        yield {"type": "tool_use", "content": "", "tool": plot, "iteration": 2}
        yield {"type": "tool_result", "content": "", "tool": plot, "output": OUTPUT, "iteration": 2}
        yield {"type": "final_answer", "content": PROSE, "iteration": 2}
        if prompt == "fail":
            raise ValueError("The well is dry.")

    chat = ReasoningChat(agent=everything)
    chat
"""

SESSION_MIME = "application/vnd.reasoning-widget.session.v1+json"
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"

_UNFOLD = """root => root.querySelectorAll("[aria-expanded=false]").forEach(fold => fold.click())"""
_ALL_OPEN = """root => root.querySelector("[aria-expanded=false]") === null"""
_WORDS = """root => [...root.querySelectorAll("article, .rw-question, .rw-run-footer")].map(part => ({
    name: part.ariaLabel, type: part.dataset.stepType, status: part.dataset.status, text: part.innerText,
    pictures: [...part.querySelectorAll("img")].map(picture => picture.src),
    formulas: part.querySelectorAll("math").length,
}))"""


def words(chat: Chat) -> list[dict[str, Any]]:
    """All text of a chat with every card open: questions, cards, and the end of each run."""
    chat.region.evaluate(_UNFOLD)
    handle = chat.region.element_handle()
    chat.region.page.wait_for_function(_ALL_OPEN, arg=handle)
    for formula in chat.region.locator("[data-rw-math]").all():
        expect(formula.locator("math")).to_be_visible()
    said: list[dict[str, Any]] = chat.region.evaluate(_WORDS)
    return said


class Record(NamedTuple):
    """A notebook file, and the text of its two outputs when they were live."""

    path: Path
    chat: list[dict[str, Any]]
    run: list[dict[str, Any]]


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    return {}


@pytest.fixture
def record(lab, recorded):
    """A conversation with steps of every type and a question that a cell asked. It is recorded once."""
    if not recorded:
        notebook = lab.open(EVERYTHING, "_ = chat.ask('from a cell')")
        chat = notebook.open_chat()
        chat.ask("fail")
        notebook.wait_for_saved("The well is dry.")
        notebook.run(1)
        chat.expect_ready()
        recorded["seen"] = words(chat), words(notebook.chat(1))
        notebook.save()
        recorded["file"] = notebook.path.read_bytes()
        notebook.close()
    path = lab.folder / "record.ipynb"
    path.write_bytes(recorded["file"])
    return Record(path, *recorded["seen"])


def test_a_saved_transcript_is_identical_without_a_kernel(lab, record):
    assert [part["type"] for part in record.chat if part["type"]].count("error") == 1
    assert len(record.chat) == 10 + 9

    notebook = lab.open_without_kernel(record.path)
    assert words(notebook.chat(0)) == record.chat
    assert words(notebook.chat(1)) == record.run
    expect(notebook.page.get_by_role("textbox", name="Message")).to_have_count(0)


def test_a_saved_transcript_is_identical_in_notebook_7(window, jupyter, record):
    page = window.new_page()
    page.goto(f"{jupyter.origin}/notebooks/{record.path.relative_to(jupyter.root).as_posix()}?token={jupyter.token}")
    regions = page.locator(".jp-Notebook").get_by_role("region", name=CHAT_WITH)
    expect(regions).to_have_count(2)
    assert words(Chat(regions.nth(0))) == record.chat
    assert words(Chat(regions.nth(1))) == record.run


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_axe_finds_nothing_in_a_saved_transcript_and_every_text_is_readable(lab, record, theme):
    notebook = lab.open_without_kernel(record.path, theme)
    words(notebook.chat(0))
    output = notebook.output(0).locator(".rw-session")
    output.get_by_role("searchbox").fill("sun")
    expect(output.get_by_role("status")).to_have_text("1 of 2")
    assert violations(output) == []
    assert [(text, ratio) for text, ratio in contrasts(output) if ratio < READABLE] == []


def test_a_saved_transcript_does_not_move_and_shows_card_edges_in_forced_colours(lab, record):
    notebook = lab.open_without_kernel(record.path)
    words(notebook.chat(0))
    output = notebook.output(0).locator(".rw-session")
    assert moving(output) == []
    notebook.page.emulate_media(forced_colors="active")
    edges = with_edge(output)
    assert len(edges) == 15
    assert all(edges)
    assert violations(output) == []


def test_a_saved_transcript_is_folded_and_searched_with_the_keyboard_only(lab, record):
    notebook = lab.open_without_kernel(record.path)
    page, keyboard = notebook.page, notebook.page.keyboard
    chat, find = notebook.chat(0), notebook.output(0).get_by_role("searchbox", name="Find in the transcript")
    expect(chat.cards).to_have_count(15)
    notebook.select(0)
    tab_to(page, chat.fold("Thought"))
    keyboard.press("Enter")
    expect(chat.fold("Thought")).to_have_attribute("aria-expanded", "true")
    expect(chat.card("Thought")).to_contain_text("quoted")
    keyboard.press("Space")
    expect(chat.fold("Thought")).to_have_attribute("aria-expanded", "false")

    tab_to(page, find)
    keyboard.type("sun")
    count = notebook.output(0).get_by_role("status")
    expect(count).to_have_text("1 of 2")
    chat.expect_cards("Tool use", "Tool use")
    expect(chat.card("Tool use").get_by_text("sun")).to_be_visible()
    keyboard.press("Enter")
    expect(count).to_have_text("2 of 2")
    keyboard.press("Shift+Enter")
    expect(count).to_have_text("1 of 2")
    keyboard.press("Escape")
    expect(chat.cards).to_have_count(15)
    expect(find).to_be_focused()


def test_a_page_reloaded_during_a_run_saves_the_whole_run(lab, model, story):
    notebook = lab.open(RESEARCHER)
    chat = notebook.open_chat()
    chat.ask("Tell me a story")
    model.open("thinking")
    expect(chat.card("Final answer")).to_contain_text("Once upon")
    notebook.save()
    notebook.reload()
    expect(chat.card("Final answer")).to_have_attribute("data-status", "streaming")
    model.open("answering")
    expect(chat.card("Final answer")).to_contain_text("Once upon a time.")
    chat.expect_ready()
    live = words(chat)
    assert [part["type"] for part in live] == [None, "thought", "tool_use", "tool_result", "final_answer", None]
    notebook.wait_for_saved("Once upon a time.")
    notebook.save()
    notebook.close()

    assert words(lab.open_without_kernel(notebook.path).chat(0)) == live


@pytest.mark.parametrize("end", ["shut down", "restarted"])
def test_a_run_interrupted_by_the_end_of_its_kernel_is_saved_as_shown(lab, model, story, end):
    notebook = lab.open(RESEARCHER)
    chat = notebook.open_chat()
    chat.ask("Tell me a story")
    expect(chat.card("Thought")).to_contain_text("Which")
    notebook.save()
    notebook.reload()
    expect(chat.stop).to_be_enabled()
    model.open("thinking")
    expect(chat.card("Final answer")).to_contain_text("Once upon")
    chat.fold("Tool use").click()
    if end == "shut down":
        notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    else:
        notebook.restart()
    notebook.wait_for_saved("The run ended: interrupted.")
    expect(chat.message).to_have_count(0)
    if end == "shut down":
        expect(chat.fold("Tool use")).to_be_focused()
    seen = words(chat)
    assert [part["type"] for part in seen] == [None, "thought", "tool_use", "tool_result", "final_answer", None]
    assert "Once upon" in seen[-2]["text"]
    assert seen[-2]["status"] == "stopped"
    assert seen[-1]["text"].startswith("Interrupted")
    notebook.save()
    notebook.page.close()

    assert words(lab.open_without_kernel(notebook.path).chat(0)) == seen


LONG = """
    from reasoning_widget import ReasoningChat
    async def long(prompt):
        for number in range(12):
            yield {"type": "thought", "content": f"Thought number {number}. " * 60}
        yield {"type": "final_answer", "content": "It is said.\\n\\n" * 60}
    ReasoningChat(agent=long)
"""

# Each frame after its layout, just before it is painted.
_WATCH = """() => {
    window.frames_seen = [];
    const shown = selector => [...document.querySelectorAll(selector)].filter(each => each.checkVisibility());
    const look = () => frames_seen.push(JSON.stringify({
        cards: shown(".jp-Notebook article").length,
        open: shown(".jp-Notebook article .rw-card-body").length,
        top: shown(".rw-scroller").map(scroller => scroller.scrollTop),
        place: shown("article").slice(3, 4).map(card => card.getBoundingClientRect().top),
        notebook: document.querySelector(".jp-WindowedPanel-outer").scrollTop,
    }));
    const next = () => {
        const observer = new ResizeObserver(() => (observer.disconnect(), look()));
        observer.observe(document.body);
        requestAnimationFrame(next);
    };
    next();
}"""
_SEEN = "() => [...new Set(window.frames_seen)]"
_SCROLL = "scroller => (scroller.scrollTop = 300)"
BUSY = "import threading\n\nthreading.Event().wait()"


@pytest.mark.parametrize("end", ["restarted", "died"])
def test_switching_between_saved_and_live_neither_flickers_nor_scrolls(lab, end):
    notebook = lab.open(LONG, "import os; print(os.getpid())")
    page = notebook.page
    chat = notebook.open_chat()
    chat.ask("go")
    chat.expect_ready()
    notebook.wait_for_saved("Thought number 11.")
    pid = int(notebook.run(1).inner_text())
    notebook.write_in(1, BUSY)
    notebook.start(1)
    expect(notebook.prompt(1)).to_have_text("[*]:")
    notebook.select(0)
    notebook.save()
    page.reload()
    notebook.drawn()
    session = page.locator(".rw-session")
    expect(session).to_have_attribute("data-mode", "saved")
    expect(chat.cards).to_have_count(13)
    chat.fold("Thought").click()
    chat.region.get_by_role("region", name="Conversation").evaluate(_SCROLL)
    page.evaluate(_WATCH)
    notebook.interrupt()
    expect(session).to_have_attribute("data-mode", "live")
    expect(chat.message).to_be_editable()
    expect(chat.fold("Thought")).to_be_focused()
    if end == "restarted":
        notebook.restart()
    else:
        os.kill(pid, signal.SIGKILL)
        page.get_by_role("dialog").get_by_role("button", name="Ok").click()
    expect(session).to_have_attribute("data-mode", "saved")
    notebook.ready()
    (seen,) = map(json.loads, page.evaluate(_SEEN))
    assert (seen["cards"], seen["open"], seen["top"]) == (13, 2, [300])


def test_a_conversation_is_resumed_when_its_cell_runs_after_a_restart(lab, model):
    cell = """
        from reasoning_widget import ReasoningChat
        ReasoningChat(agent="assistant", session_id="kept", resume=True)
    """
    notebook = lab.open(cell)
    chat = notebook.open_chat()
    chat.ask("My name is Ada")
    notebook.wait_for_saved("Very well.")
    chat.expect_ready()
    before = words(chat)
    notebook.restart()
    expect(chat.message).to_have_count(0)
    assert words(chat) == before
    notebook.open_chat()
    assert words(chat) == before
    model.script("Who am I?", ["You are Ada."])
    chat.ask("Who am I?")
    chat.expect_ready()
    chat.expect_cards("Final answer", "Final answer")
    assert "My name is Ada" in str(model.requests[-1].messages)


def test_a_notebook_opened_without_a_kernel_becomes_live_with_one(lab, record):
    notebook = lab.open_without_kernel(record.path)
    page = notebook.page
    expect(notebook.chat(0).cards).to_have_count(15)
    page.evaluate(_WATCH)
    page.get_by_role("button", name="No Kernel").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Select Kernel").click()
    notebook.ready()
    assert len(page.evaluate(_SEEN)) == 1

    notebook.run(0)
    chat = notebook.open_chat()
    chat.ask("Two cards")
    chat.expect_ready()
    expect(notebook.output(0).locator("[data-mode]")).to_have_attribute("data-mode", "live")


SECRETIVE = """
    import base64, io
    from PIL import Image
    from reasoning_widget import ReasoningChat

    KEY = "sk-" + "a1b2c3d4" * 5
    PICTURE = io.BytesIO()
    Image.new("RGB", (1600, 1200), "teal").save(PICTURE, "PNG")
    OUTPUT = {"image/png": base64.b64encode(PICTURE.getvalue()).decode(), "text/html": f"<p>{'long ' * 9000}</p>"}

    async def secretive(prompt):
        tool = {"name": "look", "arguments": f'{{"key": "{KEY}"}}', "call_id": "c"}
        yield {"type": "tool_use", "content": "", "tool": tool}
        yield {"type": "tool_result", "content": "far " * 2500, "tool": tool}
        yield {"type": "tool_result", "content": "done", "tool": tool, "output": OUTPUT}
        yield {"type": "final_answer", "content": f"The key is {KEY}."}
"""


def test_secrets_and_long_values_are_replaced_by_notes_in_the_file(lab):
    notebook = lab.open(SECRETIVE, "ReasoningChat(secretive)", "ReasoningChat(secretive, save=False)")
    notebook.run(0)
    for number in (1, 2):
        chat = notebook.open_chat(number)
        chat.ask("go")
        chat.expect_ready()
        expect(chat.card("Final answer")).to_contain_text("sk-a1b2")
    notebook.wait_for_saved("The key is [masked: API key].")
    saved = notebook.save()
    assert "sk-a1b2" not in notebook.path.read_text().replace('"sk-"', "")
    assert "far" not in str(saved.cells[2].outputs)
    assert saved.cells[2].outputs[0].data["text/plain"].endswith("(not saved: save=False)")
    notebook.close()

    notebook = lab.open_without_kernel(notebook.path)
    chat = notebook.chat(1)
    words(chat)
    expect(chat.card("Tool use")).to_contain_text("[masked: API key]")
    expect(chat.card("Tool result")).to_contain_text("2,000 more characters were cut")
    expect(chat.card("Tool result", 1)).to_contain_text("it was 1600 by 1200 pixels")
    expect(chat.card("Tool result", 1).get_by_role("img")).to_be_visible()
    expect(chat.card("Final answer")).to_contain_text("The key is [masked: API key].")
    expect(notebook.output(2)).to_have_text("This conversation was not saved (save=False).", use_inner_text=True)


SMALL: Any = {"width": 900, "height": 1400}
HOST = """<!doctype html><html lang="en"><title>A host</title><meta charset="utf-8">
<style>:root { color-scheme: light dark } body { background: Canvas; color: CanvasText }</style><body>"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("styles", ["as they are", "stripped"])
def test_on_other_sites_the_saved_page_is_readable_with_and_without_styles(browser, record, tmp_path, scheme, styles):
    data = nbformat.read(record.path, as_version=4).cells[0].outputs[0].data
    html = data["text/html"]
    if styles == "stripped":
        html = re.sub(r"<style>.*?</style>| style=\"[^\"]*\"", "", html)
        assert "style" not in html
    file = tmp_path / "page.html"
    file.write_text(HOST + html, encoding="utf-8")
    with contextlib.closing(
        browser.new_context(color_scheme=scheme, viewport={"width": 900, "height": 1400})
    ) as window:
        page = window.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        for step in page.locator("details").all():
            was = step.get_attribute("open")
            step.locator("summary").click()
            assert step.get_attribute("open") != was
            if was is not None:
                step.locator("summary").click()
        shown = set(re.findall(r"\w+", page.locator("body").inner_text()))
        assert page.locator("details").count() == 15
        for event in data[SESSION_MIME]["events"]:
            texts = [event["data"].get("content", ""), event["data"].get("tool", {}).get("arguments", "")]
            text = re.sub(r"\]\(\S+\)|```\w+", "", "\n".join(texts))  # the targets of links and the names of languages
            assert set(re.findall(r"\w+", text)) - shown == set()
        assert "printed" in shown
        assert page.locator("img").evaluate_all("all => all.every(picture => picture.naturalWidth > 0)")
        assert page.locator("script").count() == 0
        assert [(text, ratio) for text, ratio in contrasts(page.locator("body")) if ratio < READABLE] == []
        assert violations(page.locator("body > div")) == []
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def bundle(events: list[Any], **more: Any) -> dict[str, Any]:
    """The data of an output whose session has these events, numbered in order."""
    numbered = [
        {**event, "seq": number} if isinstance(event, dict) else event for number, event in enumerate(events, 1)
    ]
    name = f"s{len(numbered)}"
    file = {"format": "reasoning-widget.session", "version": 1, "session_id": name, "epoch": name, "events": numbered}
    return {
        SESSION_MIME: {**file, **more},
        WIDGET_MIME: {"model_id": "none"},
        "text/html": "<img src=x onerror=hit(99)>",
    }


def event(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data}


def step(kind: str, content: str, **data: Any) -> dict[str, Any]:
    return event("reasoning_step", run_id="r", type=kind, content=content, iteration=1, timestamp=1.0, **data)


BEGUN = [
    event("user_message", id="m", content="Why?"),
    event("run_started", run_id="r", message_id="m", agent_name="a"),
]
TEXT = "\n\n".join(PAYLOADS)
COVER = '<style>* { position: fixed; inset: 0 }</style><div style="position:fixed;inset:0;z-index:9999">cover</div>'
LONG_TEXT = "5 MB " * 1_000_000
SPOILT = [
    {SESSION_MIME: '{"format": "reasoning-widget.session", "version": 1, "events": [{"ty'},
    bundle([*BEGUN, step("thought", "It was", id="1", status="streaming"), {"type": "reasoning_step"}]),
    bundle([*BEGUN, step("thought", "Known", id="1"), event("mood", good=True)], version=99),
    bundle(
        [*BEGUN, 7, step("tool_use", "Called", id=3, tool="x", output=[], usage=1, status={}), event("run_finished")]
    ),
    bundle(
        [
            event("user_message", id="m", content=PAYLOADS[0]),
            event("run_started", run_id="r", message_id="m", agent_name=PAYLOADS[4]),
            step("thought", TEXT + COVER, id="1", agent=PAYLOADS[4]),
            step("tool_use", TEXT, id="2", tool={"name": PAYLOADS[4], "arguments": json.dumps(PAYLOADS)}),
            step(
                "tool_result",
                TEXT,
                id="3",
                tool={"name": "x"},
                output={"text/html": TEXT + COVER, "image/svg+xml": TEXT, "application/javascript": "hit(100)"},
            ),
            step("error", TEXT, id="4"),
            step("final_answer", TEXT + COVER, id="5"),
            step(PAYLOADS[4], TEXT, id=PAYLOADS[4]),
            event(PAYLOADS[4], text=TEXT),
        ],
    ),
    bundle(
        [
            *BEGUN,
            step("tool_use", "", id="1", tool={"name": LONG_TEXT, "arguments": LONG_TEXT}),
            step("tool_result", LONG_TEXT, id="2", output={"text/plain": LONG_TEXT, "text/html": LONG_TEXT}),
            step("final_answer", LONG_TEXT, id="3"),
        ],
        session_id=LONG_TEXT,
    ),
]


def test_a_notebook_of_an_earlier_version_is_shown_as_before(lab):
    golden = [json.loads(path.read_text("utf-8")) for path in sorted(SESSIONS.glob("*.json"))]
    path = lab.write(*("pass" for _ in golden))
    file = nbformat.read(path, as_version=4)
    for cell, written in zip(file.cells, golden, strict=True):
        data = {SESSION_MIME: written["file"], WIDGET_MIME: {"model_id": "none"}}
        cell.outputs = [nbformat.v4.new_output("display_data", data)]
    nbformat.write(file, path)
    notebook = lab.open_without_kernel(path)

    for number, written in enumerate(golden):
        chat, state = notebook.chat(number), written["state"]
        plain = {run["run_id"] for run in state["runs"] if not run["enable_reasoning"]}
        steps = [
            step for step in state["steps"].values() if step["run_id"] not in plain or step["type"] == "final_answer"
        ]
        expect(chat.cards).to_have_count(len(steps))
        chat.region.evaluate(_UNFOLD)
        for step in steps:
            card = chat.region.locator(f'[data-step-id="{step["id"]}"]')
            expect(card).to_have_attribute("data-step-type", step["type"])
            said = step["tool"]["name"] if step["type"] == "tool_use" else step["content"]
            for word in re.findall(r"\w+", said.partition("$")[0]):
                expect(card).to_contain_text(word)
        for message in state["messages"]:
            expect(chat.region).to_contain_text(message["content"])
        for request in state["requests"].values():
            expect(chat.region).to_contain_text(request["prompt"])
        expect(notebook.output(number).get_by_role("note")).to_have_count(0)


def test_a_truncated_edited_or_hostile_file_is_shown_as_far_as_possible_and_runs_nothing(lab, window):
    path = lab.write(*("pass" for _ in SPOILT))
    file = nbformat.read(path, as_version=4)
    for cell, data in zip(file.cells, SPOILT, strict=True):
        cell.outputs = [nbformat.v4.new_output("display_data", data)]
    nbformat.write(file, path)
    happened: list[object] = []

    def dismiss(dialog: Dialog) -> None:
        happened.append(dialog.message)
        dialog.dismiss()

    def listen(page: Page) -> None:
        page.expose_function("hit", lambda number: happened.append(number))
        page.on("dialog", dismiss)

    notebook = lab.open_without_kernel(path, prepare=listen)
    page = notebook.page

    expect(notebook.output(0)).to_have_text("This output is not a transcript that can be read.", use_inner_text=True)
    expect(notebook.output(1)).to_contain_text("One event cannot be read and is left out.")
    expect(notebook.chat(1).card("Thought")).to_contain_text("It was")
    expect(notebook.chat(1).region).to_contain_text("Interrupted")
    expect(notebook.output(2)).to_contain_text(
        "This was saved by a later version. This version may not show all of it."
    )
    expect(notebook.chat(2).card("Thought")).to_contain_text("Known")
    expect(notebook.output(2)).to_contain_text("mood")
    expect(notebook.output(3)).to_contain_text("2 events cannot be read and are left out.")
    expect(notebook.chat(3).cards).to_have_count(1)
    expect(notebook.chat(5).card("Final answer")).to_contain_text("characters were cut")

    for number in range(1, len(SPOILT)):
        notebook.chat(number).region.evaluate(_UNFOLD)
    poisoned = notebook.chat(4)
    for name in ("Thought", "Tool use", "Tool result", "Final answer", "Error"):
        expect(poisoned.card(name)).to_contain_text("hit(")
    poisoned.region.evaluate(TOUCH_EVERYTHING)
    assert poisoned.region.evaluate(DANGEROUS) == []
    assert page.locator(".rw-session :is(script, iframe, object, embed, style, link)").count() == 0
    placed = "all => all.filter(each => getComputedStyle(each).position === 'fixed').length"
    assert page.locator(".rw-session *").evaluate_all(placed) == 0
    page.get_by_role("menuitem", name="File", exact=True).click(trial=True)

    # A picture at another address is a link, which the reader may follow.
    window.route("http://far-away.invalid/**", lambda route: route.fulfill(body="fetched"))
    assert lab.requests_to_others == []
    with window.expect_page() as opened:
        poisoned.region.get_by_role("link", name="[a picture]").first.click()
    expect(opened.value.get_by_text("fetched")).to_be_visible()
    window.unroute_all()
    assert happened == []
