"""The text files below a folder: which there are, and what is in them.

Nothing outside the folder is ever read, nor anything but regular files, nor files that hold keys. Whatever is in a file
and however it is called, reading takes time and memory in proportion to its length.
"""

from __future__ import annotations

import html
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from .key_files import REASON, begins_with_key, holds_keys

MAX_FILES: Final = 2000
MAX_FILE_BYTES: Final = 1024 * 1024
MAX_BYTES: Final = 64 * 1024 * 1024
"""Of all files together that are searched."""

_MAX_ENTRIES: Final = 100_000
"""Files and folders that are looked at by their names."""
_MAX_DEPTH: Final = 64

_SUFFIX_TEXT: Final = (
    ".bib .c .cfg .conf .cpp .css .csv .go .h .hpp .htm .html .ini .ipynb .java .jl .js .json .jsonl .jsx .lua .md "
    ".org .php .py .pyi .qmd .r .rb .rmd .rs .rst .sh .sql .swift .tex .toml .ts .tsv .tsx .txt .vue .xml .yaml .yml"
)
_SUFFIXES: Final = frozenset(_SUFFIX_TEXT.split())
_NAMES: Final = frozenset(
    {"CHANGELOG", "CONTRIBUTING", "COPYING", "Dockerfile", "LICENSE", "Makefile", "NOTES", "README", "TODO"}
)
_SKIPPED_FOLDERS: Final = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "target", "venv"})
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TAG: Final = re.compile(r"<[/!?A-Za-z]")
_IGNORED_ELEMENTS: Final = ("script", "style")
_ASCII_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_OPEN_FLAGS: Final = (
    getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_ASK_CALLS: Final = re.compile(r"\bReasoningChat\(|\.(?:ask|stream)\(")


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

    Hidden ones, packages, environments, files above 1 MiB, what is no regular file, links that lead out of `root`, and
    files that hold keys are left out.
    """
    root = _real_path(root)
    found: list[TextFile] = []
    left = MAX_BYTES
    for path in _walk(root):
        status = _regular_file(path)
        if status is None or status.st_size > MAX_FILE_BYTES or status.st_size > left:
            continue
        left -= status.st_size
        found.append(TextFile(path.relative_to(root).as_posix(), (status.st_mtime_ns, status.st_size)))
        if len(found) == MAX_FILES:
            break
    return sorted(found, key=lambda file: file.path)


def _walk(root: Path) -> Iterator[Path]:
    """What may be text files, by their names. Links to folders are not followed."""
    waiting, seen = [root], 0
    while waiting:
        folder = waiting.pop()
        inner: list[Path] = []
        for entry in sorted(_scan(folder, _MAX_ENTRIES - seen), key=lambda entry: entry.name):
            seen += 1
            path = folder / entry.name
            if _is_folder(entry):
                if not _is_skipped(path) and len(path.parts) - len(root.parts) <= _MAX_DEPTH:
                    inner.append(path)
            elif not entry.name.startswith(".") and _is_text_name(path) and _is_readable(root, path):
                yield path
        waiting.extend(reversed(inner))


def _scan(folder: Path, most: int) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries_in:
            return list(islice(entries_in, max(0, most)))
    except OSError:
        return []  # gone meanwhile, or closed to us


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_readable(root: Path, path: Path) -> bool:
    """Whether a path, and what it is a link to, is below `root` and holds no keys."""
    target = _real_path(path)
    if not target.is_relative_to(root):
        return False
    return not any(holds_keys(each.relative_to(root)) for each in (path, target))


def _real_path(path: Path) -> Path:
    """Where a path leads; a link to itself stays where it is."""
    return Path(os.path.realpath(path))


def _regular_file(path: Path) -> os.stat_result | None:
    """The status of a regular file, wherever links lead; None for all else, such as a pipe, and for what is gone."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _is_skipped(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in _SKIPPED_FOLDERS or (folder / "pyvenv.cfg").exists()


def _is_text_name(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES or path.name in _NAMES


def printable(path: str) -> str:
    """A path in one line: a name may hold line breaks, and what no UTF-8 can hold."""
    return _UNPRINTABLE.sub(lambda sign: sign[0].encode("unicode_escape", "surrogatepass").decode(), path)


def resolve(root: Path, path: str) -> Path:
    """The file or folder that `path` names below `root`.

    Raises:
        FileRefused: It is outside, hidden, not there, or holds keys.
    """
    root = _real_path(root)
    name = printable(path)
    try:
        asked = Path(path) if Path(path).is_absolute() else root / path.lstrip("/\\")
        target = _real_path(asked)
        is_there = os.path.lexists(target)
    except (OSError, ValueError):
        raise FileRefused(f"{name[:200]} is no path of a file.") from None
    if not target.is_relative_to(root):
        raise FileRefused(f"{name} is outside the notebook's folder: only files below it may be read.")
    inner = target.relative_to(root)
    links = asked.relative_to(root) if asked.is_relative_to(root) else inner
    if any(part.startswith(".") for part in inner.parts):
        raise FileRefused(f"{name} is hidden: hidden files are not read.")
    if holds_keys(inner) or holds_keys(links):
        raise FileRefused(f"{name} {REASON}.")
    if not is_there:
        raise FileRefused(f"There is no file {name}.")
    return target


def entries(root: Path, folder: Path) -> list[str]:
    """The names in a folder below `root`, sorted, those of folders with a slash behind.

    Hidden ones, links that lead out of `root`, what is neither file nor folder, and files that hold keys are left out.

    Raises:
        FileRefused: The folder cannot be read.
    """
    return [name for name, is_withheld in _entries(root, folder) if not is_withheld]


def count_key_files(root: Path, folder: Path) -> int:
    """How many files in a folder below `root` are left out of `entries` because they hold keys.

    Raises:
        FileRefused: The folder cannot be read.
    """
    return sum(is_withheld for _, is_withheld in _entries(root, folder))


def _entries(root: Path, folder: Path) -> list[tuple[str, bool]]:
    root = _real_path(root)
    try:
        with os.scandir(folder) as found:
            names = sorted(entry.name for entry in islice(found, _MAX_ENTRIES) if not entry.name.startswith("."))
    except OSError as error:
        raise FileRefused(f"{printable(folder.name)} cannot be read: {error.strerror}.") from error
    listed: list[tuple[str, bool]] = []
    for name in names:
        path = folder / name
        target = _real_path(path)
        if not target.is_relative_to(root):
            continue
        if target.is_dir():
            listed.append((f"{printable(name)}/", False))
        elif _regular_file(path) is not None:
            listed.append((printable(name), not _is_readable(root, path)))
    return listed


def read_blocks(path: Path) -> list[Block]:
    """The text of a file, in blocks of lines.

    Raises:
        FileRefused: It is no regular file, too large, not text, a key, or not a notebook though called one.
    """
    data = _read(path)
    name = printable(path.name)
    if begins_with_key(data[:1024]):
        raise FileRefused(f"{name} {REASON}.")
    if b"\0" in data[:8192]:
        raise FileRefused(f"{name} is not a text file.")
    text = data.decode("utf-8-sig", "replace")
    if path.suffix.lower() == ".ipynb":
        return _cells(text, name)
    if path.suffix.lower() in {".html", ".htm"}:
        text = _without_tags(text)
    return [Block("", tuple(text.splitlines()))]


def _read(path: Path) -> bytes:
    """What is in a regular file. It is looked at once it is open: before, it may still become another one.

    Nothing waits: opening a pipe would, until somebody writes into it.
    """
    name = printable(path.name)
    try:
        opened = os.open(path, os.O_RDONLY | _OPEN_FLAGS)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FileRefused(f"{name} cannot be read: {reason}.") from error
    with os.fdopen(opened, "rb") as file:
        try:
            status = os.fstat(opened)
            if not stat.S_ISREG(status.st_mode):
                raise FileRefused(f"{name} is no regular file: pipes, sockets and devices are not read.")
            if status.st_size > MAX_FILE_BYTES or len(data := file.read(MAX_FILE_BYTES + 1)) > MAX_FILE_BYTES:
                raise FileRefused(f"{name} is larger than 1 MiB.")
        except OSError as error:
            raise FileRefused(f"{name} cannot be read: {error.strerror}.") from error
    return data


class _Cell(msgspec.Struct):
    cell_type: str
    source: str | list[str] = ""


class _Notebook(msgspec.Struct):
    """What is read of a notebook; all else in it, however deep, is passed over."""

    cells: list[_Cell]


def _cells(text: str, name: str) -> list[Block]:
    """The sources of a notebook's cells. A cell that asks an agent is left out: a question is no source."""
    try:
        notebook = msgspec.json.decode(text, type=_Notebook)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise FileRefused(f"{name} is not a valid notebook.") from error
    cells = [(cell.cell_type, "".join(cell.source)) for cell in notebook.cells]
    return [
        Block(f"cell {number}, ", tuple(source.splitlines()))
        for number, (kind, source) in enumerate(cells, start=1)
        if source.strip() and not (kind == "code" and _ASK_CALLS.search(source))
    ]


def _without_tags(text: str) -> str:
    """The text of an HTML page; its lines keep their numbers.

    It looks at each character once, whatever the page is: the standard library's parser looks at all of the rest again
    for each tag that does not end.
    """
    kept: list[str] = []
    lower = text.lower() if text.isascii() else text.translate(_ASCII_LOWER)
    at = 0
    while (start := text.find("<", at)) >= 0:
        kept.append(_unescape(text[at:start]))
        end = _end_of_markup(text, lower, start)
        if end is None:  # no tag ends any more: all the rest is text
            return "".join([*kept, _unescape(text[start:])])
        kept.append(_blank_lines(text[start:end]) if end > start + 1 else "<")
        at = end
    return "".join([*kept, _unescape(text[at:])])


def _end_of_markup(text: str, lower: str, start: int) -> int | None:
    """Where what begins with `<` ends: a comment, an element that nobody reads, a tag, or a mere sign."""
    if text.startswith("<!--", start):
        end = text.find("-->", start + 2)
        return end + 3 if end >= 0 else len(text)
    if not _TAG.match(text, start):
        return start + 1
    for name in _IGNORED_ELEMENTS:
        if lower.startswith(name, start + 1) and not lower[start + 1 + len(name) : start + 2 + len(name)].isalnum():
            close = lower.find(f"</{name}", start)
            end = text.find(">", close) if close >= 0 else -1
            return end + 1 if end >= 0 else len(text)
    end = text.find(">", start)
    return end + 1 if end >= 0 else None


def _unescape(text: str) -> str:
    """Text of a page, in which a line break that is written as a character reference begins no line."""
    return (
        text if "&" not in text else "\n".join(" ".join(html.unescape(line).splitlines()) for line in text.split("\n"))
    )


def _blank_lines(markup: str) -> str:
    return "\n" * markup.count("\n") or " "
