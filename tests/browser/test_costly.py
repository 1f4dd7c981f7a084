"""Exported files with formulas that would freeze or crash a tab, drawn by JupyterLab's own renderers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import nbformat
from playwright.sync_api import Locator, Page, expect

from reasoning_widget.export.html import to_html
from reasoning_widget.export.markdown import to_markdown
from reasoning_widget.export.notebook import to_notebook
from reasoning_widget.fold import Transcript, new_transcript, receive

NESTED = "\\frac{1}{" * 300 + "x" + "}" * 300
MACROS = ["x", *(f"\\b{letter}" for letter in "cdefghij")]
"""Each name expands to ten of the one before it."""
COSTLY = (
    NESTED,
    "\\frac1" * 300 + "x",
    "\\sqrt{" * 600 + "x" + "}" * 600,
    "{" * 2000 + "x" + "}" * 2000,
    "x" + "^{x" * 500 + "}" * 500,
    "\\left(" * 400 + "x" + "\\right)" * 400,
    "\\def\\a{\\frac{1}{\\a}}\\a",
    "".join(f"\\def{name}{{{before * 10}}}" for before, name in pairwise(MACROS)) + MACROS[-1],
    "\\begin{array}{c}" * 100 + "x" + "\\end{array}" * 100,
)
"""Formulas that would freeze or crash a page that drew them."""

TEXT = "\n\n".join(f"In a line ${tex}$ and displayed:\n\n$${tex}$$\n\n\\({tex}\\)\n\n\\[{tex}\\]" for tex in COSTLY)
FINE = "A small one is drawn: $\\frac{824}{2}$."
END = "This is the end."


def transcript() -> Transcript:
    """A conversation with such formulas in every place that can hold text."""
    state = new_transcript()
    said = f"{TEXT}\n\n{END}"
    tool = {"name": f"${NESTED}$", "arguments": f'{{"a": "${NESTED}$"}}', "call_id": "c"}
    outputs: list[dict[str, Any]] = [{"text/latex": f"$${tex}$$"} for tex in COSTLY]
    outputs += [{"text/markdown": TEXT}, {"text/plain": TEXT}, {"text/html": f"<p>$${NESTED}$$</p>"}]
    steps: list[dict[str, Any]] = [
        {"type": "thought", "content": said},
        {"type": "tool_use", "content": "", "tool": tool},
        {"type": "tool_result", "content": TEXT, "tool": tool, "outputs": outputs},
        {"type": "error", "content": said},
        {"type": "final_answer", "content": said},
        {"type": "final_answer", "content": f"{FINE}\n\n{END}"},
    ]
    common = {"run_id": "r", "agent": f"${NESTED}$", "status": "done", "iteration": 1, "timestamp": 1.0}
    run: Any = {"run_id": "r", "message_id": "m", "agent_name": "a", "timestamp": 1.0, "enable_reasoning": True}
    asked: Any = {"id": "m", "content": said, "timestamp": 1.0, "run_id": "r", "steered": False, "withdrawn": None}
    state["messages"].append(asked)
    for index, step in enumerate(steps):
        data = {**common, "index": index, "id": f"r.{index}", **step}
        receive(state, {"type": "reasoning_step", "seq": index + 1, "data": data})
    ids = [f"r.{index}" for index in range(len(steps))]
    state["runs"].append(run | {"status": "completed", "usage": None, "duration": 1.0, "steps": ids})
    return state


def expect_drawn(page: Page, root: Locator, *, shows: str) -> None:
    """Check that the page responds and has drawn everything, including the formulas that can be drawn."""
    expect(root.get_by_text(END).last).to_be_attached()
    root.evaluate("root => root.querySelectorAll('details').forEach(each => { each.open = true; })")
    expect(root.locator(shows).first).to_be_visible()
    page.evaluate("() => new Promise(requestAnimationFrame)")
    depth = """root => Math.max(0, ...[...root.querySelectorAll("mjx-container *, math *")].map(element => {
        let depth = 0;
        for (let above = element; above && above !== root; above = above.parentElement) depth++;
        return depth;
    }))"""
    assert root.evaluate(depth) < 200, "nothing is drawn that is nested so deep"


def test_an_exported_notebook_leaves_the_tab_alive(lab):
    path = lab.folder / "exported.ipynb"
    nbformat.write(to_notebook(transcript()), path)

    notebook = lab.open_without_kernel(path)
    expect_drawn(notebook.page, notebook.page.locator(".jp-Notebook"), shows="mjx-container")


def test_a_notebook_without_the_package_leaves_the_tab_alive(lab):
    """In HTML and in Markdown: the formats that a notebook holds beside the session."""
    state = transcript()
    path = lab.write("None", "None")
    notebook = nbformat.read(path, 4)
    for cell, (mime, written) in zip(
        notebook.cells, [("text/html", to_html(state)), ("text/markdown", to_markdown(state))], strict=True
    ):
        cell.outputs = [nbformat.v4.new_output("display_data", {mime: written})]
    nbformat.write(notebook, path)

    opened = lab.open_without_kernel(path)
    expect_drawn(opened.page, opened.output(0), shows="pre")  # MathML is removed from a file that is not trusted
    expect_drawn(opened.page, opened.output(1), shows="mjx-container")


def test_trusted_html_leaves_the_tab_alive(lab):
    (lab.folder / "exported.html").write_text(to_html(transcript()), encoding="utf-8")
    notebook = lab.open(
        "from pathlib import Path\nfrom IPython.display import HTML\n\nHTML(Path('exported.html').read_text())"
    )
    notebook.run(0)
    expect_drawn(notebook.page, notebook.output(0), shows="math")


def test_an_exported_markdown_file_leaves_the_tab_alive(lab):
    path = lab.folder / "exported.md"
    path.write_text(to_markdown(transcript()), encoding="utf-8")

    page = lab.empty()
    arguments = {"path": f"{lab.folder.name}/{path.name}", "factory": "Markdown Preview"}
    page.evaluate("given => void window.jupyterapp.commands.execute('docmanager:open', given)", arguments)
    preview = page.locator(".jp-MarkdownViewer")
    expect(preview.get_by_text(END).last).to_be_attached()
    # JupyterLab may not render formulas in a preview that it draws before attaching it, so have it drawn again.
    page.evaluate(
        """() => {
            const { model } = window.jupyterapp.shell.currentWidget.context;
            model.fromString(`${model.toString()}\\n`);
        }"""
    )
    expect_drawn(page, preview, shows="mjx-container")
