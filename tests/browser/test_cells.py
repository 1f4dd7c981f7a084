"""Cells of a notebook that go with a question, and code of an answer that goes into cells."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell
from playwright.sync_api import Error, expect

CODE = {"code": "print(42)", "session": "s", "step": "r-1"}
MARK = {"session": "s", "step": "r-1"}


def replace(notebook, number):
    """Ask to replace a cell; the dialog that comes."""
    notebook.select(number)
    notebook.command("reasoning-widget:replace-cell", CODE)
    return notebook.page.get_by_role("dialog")


def open_cells(lab, *cells):
    """A notebook with these cells, each as nbformat makes it."""
    path = lab.write("")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = cells
    nbformat.write(notebook, path)
    opened = lab.open_file(path)
    opened.ready()
    return opened


@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_a_cell_that_is_replaced_with_code_becomes_a_code_cell_and_can_be_had_back(lab, kind):
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


def test_a_notebook_that_was_closed_before_the_person_agreed_is_told_of_and_the_code_is_not_lost(lab):
    notebook = lab.open("old = 1")
    dialog = replace(notebook, 0)
    expect(dialog).to_contain_text("Replace this cell?")
    notebook.page.evaluate("jupyterapp.shell.currentWidget.dispose()")
    dialog.get_by_role("button", name="Replace").click()
    expect(dialog).to_contain_text("its notebook closed, in the meantime")
    dialog.get_by_role("button", name="Copy the code").click()
    notebook.page.wait_for_function("async () => await navigator.clipboard.readText() === 'print(42)'")
    assert lab.errors == []


@pytest.mark.parametrize("name", ["insert-code", "replace-cell"])
def test_a_command_for_code_says_that_it_got_none(lab, name):
    notebook = lab.open("old = 1")
    with pytest.raises(Error, match="“code” must be there"):
        notebook.page.evaluate("name => jupyterapp.commands.execute(name)", f"reasoning-widget:{name}")
    expect(notebook.cell(0)).to_contain_text("old = 1")
    expect(notebook.cell(1)).to_have_count(0)
