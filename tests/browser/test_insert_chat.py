"""The command in JupyterLab's palette that adds a chat to the notebook."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.lab import Lab


def test_the_palette_inserts_a_cell_that_shows_a_chat(lab: Lab) -> None:
    notebook = lab.open("1 + 1", "2 + 2")
    notebook.select(0)
    notebook.command("apputils:activate-command-palette")
    notebook.page.get_by_role("textbox", name="SEARCH", exact=True).fill("insert reasoning chat")
    notebook.page.keyboard.press("Enter")
    expect(notebook.cell(1)).to_contain_text('ReasoningChat(agent="researcher")')
    expect(notebook.cell(0)).to_contain_text("1 + 1")
    expect(notebook.cell(2)).to_contain_text("2 + 2")
    assert notebook.open_chat(1).region.get_attribute("aria-label") == "Chat with researcher"
