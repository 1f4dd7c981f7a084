"""The code and commands in the documents work when a reader types them."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shlex
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
import typer
from markdown_it import MarkdownIt
from nbclient import NotebookClient

from reasoning_widget import cli
from tests.scripted_model import ScriptedModel

if TYPE_CHECKING:
    from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md"))


def blocks(document: Path, *languages: str) -> list[str]:
    """Return the fenced code blocks in these languages, in order."""
    tokens = MarkdownIt().parse(document.read_text(encoding="utf-8"))
    return [token.content for token in tokens if token.type == "fence" and token.info.strip() in languages]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def documents_with(*languages: str) -> list[Path]:
    return [document for document in DOCUMENTS if blocks(document, *languages)]


@pytest.mark.parametrize("document", documents_with("python"), ids=lambda path: path.name)
def test_the_python_of_a_document_runs_in_a_notebook(
    document: Path,
    scripted_model: ScriptedModel,
    kernel_name: str,
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
    NotebookClient(
        notebook, timeout=None, kernel_name=kernel_name, resources={"metadata": {"path": tmp_path}}
    ).execute()


@pytest.mark.parametrize("document", documents_with("bash", "sh", "console"), ids=lambda path: path.name)
def test_the_make_targets_in_a_document_exist(document: Path) -> None:
    commands = "\n".join(blocks(document, "bash", "sh", "console"))
    named = set(re.findall(r"^(?:\$ )?make ([a-z-]+)", commands, re.MULTILINE))
    assert named - make_targets() == set()


@pytest.mark.parametrize("document", documents_with("bash"), ids=lambda path: path.name)
def test_the_commands_in_a_document_can_be_parsed(document: Path) -> None:
    lines = "\n".join(blocks(document, "bash")).splitlines()
    for line in (line for line in lines if line.startswith("reasoning-widget ")):
        _, *words = shlex.split(line, comments=True)
        command: Any = typer.main.get_command(cli.app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(command.name, words)


def test_the_guide_for_contributors_names_every_make_target() -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {target for target in make_targets() if f"make {target}" not in told} == set()


# Links


def tokens_of(document: Path) -> list[Token]:
    """Return the tokens of a document, including inline ones."""
    tokens = MarkdownIt().enable("table").parse(document.read_text(encoding="utf-8"))
    return list(chain.from_iterable([token, *(token.children or [])] for token in tokens))


def links(document: Path) -> Iterator[str]:
    """Yield the targets of a document's links and pictures, including those in HTML."""
    for token in tokens_of(document):
        if token.type in {"link_open", "image"}:
            yield str(token.attrs.get("href") or token.attrs.get("src"))
        elif token.type in {"html_block", "html_inline"}:
            yield from re.findall(r'(?:href|src|srcset)="([^"]+)"', token.content)


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub and Sphinx make them."""
    tokens = MarkdownIt().parse(document.read_text(encoding="utf-8"))
    headings = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_links_in_a_document_have_targets(document: Path) -> None:
    dead = []
    for link in links(document):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_the_readme_links_every_document() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    documents = {*DOCUMENTS, *(ROOT / "notebooks").glob("*.ipynb"), ROOT / "CITATION.cff", ROOT / "LICENSE"}
    assert {path.name for path in documents - linked} == {"README.md"}


def test_the_site_shows_every_document() -> None:
    text = "\n".join(blocks(ROOT / "docs" / "index.md", "{toctree}"))
    listed = set(re.findall(r"^/?([\w./-]+)$", text, re.MULTILINE))
    shown = {ROOT / f"{name}.md" if name.isupper() else ROOT / "docs" / f"{name}.md" for name in listed}
    assert set(DOCUMENTS) - shown == {ROOT / "README.md", ROOT / "docs" / "index.md"}


# The reference


def public_names() -> Iterator[tuple[str, Any]]:
    """Yield every name that a package lists as public, with its object."""
    for source in sorted((ROOT / "reasoning_widget").rglob("__init__.py")):
        if "__all__ = [" in source.read_text(encoding="utf-8"):
            package = importlib.import_module(".".join(source.parent.relative_to(ROOT).parts))
            for name in package.__all__:
                yield name, getattr(package, name)


def test_the_reference_describes_every_public_name() -> None:
    text = "\n".join(blocks(ROOT / "docs" / "api.md", "{eval-rst}"))
    described = set(re.findall(r"^\.\. auto\w+:: ([\w.]+)", text, re.MULTILINE))
    last = {name.rpartition(".")[2] for name in described}
    names = dict(public_names())
    assert len(names) > 15
    assert set(names) - last == set()


def members(thing: Any) -> dict[str, Any]:
    """Return the public methods and properties that a class defines itself."""
    kinds = (FunctionType, classmethod, property, staticmethod)
    own = vars(thing).items() if inspect.isclass(thing) else ()
    return {name: member for name, member in own if not name.startswith("_") and isinstance(member, kinds)}


def test_every_public_name_has_a_docstring_of_its_own() -> None:
    for name, thing in public_names():
        assert vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__, name
        own = {member: what.__doc__ or "" for member, what in members(thing).items()}
        assert [member for member, text in own.items() if not text or text.startswith("See ")] == [], name


def test_the_command_line_page_names_every_command_and_option() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    command = typer.main.get_command(cli.app)
    groups = {"": command, "model ": command.commands["model"]}  # type: ignore[attr-defined]
    for prefix, group in groups.items():
        for name, each in group.commands.items():
            if hasattr(each, "commands"):
                continue
            assert f"`reasoning-widget {prefix}{name}" in page
            for option in chain.from_iterable(parameter.opts for parameter in each.params):
                assert not option.startswith("--") or option in page, option
