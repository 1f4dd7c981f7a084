"""List and read the text files below a folder.

Only regular files inside the folder are read, and no files with keys. Whatever the name and content of a file, the time
and memory for reading it are proportional to its length.
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
"""Maximum size of all searched files together."""

_MAX_ENTRIES: Final = 100_000
"""Maximum number of files and folders that are listed."""
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
    """A file that can be searched."""

    path: str
    """Relative to the folder, with slashes."""
    changed: tuple[int, int]
    """The modification time in ns, and the size: a different value means a changed file."""


@dataclass(frozen=True)
class Block:
    """The lines of a file, or of a cell of a notebook."""

    label: str
    """Text in front of the line number: empty, or the number of the cell."""
    lines: tuple[str, ...]


def text_files(root: Path) -> list[TextFile]:
    """Return the text files below `root`, sorted, at most `MAX_FILES`.

    Leaves out hidden files, packages, environments, files above 1 MiB, files that are not regular, links that lead out
    of `root`, and files with keys.
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
    """Yield the files that are text files according to their names. Links to folders are not followed."""
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
        return []  # deleted, or no permission


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_readable(root: Path, path: Path) -> bool:
    """Return whether a path, and the target if it is a link, is below `root` and has no keys."""
    target = _real_path(path)
    if not target.is_relative_to(root):
        return False
    return not any(holds_keys(each.relative_to(root)) for each in (path, target))


def _real_path(path: Path) -> Path:
    """Return the target of a path. A link to itself is its own target."""
    return Path(os.path.realpath(path))


def _regular_file(path: Path) -> os.stat_result | None:
    """Return the status of a regular file, following links; None if it is not regular or does not exist."""
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
    """Return a path as one line of valid Unicode: names can contain line breaks and undecodable bytes."""
    return _UNPRINTABLE.sub(lambda sign: sign[0].encode("unicode_escape", "surrogatepass").decode(), path)


def resolve(root: Path, path: str) -> Path:
    """Return the file or folder with this path below `root`.

    Raises:
        FileRefused: It is outside `root`, hidden, missing, or a file with keys.
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
    """Return the names in a folder below `root`, sorted. Names of folders end with a slash.

    Leaves out what is hidden, links that lead out of `root`, what is neither a file nor a folder, and files with keys.

    Raises:
        FileRefused: The folder cannot be read.
    """
    return [name for name, is_withheld in _entries(root, folder) if not is_withheld]


def count_key_files(root: Path, folder: Path) -> int:
    """Return how many files in a folder below `root` are left out of `entries` because of keys.

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
    """Return the text of a file, in blocks of lines.

    Raises:
        FileRefused: The file is not regular, too large, not text, a key, or an invalid notebook.
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
    """Return the content of a regular file. The type is checked after opening, when it can no longer change.

    The file is opened without blocking: a pipe would block until somebody writes to it.
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
    """The part of a notebook that is read. The decoder skips the rest, however deeply nested."""

    cells: list[_Cell]


def _cells(text: str, name: str) -> list[Block]:
    """The sources of a notebook's cells. Cells that ask an agent are left out: a prompt is not a source."""
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
    """Return the text of an HTML page, with the same line numbers.

    Takes linear time for any page. The standard library's parser takes quadratic time if many tags are not closed.
    """
    kept: list[str] = []
    lower = text.lower() if text.isascii() else text.translate(_ASCII_LOWER)
    at = 0
    while (start := text.find("<", at)) >= 0:
        kept.append(_unescape(text[at:start]))
        end = _end_of_markup(text, lower, start)
        if end is None:  # no further tag is closed: the rest is text
            return "".join([*kept, _unescape(text[start:])])
        kept.append(_blank_lines(text[start:end]) if end > start + 1 else "<")
        at = end
    return "".join([*kept, _unescape(text[at:])])


def _end_of_markup(text: str, lower: str, start: int) -> int | None:
    """Return where the markup at `<` ends: a comment, an ignored element, a tag, or the bare sign."""
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
    """Decode character references. An encoded line break becomes a space, so that line numbers stay the same."""
    return (
        text if "&" not in text else "\n".join(" ".join(html.unescape(line).splitlines()) for line in text.split("\n"))
    )


def _blank_lines(markup: str) -> str:
    return "\n" * markup.count("\n") or " "
