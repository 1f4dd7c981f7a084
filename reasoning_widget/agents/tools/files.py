"""The text files below a folder: which there are, and what is in them. Nothing outside the folder is ever read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAX_FILES: Final = 2000
MAX_FILE_BYTES: Final = 1024 * 1024

_SUFFIX_TEXT: Final = (
    ".bib .c .cfg .conf .cpp .css .csv .go .h .hpp .htm .html .ini .ipynb .java .jl .js .json .jsonl .jsx .lua .md "
    ".org .php .py .pyi .qmd .r .rb .rmd .rs .rst .sh .sql .swift .tex .toml .ts .tsv .tsx .txt .vue .xml .yaml .yml"
)
_SUFFIXES: Final = frozenset(_SUFFIX_TEXT.split())
_NAMES: Final = frozenset(
    {"CHANGELOG", "CONTRIBUTING", "COPYING", "Dockerfile", "LICENSE", "Makefile", "NOTES", "README", "TODO"}
)
_SKIPPED: Final = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "target", "venv"})
_OWN_CALLS: Final = re.compile(r"\bReasoningChat\(|\.(?:ask|stream)\(")


class FileRefused(Exception):
    """A file cannot be read; the text says why, for the model and the person."""


@dataclass(frozen=True)
class TextFile:
    """A file that may be searched. `changed` differs once the file does."""

    path: str
    """From the folder, with slashes."""
    changed: tuple[int, int]


@dataclass(frozen=True)
class Block:
    """Lines that belong together: a whole file, or a cell of a notebook."""

    label: str
    """What stands before the line number: empty, or the cell."""
    lines: tuple[str, ...]


def text_files(root: Path) -> list[TextFile]:
    """The text files below `root`, sorted, at most `MAX_FILES`.

    Hidden ones, packages, environments, files above 1 MiB and links that lead out of `root` are left out.
    """
    root = root.resolve()
    found: list[TextFile] = []
    for path in _walk(root):
        try:
            status = path.stat()
        except OSError:
            continue  # gone meanwhile, or a dead link
        if status.st_size <= MAX_FILE_BYTES:
            found.append(TextFile(path.relative_to(root).as_posix(), (status.st_mtime_ns, status.st_size)))
        if len(found) == MAX_FILES:
            break
    return sorted(found, key=lambda file: file.path)


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):  # does not follow links to folders
        folders[:] = sorted(name for name in folders if not _is_skipped(Path(folder, name)))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and _is_text_name(path) and path.resolve().is_relative_to(root):
                yield path


def _is_skipped(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in _SKIPPED or (folder / "pyvenv.cfg").exists()


def _is_text_name(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES or path.name in _NAMES


def resolve(root: Path, path: str) -> Path:
    """The file or folder that `path` names below `root`.

    Raises:
        FileRefused: It is outside, hidden or not there.
    """
    root = root.resolve()
    target = (root / path.lstrip("/\\")).resolve() if not Path(path).is_absolute() else Path(path).resolve()
    if not target.is_relative_to(root):
        raise FileRefused(f"{path} is outside the notebook's folder: only files below it may be read.")
    if any(part.startswith(".") for part in target.relative_to(root).parts):
        raise FileRefused(f"{path} is hidden: hidden files are not read.")
    if not target.exists():
        raise FileRefused(f"There is no file {path}.")
    return target


def entries(root: Path, folder: Path) -> list[str]:
    """The names in a folder below `root`, sorted, those of folders with a slash behind.

    Hidden ones and links that lead out of `root` are left out.

    Raises:
        FileRefused: The folder cannot be read.
    """
    root = root.resolve()
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise FileRefused(f"{folder.name} cannot be read: {error.strerror}.") from error
    inside = [path for path in paths if path.resolve().is_relative_to(root)]
    return [f"{path.name}/" if path.is_dir() else path.name for path in inside]


def read_blocks(path: Path) -> list[Block]:
    """The text of a file, in blocks of lines.

    Raises:
        FileRefused: It is too large, not text, or not a notebook though called one.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FileRefused(f"{path.name} is larger than 1 MiB.")
        data = path.read_bytes()
    except OSError as error:
        raise FileRefused(f"{path.name} cannot be read: {error.strerror}.") from error
    if b"\0" in data[:8192]:
        raise FileRefused(f"{path.name} is not a text file.")
    text = data.decode("utf-8-sig", "replace")
    if path.suffix.lower() == ".ipynb":
        return _cells(text, path.name)
    if path.suffix.lower() in {".html", ".htm"}:
        text = _without_tags(text)
    return [Block("", tuple(text.splitlines()))]


def _cells(text: str, name: str) -> list[Block]:
    """The sources of a notebook's cells. A cell that asks an agent is left out: a question is no source."""
    try:
        cells = [
            (cell["cell_type"], cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"]))
            for cell in json.loads(text)["cells"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise FileRefused(f"{name} is not a valid notebook.") from error
    return [
        Block(f"cell {number}, ", tuple(source.splitlines()))
        for number, (kind, source) in enumerate(cells, start=1)
        if source.strip() and not (kind == "code" and _OWN_CALLS.search(source))
    ]


def _without_tags(text: str) -> str:
    """The text of an HTML page; its lines keep their numbers."""

    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n") or " "

    text = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<!--.*?-->", blank, text)
    return re.sub(r"(?s)<[^>]*>", blank, text)
