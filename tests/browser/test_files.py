"""What JupyterLab and Notebook write into a notebook file, and how its chats become live again."""

from __future__ import annotations

from typing import Any

import nbformat
from playwright.sync_api import Page, expect

from tests.browser.chat import CHAT_WITH

SESSION_MIME = "application/vnd.reasoning-widget.session.v1+json"
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"

ECHO = """
    from reasoning_widget import ReasoningChat

    async def echo(prompt):
        yield {"type": "thought", "content": "let me see"}
        yield {"type": "final_answer", "content": f"You said {prompt}."}

    chat = ReasoningChat(echo)
    chat
"""

BLOCKS = """
    import asyncio
    from reasoning_widget import ReasoningChat

    async def waits(prompt):
        yield {"type": "thought", "content": "let me see"}
        await asyncio.Event().wait()

    chat = ReasoningChat(waits)
    chat.ask("go")
"""


def bundles(path: Any) -> list[Any]:
    cells = nbformat.read(path, as_version=4).cells
    return [output["data"] for cell in cells for output in cell.get("outputs", []) if "data" in output]


def kept(page: Page) -> int:
    """The number of cores in the page."""
    count: int = page.evaluate("Object.keys(globalThis[Symbol.for('reasoning-widget')].cores ?? {}).length")
    return count


def test_a_file_that_was_saved_holds_no_live_view_and_is_live_again_after_a_reload(lab):
    notebook = lab.open(ECHO, "_ = chat.ask('hello')", "import ipywidgets; ipywidgets.IntSlider()")
    chat = notebook.open_chat()
    chat.ask("hi")
    chat.expect_ready()
    notebook.run(1)
    notebook.run(2)
    notebook.wait_for_saved("You said hello.")
    notebook.save()

    *ours, slider = bundles(notebook.path)
    assert [WIDGET_MIME in bundle for bundle in ours] == [False, False]
    assert all(bundle[SESSION_MIME]["model_id"] for bundle in ours)
    assert WIDGET_MIME in slider

    notebook.reload()
    chat = notebook.chat(0)
    chat.ask("again")
    expect(chat.region).to_contain_text("You said again.")


def test_cells_out_of_sight_are_also_saved_without_a_live_view(lab):
    cells = [ECHO, *("print('line\\n' * 100)" for _ in range(5)), "chat.ask('far'); chat"]
    notebook = lab.open(*cells)
    notebook.command("notebook:run-all-cells")
    notebook.wait_for_saved("You said far.")
    notebook.save()

    ours = [bundle for bundle in bundles(notebook.path) if SESSION_MIME in bundle]
    assert [WIDGET_MIME in bundle for bundle in ours] == [False] * 3


def test_all_chats_of_a_page_share_one_core(lab):
    notebook = lab.open(ECHO, ECHO.replace("chat", "other"), "_ = chat.ask('hello')")
    for cell in range(3):
        notebook.run(cell)
    expect(notebook.page.get_by_role("region", name=CHAT_WITH)).to_have_count(3)

    assert kept(notebook.page) == 1
    expect(notebook.page.locator("style[data-reasoning-widget]")).to_have_count(1)


def test_the_core_arrives_while_a_cell_blocks_the_kernel(lab):
    notebook = lab.open(BLOCKS)
    notebook.page.evaluate(
        "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.commsOverSubshells = 'disabled'"
    )
    notebook.start(0)
    expect(notebook.chat(0).region).to_contain_text("let me see")
    expect(notebook.prompt(0)).to_have_text("[*]:")
    notebook.interrupt()
    notebook.wait_for(0)
