"""A long transcript: only what is seen is laid out, and nobody notices."""

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
    """What is saved of questions with answers of different heights."""
    with ThreadPoolExecutor() as elsewhere:  # the browser's loop runs in this thread
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


PLACE = """text => {
    const question = [...document.querySelectorAll(".rw-question")].find((each) => each.textContent.trim() === text);
    const scroller = question.closest(".rw-scroller");
    return Math.round(question.getBoundingClientRect().top - scroller.getBoundingClientRect().top);
}"""


LAID_OUT = """most => {
    const runs = [...document.querySelectorAll(".rw-run")];
    return runs.filter((run) => run.checkVisibility({ contentVisibilityAuto: true })).length < most;
}"""


def test_whoever_comes_back_to_a_long_transcript_is_where_they_were(lab, long_notebook):
    notebook = lab.open_without_kernel(long_notebook)
    page = notebook.page
    page.wait_for_function("count => document.querySelectorAll('.rw-question').length === count", arg=QUESTIONS)
    page.locator(".rw-scroller").hover()
    while page.evaluate(PLACE, "Question 20") < 0:
        page.mouse.wheel(0, -300)
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    before = page.evaluate(PLACE, "Question 20")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.dispose()")
    arguments = {"path": f"{lab.folder.name}/{long_notebook.name}", "factory": "Notebook"}
    notebook.command("docmanager:open", {**arguments, "kernelPreference": {"shouldStart": False}})
    page.wait_for_function("count => document.querySelectorAll('.rw-question').length === count", arg=QUESTIONS)
    page.wait_for_function(f"place => Math.abs(({PLACE})('Question 20') - place) <= 1", arg=before)


def test_a_long_transcript_can_be_read_whole_and_searched(lab, long_notebook):
    notebook = lab.open_without_kernel(long_notebook)
    page = notebook.page
    page.wait_for_function("count => document.querySelectorAll('.rw-question').length === count", arg=QUESTIONS)
    page.wait_for_function(LAID_OUT, arg=QUESTIONS // 2)
    words = page.locator(".rw-turns").text_content() or ""
    assert all(f"Question {number}" in words and f"Answer {number}" in words for number in range(QUESTIONS))
    page.get_by_role("searchbox", name="Find in the transcript").fill("answer 3")
    page.wait_for_function("() => document.querySelectorAll('.rw-turn').length === 11")


SCROLL_UP = """async () => {
    const scroller = document.querySelector(".rw-scroller");
    const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const edge = scroller.getBoundingClientRect();
    const moves = [];
    while (scroller.scrollTop > 300) {
        const seen = [...scroller.querySelectorAll(".rw-turn")].findLast((turn) => {
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


def test_nothing_jumps_when_it_is_scrolled_and_what_is_selected_stays(lab, long_notebook):
    notebook = lab.open_without_kernel(long_notebook)
    page = notebook.page
    page.wait_for_function("count => document.querySelectorAll('.rw-question').length === count", arg=QUESTIONS)
    last = page.locator(".rw-question").last
    expect(last).to_be_visible()
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
