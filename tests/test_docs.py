"""What the documents tell a reader to type works when it is typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from markdown_it import MarkdownIt
from nbclient import NotebookClient

from tests.scripted_model import ScriptedModel

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("**/*.md"))


def blocks(document: Path, *languages: str) -> list[str]:
    """The fenced code blocks in those languages, in order."""
    tokens = MarkdownIt().parse(document.read_text(encoding="utf-8"))
    return [token.content for token in tokens if token.type == "fence" and token.info.strip() in languages]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def documents_with(*languages: str) -> list[Path]:
    return [document for document in DOCUMENTS if blocks(document, *languages)]


@pytest.mark.parametrize("document", documents_with("python"), ids=lambda path: path.name)
def test_its_python_runs_in_a_notebook(
    document: Path,
    scripted_model: ScriptedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    scripted_model.script("", ["The model's answer."])
    monkeypatch.setenv("REASONING_WIDGET_LLM", json.dumps(scripted_model.llm()))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    if "REASONING_WIDGET_SERVER" in document.read_text(encoding="utf-8"):
        server = request.getfixturevalue("server")
        monkeypatch.setenv("REASONING_WIDGET_SERVER", server.origin)
        monkeypatch.setenv("REASONING_WIDGET_TOKEN", server.token)
    (tmp_path / "notes.txt").write_text("The harbour of the town freezes in January.\n")
    cells = [nbformat.v4.new_code_cell(block) for block in blocks(document, "python")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()


@pytest.mark.parametrize("document", documents_with("bash", "sh", "console"), ids=lambda path: path.name)
def test_its_make_targets_exist(document: Path) -> None:
    commands = "\n".join(blocks(document, "bash", "sh", "console"))
    named = set(re.findall(r"^(?:\$ )?make ([a-z-]+)", commands, re.MULTILINE))
    assert named - make_targets() == set()


def test_the_guide_for_contributors_tells_of_every_make_target() -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {target for target in make_targets() if f"make {target}" not in told} == set()
