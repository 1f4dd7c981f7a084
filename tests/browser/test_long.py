"""In a long transcript, only the visible part is laid out, unnoticed by the reader."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest
from playwright.sync_api import expect

from reasoning_widget.export.log import SESSION_MIME
from reasoning_widget.export.saved import SavedTranscript, Saver
from tests.session.manual import ask, open_session

QUESTIONS = 40


def long_session():
    """The saved session of questions with answers of different heights."""
    with ThreadPoolExecutor() as elsewhere:  # Playwright's event loop runs in this thread
        return elsewhere.submit(asyncio.run, _long_session()).result()


async def _long_session():
    session, runner = open_session()
    for number in range(QUESTIONS):
        ask(session, f"Question {number}", f"m{number}")
        runner.run.emit({"type": "thought", "content": "Hm."})
        runner.run.emit({"type": "final_answer", "content": "\n\n".join([f"Answer {number}"] * (1 + number % 9))})
        runner.run.end()
    return Saver(SavedTranscript(), session.blob).file(session.state, session.events_after(0))


@pytest.fixture
def long_notebook(lab):
    path = lab.write("chat")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].outputs = [
        nbformat.v4.new_output("display_data", {SESSION_MIME: long_session(), "text/plain": "a chat"})
    ]
    nbformat.write(notebook, path)
    return path


SCROLLS = """() => [...document.querySelectorAll(".jp-OutputArea-output *")].filter((each) => {
    const { overflowY } = getComputedStyle(each);
    return ["auto", "scroll"].includes(overflowY) && each.scrollHeight > each.clientHeight + 1;
}).length"""
"""The number of elements in the outputs that scroll on their own."""


LAID_OUT = """most => {
    const runs = [...document.querySelectorAll(".rw-run")];
    return runs.filter((run) => run.checkVisibility({ contentVisibilityAuto: true })).length < most;
}"""


def test_a_saved_transcript_opens_at_its_first_question_and_the_page_scrolls(lab, long_notebook):
    notebook = lab.open_without_kernel(long_notebook)
    page = notebook.page
    page.wait_for_function("count => document.querySelectorAll('.rw-question').length === count", arg=QUESTIONS)
    expect(page.locator(".rw-question").first).to_be_in_viewport()
    assert page.evaluate(SCROLLS) == 0
    page.locator(".rw-question").last.scroll_into_view_if_needed()
    expect(page.locator(".rw-question").last).to_be_in_viewport()
    assert page.evaluate(SCROLLS) == 0


@pytest.mark.parametrize("after_a_reload", [False, True])
def test_a_cells_answer_opens_at_its_question_and_the_page_scrolls(lab, after_a_reload):
    code = """
        from reasoning_widget import ReasoningChat
        async def long(prompt):
            yield {"type": "tool_result", "tool": {"name": "t"}, "content": "line\\n" * 90, "status": "failed"}
            yield {"type": "final_answer", "content": "It is said.\\n\\n" * 90}
        chat = ReasoningChat(long)
        answer = chat.ask("What is said?")
    """
    notebook = lab.open(code)
    notebook.run(0)
    chat = notebook.chat(0)
    expect(chat.card("Final answer")).to_contain_text("It is said.")
    if after_a_reload:
        notebook.wait_for_saved("It is said.")
        notebook.save()
        notebook.page.reload()
        notebook.drawn()
        expect(chat.card("Final answer")).to_contain_text("It is said.")
    question = chat.region.get_by_role("group", name="You")
    if not after_a_reload:
        question.scroll_into_view_if_needed()
    expect(question).to_be_in_viewport()
    assert notebook.page.evaluate(SCROLLS) == 0


def test_a_long_transcript_is_complete_and_can_be_searched(lab, long_notebook):
    notebook = lab.open_without_kernel(long_notebook)
    page = notebook.page
    page.wait_for_function("count => document.querySelectorAll('.rw-question').length === count", arg=QUESTIONS)
    page.wait_for_function(LAID_OUT, arg=QUESTIONS // 2)
    words = page.locator(".rw-turns").text_content() or ""
    assert all(f"Question {number}" in words and f"Answer {number}" in words for number in range(QUESTIONS))
    page.get_by_role("searchbox", name="Find in the transcript").fill("answer 3")
    page.wait_for_function("() => document.querySelectorAll('.rw-turn').length === 11")


TO_THE_END = """async () => {
    const scroller = document.querySelector(".jp-WindowedPanel-outer");
    const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const ahead = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    for (; ahead() > 1; await frame()) scroller.scrollBy(0, ahead());
}"""


SCROLL_UP = """async () => {
    const scroller = document.querySelector(".jp-WindowedPanel-outer");
    const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const edge = scroller.getBoundingClientRect();
    const moves = [];
    while (scroller.scrollTop > 300) {
        const seen = [...document.querySelectorAll(".rw-turn")].findLast((turn) => {
            const { top } = turn.getBoundingClientRect();
            return top >= edge.top && top + 300 < edge.bottom;
        });
        const before = seen?.getBoundingClientRect().top;
        scroller.scrollBy(0, -200);
        await frame();
        if (seen) moves.push(Math.round(seen.getBoundingClientRect().top - before));
    }
    return moves;
}"""


def test_scrolling_does_not_jump_and_keeps_the_selection(lab, long_notebook):
    notebook = lab.open_without_kernel(long_notebook)
    page = notebook.page
    page.wait_for_function("count => document.querySelectorAll('.rw-question').length === count", arg=QUESTIONS)
    last = page.locator(".rw-question").last
    page.evaluate(TO_THE_END)
    expect(last).to_be_in_viewport()
    last.select_text()
    page.locator(".rw-turn").nth(-2).get_by_role("button", name="Final answer").first.focus()
    moves = page.evaluate(SCROLL_UP)
    assert len(moves) > 20
    assert set(moves) <= {199, 200, 201}
    assert page.evaluate("() => getSelection().toString()") == f"Question {QUESTIONS - 1}"
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')").startswith("Final answer")


def test_the_table_of_contents_lists_no_headings_of_a_transcript(lab):
    path = lab.write("page", "chat")
    notebook = nbformat.read(path, as_version=4)
    file = long_session()
    for cell, heading, more in zip(notebook.cells, ("Readings", "Answer"), ({}, {SESSION_MIME: file}), strict=True):
        cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": f"<h2>{heading}</h2>", **more})]
    nbformat.write(notebook, path)
    opened = lab.open_without_kernel(path)
    opened.command("toc:show-panel")
    expect(opened.page.locator(".jp-tocItem-content")).to_have_text(["Readings"])
