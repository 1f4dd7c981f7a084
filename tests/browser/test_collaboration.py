"""jupyter-collaboration: two people in one notebook see one chat, which is saved once in the file."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.reader import NotJSONError
from playwright.sync_api import Browser, Page, expect

from reasoning_widget.export.log import SESSION_MIME
from reasoning_widget.widget.display import VIEW_MIME
from tests.browser.chat import CHAT_WITH
from tests.browser.conftest import PATIENCE_MS, open_window
from tests.browser.jupyter import jupyter_lab
from tests.browser.lab import Lab, Notebook
from tests.jupyter import Jupyter
from tests.scripted_model import ScriptedModel, gate, say

CHAT = 'from reasoning_widget import ReasoningChat\n\nchat = ReasoningChat(agent="assistant")\nchat'


@pytest.fixture(scope="module")
def together(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """A server on which several people can edit the same notebook at the same time."""
    with jupyter_lab(tmp_path_factory.mktemp("together"), environment, collaborative=True) as server:
        yield server


@pytest.fixture
def people(
    request: pytest.FixtureRequest, browser: Browser, together: Jupyter, model: ScriptedModel
) -> Iterator[tuple[Lab, Lab]]:
    """JupyterLab as A and B see it, each in a separate browser window."""
    with contextlib.ExitStack() as windows:
        labs: list[Lab] = []
        test = re.sub(r"\W+", "-", request.node.name).strip("-")
        for name in ("a", "b"):
            window = windows.enter_context(contextlib.closing(open_window(browser, together, {})))
            window.on("page", wait_for_documents)
            labs.append(Lab(window, together, f"{test}-{name}"))
        yield labs[0], labs[1]
        together.shut_down_kernels()
        for lab in labs:
            # Each page gets the kernel's answers to the other's widget manager, and JupyterLab logs this.
            assert [error for error in lab.errors if not error.startswith("Comm not found for comm id")] == []
            assert lab.requests_to_others == []


def wait_for_documents(page: Page) -> None:
    """Continue to wait if a dialog asks, as it does on a slow machine when a document takes long to load."""
    dialog = page.get_by_role("dialog", name="Loading")
    page.add_locator_handler(dialog, lambda: dialog.get_by_role("button", name="Continue waiting").click())


def outputs_of(notebook: Notebook) -> list[Any]:
    """The outputs in a page's copy of the document."""
    cells = notebook.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON().cells"
    )
    return [output for cell in cells for output in cell.get("outputs", [])]


def outputs_in(path: Path) -> list[Any]:
    """The outputs in the file, which the server writes while people work; none while it is being written."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except NotJSONError:
        return []
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def questions(outputs: list[Any]) -> list[list[str]]:
    """For each output, the prompts in its transcript."""
    sessions = [output.get("data", {}).get(SESSION_MIME, {}) for output in outputs]
    return [
        [event["data"]["content"] for event in session.get("events", []) if event["type"] == "user_message"]
        for session in sessions
    ]


def finished(outputs: list[Any]) -> list[int]:
    """For each output, the number of finished runs in its transcript."""
    sessions = [output.get("data", {}).get(SESSION_MIME, {}) for output in outputs]
    return [sum(event["type"] == "run_finished" for event in session.get("events", [])) for session in sessions]


def expect_once(path: Path, notebooks: list[Notebook], *asked: list[str]) -> None:
    """Wait until the file and each page's copy of it have an output for each list of questions, all answered."""

    def look() -> list[list[tuple[list[str], int]]]:
        copies = [outputs_in(path), *(outputs_of(notebook) for notebook in notebooks)]
        return [list(zip(questions(copy), finished(copy), strict=True)) for copy in copies]

    wait(notebooks[0].page, look, [[(each, len(each)) for each in asked]] * (1 + len(notebooks)))
    assert all(VIEW_MIME not in output["data"] for notebook in notebooks for output in outputs_of(notebook))


