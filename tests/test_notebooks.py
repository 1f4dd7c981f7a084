"""Executed notebooks contain transcripts that are readable without a kernel.

nbval (``make notebooks``) checks that their stable outputs equal the saved ones.
"""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter

from reasoning_widget.export.log import SESSION_MIME
from tests.fixtures.run_notebooks import FOLDER, NOTEBOOKS, execute

pytestmark = pytest.mark.slow

VIEW = "application/vnd.jupyter.widget-view+json"
TITLES = ("Thought", "Tool use", "Tool result", "Final answer", "Error")
EMBEDDED = '{"model_type": "embedded"}'


HOW = ("saved", "run")
"""The notebooks as they are in the repository, and as they are after a run."""


@cache
def load(name: str, how: str) -> Any:
    path = FOLDER / f"{name}.ipynb"
    return nbformat.read(path, as_version=4) if how == "saved" else execute(path, REASONING_WIDGET_LLM=EMBEDDED)


@pytest.fixture(params=[(path.stem, how) for path in NOTEBOOKS for how in HOW], ids="-".join)
def notebook(request: pytest.FixtureRequest) -> Any:
    return load(*request.param)


@pytest.fixture(params=HOW)
def quickstart(request: pytest.FixtureRequest) -> Any:
    return load("quickstart", request.param)


class _Text(HTMLParser):
    """Collects the text of an HTML page and its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def chats(notebook: Any) -> list[Any]:
    """Return the bundles that display a chat."""
    return [output.data for output in outputs(notebook) if SESSION_MIME in output.get("data", {})]


def printed(notebook: Any, cell_id: str) -> str:
    cell = next(cell for cell in notebook.cells if cell.id == cell_id)
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def test_the_outputs_contain_no_errors(notebook: Any) -> None:
    assert [output for output in outputs(notebook) if output.output_type == "error"] == []
    assert [output.text for output in outputs(notebook) if output.get("name") == "stderr"] == []


def test_every_chat_is_saved_as_html_and_as_markdown(notebook: Any) -> None:
    assert len(chats(notebook)) >= 4
    for bundle in chats(notebook):
        page = _Text(bundle["text/html"])
        questions = re.findall(r"^> (.+)$", bundle["text/markdown"], re.MULTILINE)
        titles = re.findall(rf"^\*\*((?:{'|'.join(TITLES)})[^*]*)\*\*$", bundle["text/markdown"], re.MULTILINE)
        assert questions
        assert titles
        assert [text for text in [*questions, *titles] if text not in page.text] == []


def test_every_chat_is_saved_as_cards_without_a_live_view(notebook: Any) -> None:
    for bundle in chats(notebook):
        assert any(event["type"] == "reasoning_step" for event in bundle[SESSION_MIME]["events"])
        assert VIEW not in bundle


def test_saved_outputs_run_nothing_and_fetch_nothing(notebook: Any) -> None:
    for bundle in chats(notebook):
        page = _Text(bundle["text/html"])
        assert page.tags.isdisjoint({"script", "iframe", "object", "embed", "link", "img", "form"})
        assert page.attributes <= {"style", "open", "href", "class", "dir"}


def test_a_chat_is_saved_with_all_of_its_prompts(quickstart: Any) -> None:
    """This includes prompts of later cells, and prompts that were asked without an open page."""
    whole, *asked = (bundle["text/markdown"] for bundle in chats(quickstart))

    assert whole == "\n".join(asked)


def test_no_widget_state_is_saved(notebook: Any) -> None:
    """With it, nbconvert would replace the transcript by the live view, which needs scripts from the network."""
    assert "widgets" not in notebook.metadata


def test_the_answer_is_in_the_saved_transcript(quickstart: Any) -> None:
    answer = printed(quickstart, "answer").splitlines()[0]
    whole, asked, *_ = chats(quickstart)

    for bundle in (whole, asked):
        page = _Text(bundle["text/html"])
        for title in ("Tool use: search_files", "Tool result: search_files", "Final answer"):
            assert title in page.text
            assert f"**{title}" in bundle["text/markdown"]
        assert answer in page.text
        assert answer in bundle["text/markdown"]


def test_a_notebook_exported_as_html_shows_the_cards(quickstart: Any) -> None:
    html, _ = HTMLExporter().from_notebook_node(quickstart)

    assert "Tool result: search_files" in _Text(html).text
    assert VIEW not in html


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_no_data_about_the_machine_is_saved(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert [place for place in (str(FOLDER.parent), str(Path.home())) if place in text] == []
    assert '"iopub.' not in text  # the times at which cells ran
