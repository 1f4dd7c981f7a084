"""Cells that are attached to a question, and code of an answer that is inserted into cells."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell
from playwright.sync_api import Error, expect

from tests.browser.sidebar import Sidebar

CODE = {"code": "print(42)", "session": "s", "step": "r-1"}
MARK = {"session": "s", "step": "r-1"}


def replace(notebook, number):
    """Start to replace a cell, and return the dialog that opens."""
    notebook.select(number)
    notebook.command("reasoning-widget:replace-cell", CODE)
    return notebook.page.get_by_role("dialog")


def open_cells(lab, *cells):
    """Open a notebook with these cells of nbformat."""
    path = lab.write("")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = cells
    nbformat.write(notebook, path)
    opened = lab.open_file(path)
    opened.ready()
    return opened


@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_replacing_a_cell_makes_it_a_code_cell_and_can_be_undone(lab, kind):
    make = {"markdown": new_markdown_cell, "raw": new_raw_cell}[kind]
    notebook = open_cells(lab, make("A *note*"), new_code_cell("2 + 2"))
    replace(notebook, 0).get_by_role("button", name="Replace").click()
    expect(notebook.cell(0)).to_contain_text("print(42)")
    saved = notebook.save().cells[0]
    assert (saved.cell_type, saved.source, saved.metadata["reasoning_widget"]) == ("code", "print(42)", MARK)
    expect(notebook.run(0)).to_contain_text("42")

    notebook.select(1)
    notebook.command("notebook:undo-cell-action")
    expect(notebook.cell(0)).to_contain_text("note")
    saved = notebook.save().cells
    assert [(cell.cell_type, cell.source) for cell in saved] == [(kind, "A *note*"), ("code", "2 + 2")]
    assert "reasoning_widget" not in saved[0].metadata


def test_a_cell_that_is_read_only_is_not_replaced(lab):
    notebook = open_cells(lab, new_code_cell("keep = 1", metadata={"editable": False}))
    dialog = replace(notebook, 0)
    expect(dialog).to_contain_text("This cell is read-only.")
    dialog.get_by_role("button", name="Copy the code").click()
    notebook.page.wait_for_function("async () => await navigator.clipboard.readText() === 'print(42)'")
    expect(notebook.cell(0)).to_contain_text("keep = 1")


def test_a_notebook_closed_before_confirming_is_reported_and_the_code_kept(lab):
    notebook = lab.open("old = 1")
    dialog = replace(notebook, 0)
    expect(dialog).to_contain_text("Replace this cell?")
    notebook.page.evaluate("jupyterapp.shell.currentWidget.dispose()")
    dialog.get_by_role("button", name="Replace").click()
    expect(dialog).to_contain_text("its notebook was closed")
    dialog.get_by_role("button", name="Copy the code").click()
    notebook.page.wait_for_function("async () => await navigator.clipboard.readText() === 'print(42)'")
    lab.ignore("Could not restore the debugger state")  # JupyterLab's own, if its debugger is not ready yet
    assert lab.errors == []


@pytest.mark.parametrize("name", ["insert-code", "replace-cell"])
def test_a_command_for_code_reports_that_it_got_none(lab, name):
    notebook = lab.open("old = 1")
    with pytest.raises(Error, match="“code” is required"):
        notebook.page.evaluate("name => jupyterapp.commands.execute(name)", f"reasoning-widget:{name}")
    expect(notebook.cell(0)).to_contain_text("old = 1")
    expect(notebook.cell(1)).to_have_count(0)


def test_attached_cells_record_the_session_and_step_in_renamed_notebooks(lab):
    notebook = open_cells(lab, new_code_cell("1 / 3", id="same"), new_code_cell("2 / 3"))
    page, sidebar = notebook.page, Sidebar(notebook.page)
    copy = notebook.path.with_name("copy.ipynb")
    copy.write_bytes(notebook.path.read_bytes())
    chat = sidebar.new()
    notebook.select(0)
    sidebar.command("reasoning-widget:ask-about-cell")
    expect(sidebar.chips).to_have_count(1)
    path = page.evaluate(
        """async path => {
            await jupyterapp.shell.currentWidget.context.rename("renamed.ipynb");
            return jupyterapp.shell.currentWidget.context.path;
        }"""
    )
    notebook.path = notebook.path.with_name("renamed.ipynb")
    notebook.command("docmanager:open", {"path": path.replace("renamed.ipynb", "copy.ipynb")})
    page.wait_for_function("() => jupyterapp.shell.currentWidget.context?.path.endsWith('copy.ipynb')")
    page.wait_for_function("() => jupyterapp.shell.currentWidget.context.isReady")
    sidebar.command("reasoning-widget:ask-about-cell")
    expect(sidebar.chips).to_have_text(["Cell of notebook1.ipynb", "Cell of copy.ipynb"])
    chat.ask("How many thirds are there?")
    chat.expect_cards("Final answer")
    marks = []
    for name in ("copy.ipynb", "renamed.ipynb"):
        notebook.path = notebook.path.with_name(name)
        notebook.command("docmanager:open", {"path": path.replace("renamed.ipynb", name)})
        page.wait_for_function("name => jupyterapp.shell.currentWidget.context?.path.endsWith(name)", arg=name)
        notebook.select(0)
        marks += [cell.metadata.get("reasoning_widget") for cell in notebook.save().cells]
    session = page.locator(".rw-lab-chat").get_attribute("data-session-id")
    mark = {"session": session, "step": chat.card("Final answer").get_attribute("data-step-id")}
    assert marks == [mark, None, mark, None]


def test_a_question_about_a_cell_is_recalled_as_it_was_written(lab):
    notebook = lab.open("1 / 7")
    sidebar = Sidebar(notebook.page)
    chat = sidebar.new()
    notebook.select(0)
    sidebar.command("reasoning-widget:ask-about-cell")
    expect(sidebar.chips).to_have_text("Cell of notebook1.ipynb")
    chat.ask("How many sevenths are there?")
    chat.expect_cards("Final answer")
    chat.message.press("ArrowUp")
    expect(chat.message).to_have_value("How many sevenths are there?")
