"""Notebooks executed by a program, without a page: what the file contains, and what other tools make of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbconvert.preprocessors import ExecutePreprocessor

from reasoning_widget.export.log import SESSION_MIME
from reasoning_widget.widget.display import VIEW_MIME

pytestmark = pytest.mark.usefixtures("kernel_name")

AGENT = """
from reasoning_widget import ReasoningChat
async def echo(prompt):
    yield {"type": "thought", "content": "let me see"}
    yield {"type": "final_answer", "content": f"The answer is *{prompt}*."}
"""
LIMIT = 3_000
"""Bytes of the widget for each chat in a file."""

ONE_QUESTION = (f"{AGENT}chat = ReasoningChat(echo)\nanswer = chat.ask('forty-two')",)
ANSWER = "The answer is <em>forty-two</em>."


def notebook_of(*cells: str) -> Any:
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell, id=f"cell-{number}") for number, cell in enumerate(cells)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )


def with_nbclient(notebook: Any, folder: Path) -> Any:
    return NotebookClient(notebook, timeout=None, kernel_name="python3").execute()


def with_nbconvert(notebook: Any, folder: Path) -> Any:
    return ExecutePreprocessor(timeout=None, kernel_name="python3").preprocess(notebook, {})[0]


def with_papermill(notebook: Any, folder: Path) -> Any:
    nbformat.write(notebook, folder / "in.ipynb")
    command = [sys.executable, "-m", "papermill", str(folder / "in.ipynb"), str(folder / "out.ipynb")]
    subprocess.run(command, check=True, capture_output=True)
    return nbformat.read(folder / "out.ipynb", as_version=4)


PROGRAMS = [with_nbclient, with_nbconvert, with_papermill]


@cache
def executed(*cells: str) -> Any:
    return with_nbclient(notebook_of(*cells), Path())


def bundles(notebook: Any) -> list[Any]:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    return [output.data for output in outputs if "data" in output]


def of_widgets(notebook: Any) -> int:
    """Return the number of bytes that widgets take in the written file."""
    return len(json.dumps(notebook.metadata.get("widgets", {}), indent=1).encode())


@pytest.mark.parametrize("execute", PROGRAMS)
def test_a_file_contains_the_transcript_and_almost_no_widget_state(execute: Any, tmp_path: Path) -> None:
    notebook = execute(notebook_of(*ONE_QUESTION), tmp_path)

    (bundle,) = bundles(notebook)
    assert ANSWER in bundle["text/html"]
    assert SESSION_MIME in bundle
    assert VIEW_MIME not in bundle
    assert of_widgets(notebook) <= LIMIT


@pytest.mark.parametrize(
    ("cells", "chats"),
    [
        ((AGENT, "chats = [ReasoningChat(echo) for _ in range(20)]\nfor chat in chats: chat.ask('x')"), 20),
        ((AGENT, "chat = ReasoningChat(echo)\nfor number in range(30): chat.ask(str(number))"), 1),
        ((f"{AGENT}chat = ReasoningChat(echo)\nchat", "chat.ask('x')", "chat"), 1),
        ((AGENT, "chat = ReasoningChat(echo)", "async for step in chat.stream('x'): pass", "chat.close()"), 1),
        ((AGENT, "first = ReasoningChat(echo); first.close()\nsecond = ReasoningChat(echo, save=False)\nsecond"), 2),
    ],
    ids=["twenty", "many questions", "shown twice", "streamed", "closed and not saved"],
)
def test_in_every_use_a_chat_adds_little_widget_state_to_the_file(cells: tuple[str, ...], chats: int) -> None:
    notebook = executed(*cells)

    assert all(VIEW_MIME not in bundle for bundle in bundles(notebook))
    assert of_widgets(notebook) <= LIMIT * chats


def test_a_converted_page_shows_the_transcript() -> None:
    html, _ = HTMLExporter().from_notebook_node(executed(*ONE_QUESTION))

    assert ANSWER in html
    assert '"model_id"' not in html


def test_nbconvert_can_execute_and_convert_in_one_step(tmp_path: Path) -> None:
    nbformat.write(notebook_of(*ONE_QUESTION), tmp_path / "chat.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "html", str(tmp_path / "chat.ipynb")]
    subprocess.run(command, check=True, capture_output=True)

    assert ANSWER in (tmp_path / "chat.html").read_text("utf-8")


def test_other_widgets_in_the_notebook_are_kept() -> None:
    notebook = executed(*ONE_QUESTION, "import ipywidgets\nipywidgets.IntSlider(7)")

    assert VIEW_MIME in bundles(notebook)[-1]
    states = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"].values()
    assert [state["state"]["value"] for state in states if state["model_name"] == "IntSliderModel"] == [7]


def test_voila_gets_the_live_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOILA_REQUEST_URL", "http://localhost:8866/")
    cells = (f"{AGENT}chat = ReasoningChat(echo)\nchat", "answer = chat.ask('forty-two')")
    notebook = with_nbclient(notebook_of(*cells), Path())

    models = [bundle[VIEW_MIME]["model_id"] for bundle in bundles(notebook)]
    assert models == [bundle[SESSION_MIME]["model_id"] for bundle in bundles(notebook)]
    states = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert all(states[model]["state"]["_esm"] for model in models)
    hidden = states[models[0]]["state"]["_core"].removeprefix("IPY_MODEL_")
    assert re.search(r"export\s*\{", states[hidden]["state"]["source"])
    assert ".reasoning-widget" in states[hidden]["state"]["style"]
