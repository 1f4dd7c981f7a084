"""The tools of the included agents, for Qwen-Agent. Call `import_qwen_agent` before you import this module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qwen_agent.tools.base import BaseTool

from ...masking import mask
from ..exceptions import AgentError
from .calculator import CalculationError, calculate
from .files import FileRefused, count_key_files, entries, printable, read_blocks, resolve, text_files
from .schemas import CALCULATE, READ_FILE, SEARCH_FILES
from .search import index_of

_WITHHELD = "what may hold keys or passwords is not read"


class ToolFailed(AgentError):
    """A tool failed; the text tells the model and the person why."""


class _Tool(BaseTool):  # type: ignore[misc]
    """A tool with one text parameter."""

    def call(self, params: str | dict[str, Any], **kwargs: Any) -> str:
        """Run the tool with the arguments that the model wrote.

        Raises:
            ToolFailed: The arguments are not a JSON object, or the tool fails.
        """
        (wanted,) = self.parameters["required"]
        try:
            arguments = json.loads(params) if isinstance(params, str) else params
            text = str(arguments[wanted]).strip()
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ToolFailed(f'{self.name} takes a JSON object with "{wanted}".') from None
        return self.run(text)

    def run(self, text: str) -> str:
        """Return the result for `text`, the argument."""
        raise NotImplementedError


class SearchFiles(_Tool):
    """Searches the text files below a folder."""

    name = SEARCH_FILES["name"]
    description = SEARCH_FILES["description"]
    parameters = SEARCH_FILES["parameters"]

    def __init__(self, root: Path, count: int = 3) -> None:
        super().__init__()
        self._root = root
        self._count = count

    def run(self, text: str) -> str:
        """Return the best passages, each after its ``[path:lines]``."""
        found = index_of(self._root).search(text, self._count)
        if found:
            return mask("\n\n".join(map(str, found)))
        files = text_files(self._root)
        if not files:
            return "There are no text files in the notebook's folder."
        names = _joined([printable(file.path) for file in files], 20)
        return f"Nothing found for {text!r}. The files are: {names}"


class ReadFile(_Tool):
    """Reads a text file, or lists a folder, below a folder."""

    name = READ_FILE["name"]
    description = READ_FILE["description"]
    parameters = READ_FILE["parameters"]

    def __init__(self, root: Path, max_chars: int = 20_000, max_names: int = 200) -> None:
        super().__init__()
        self._root = root
        self._max_chars = max_chars
        self._max_names = max_names

    def run(self, text: str) -> str:
        """Return the text of a file after its ``[path:lines]``, or the names in a folder."""
        try:
            target = self._find(text)
            if target.is_dir():
                return self._listing(target)
            name = printable(target.relative_to(self._root.resolve()).as_posix())
            blocks = read_blocks(target)
        except FileRefused as error:
            raise ToolFailed(str(error)) from error
        # Any other file may contain a key, too, and the model must not see it.
        whole = mask("\n\n".join(f"[{name}:{b.label}1-{len(b.lines)}]\n" + "\n".join(b.lines) for b in blocks))
        if len(whole) > self._max_chars:
            return f"{whole[: self._max_chars]}\n… (cut: {len(whole):,} characters in all; search_files finds the rest)"
        return whole or f"{name} is empty."

    def _find(self, path: str) -> Path:
        """Return the file with this path, or the only file with this name."""
        try:
            return resolve(self._root, path)
        except FileRefused as refused:
            files = [file.path for file in text_files(self._root)]
            same = [file for file in files if path in (Path(file).name, printable(file), printable(Path(file).name))]
            if len(same) == 1:
                return resolve(self._root, same[0])
            there = list(map(printable, same)) or entries(self._root, self._root)
            raise FileRefused(f"{refused} There are: {_joined(there, 20)}" if there else str(refused)) from refused

    def _listing(self, folder: Path) -> str:
        names = entries(self._root, folder)
        folders = [name for name in names if name.endswith("/")]
        files = [name for name in names if not name.endswith("/")]
        parts = [
            f"{len(found):,} {kind}{'' if len(found) == 1 else 's'}: {_joined(found, self._max_names)}"
            for kind, found in (("file", files), ("folder", folders))
            if found
        ]
        # In sentences, which a small model can repeat. It does not understand bare names.
        left_out = count_key_files(self._root, folder)
        note = (
            f" {left_out:,} {'file is' if left_out == 1 else 'files are'} not listed: {_WITHHELD}." if left_out else ""
        )
        return (f"The folder holds {', and '.join(parts)}." if parts else "The folder is empty.") + note


def _joined(names: list[str], count: int) -> str:
    """Return the first `count` names, and the number of the others."""
    rest = [f"… and {len(names) - count:,} more"] if len(names) > count else []
    return ", ".join([*names[:count], *rest])


class Calculate(_Tool):
    """A calculator."""

    name = CALCULATE["name"]
    description = CALCULATE["description"]
    parameters = CALCULATE["parameters"]

    def run(self, text: str) -> str:
        """Return the value of an expression."""
        try:
            return f"{text} = {calculate(text)}"
        except CalculationError as error:
            raise ToolFailed(str(error)) from error