def wait(page: Page, look: Callable[[], object], expected: object) -> None:
    """Wait until `look`, which reads what no page shows, returns the expected value; the pages keep working."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while (seen := look()) != expected:
        assert time.monotonic() < deadline, seen
        page.evaluate("() => new Promise(requestAnimationFrame)")


def in_one_notebook(people: tuple[Lab, Lab], model: ScriptedModel) -> tuple[Path, Notebook, Notebook]:
    """Open one notebook with a chat for both people; the model waits in its first answer."""
    model.script("Hello", [[say("I am"), gate("end"), say(" here.")]])
    model.script("Again", ["And again."])
    lab_a, lab_b = people
    path = lab_a.write(CHAT)
    a, b = lab_a.open_file(path), lab_b.open_file(path)
    a.ready()
    b.ready()
    return path, a, b


def test_a_question_is_saved_in_one_output_when_two_people_watch(people: tuple[Lab, Lab], model: ScriptedModel) -> None:
    path, a, b = in_one_notebook(people, model)

    chat_a = a.open_chat()
    chat_a.ask("Hello")
    expect(chat_a.card("Final answer")).to_contain_text("I am")
    seen = b.output(0).get_by_role("region", name=CHAT_WITH)
    expect(seen.get_by_role("article", name="Final answer")).to_contain_text("I am")
    expect(seen.get_by_role("button", name="Stop", exact=True)).to_be_enabled()
    wait(a.page, lambda: questions(outputs_of(b)), [["Hello"]])  # it is also saved during the run
    expect(b.output(0)).not_to_contain_text("Interrupted")

    model.open("end")
    expect(seen.get_by_role("article", name="Final answer")).to_contain_text("I am here.")
    expect_once(path, [a, b], ["Hello"])

    b.reload()
    expect(seen.get_by_role("article", name="Final answer")).to_contain_text("I am here.")
    chat_a.ask("Again")
    expect(seen.get_by_role("article", name="Final answer").nth(1)).to_contain_text("And again.")
    expect_once(path, [a, b], ["Hello", "Again"])


@pytest.mark.parametrize("how", ["reloads", "leaves"])
def test_the_remaining_page_writes_when_the_page_that_ran_the_cell_goes(
    people: tuple[Lab, Lab], model: ScriptedModel, how: str
) -> None:
    path, a, b = in_one_notebook(people, model)
    chat_a = a.open_chat()
    chat_b = b.chat(0)
    chat_b.ask("Hello")
    expect(chat_a.card("Final answer")).to_contain_text("I am")
    notebooks = [b]
    if how == "reloads":
        a.page.reload()
        a.drawn()
        notebooks.append(a)
    else:
        a.page.close()
    model.open("end")
    expect(chat_b.card("Final answer")).to_contain_text("I am here.")
    expect_once(path, notebooks, ["Hello"])
    chat_b.ask("Again")
    expect(chat_b.card("Final answer", 1)).to_contain_text("And again.")
    expect_once(path, notebooks, ["Hello", "Again"])


def test_cells_run_by_different_people_are_each_saved_once(people: tuple[Lab, Lab], model: ScriptedModel) -> None:
    model.script("Hello", ["I am here."])
    model.script("Again", ["And again."])
    lab_a, lab_b = people
    path = lab_a.write(CHAT, 'answer = chat.ask("Hello")', "chat")
    a, b = lab_a.open_file(path), lab_b.open_file(path)
    a.ready()
    b.ready()
    a.open_chat()
    b.run(1)
    b.run(2)
    expect_once(path, [a, b], ["Hello"], ["Hello"], ["Hello"])
    chat_a = a.chat(2)
    chat_a.ask("Again")
    expect(chat_a.card("Final answer", 1)).to_contain_text("And again.")
    expect_once(path, [a, b], ["Hello", "Again"], ["Hello"], ["Hello", "Again"])
    b.run(0)  # the cell that A ran: another chat replaces A's
    expect(a.chat(0).message).to_be_editable()
    a.chat(0).ask("Hello")
    expect(a.chat(0).card("Final answer")).to_contain_text("I am here.")
    expect_once(path, [a, b], ["Hello"], ["Hello"], ["Hello", "Again"])


def test_another_person_can_stop_a_run_that_a_cell_started(people: tuple[Lab, Lab], model: ScriptedModel) -> None:
    model.script("Hello", [[say("I am"), gate("end"), say(" here.")]])
    lab_a, lab_b = people
    path = lab_a.write(CHAT, 'print(chat.ask("Hello").status)')
    a, b = lab_a.open_file(path), lab_b.open_file(path)
    a.ready()
    b.ready()
    a.open_chat()
    a.start(1)
    expect(b.output(1).get_by_role("article", name="Final answer")).to_contain_text("I am")
    b.chat(0).stop.click()
    a.wait_for(1)
    expect(a.output(1)).to_contain_text("stopped")
    wait(b.page, lambda: finished(outputs_of(b)[:2]), [1, 1])
    model.open("end")
