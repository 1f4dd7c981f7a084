"""A transcript as a notebook: what an agent ran as cells that run, all else as Markdown."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from ..fold import Transcript
from ..protocol import JSON
from .markdown import one_line, question_markdown, step_markdown
from .transcript import exchanges, request_note, run_note, step_code, step_pictures

if TYPE_CHECKING:
    from nbformat import NotebookNode

METADATA: Final = "reasoning_widget"
"""In a cell's metadata: which session and step it came from."""

_CODE_ARGUMENTS: Final = ("code", "python", "source", "script", "cell")
_RUNS_CODE: Final = re.compile(r"code|python|jupyter|ipython|execute|exec|repl|notebook", re.IGNORECASE)
_FENCE: Final = re.compile(r"\s*(`{3,}|~{3,})(?:python|py|ipython\d?|)[ \t]*\n(.*?)\n?\1\s*", re.DOTALL)


def to_notebook(state: Transcript) -> NotebookNode:
    """The transcript as a notebook, version 4.5.

    A call of a tool that runs Python is a cell with that code; nothing in the notebook has been run. Each cell says in
    its metadata, under `METADATA`, which session and step it came from.

    Raises:
        ImportError: nbformat is not installed.
    """
    try:
        import nbformat  # noqa: PLC0415 (optional)
    except ImportError:
        raise ImportError("`to_notebook` needs nbformat: install it with `pip install nbformat`") from None
    v4: Any = nbformat.v4  # published with types for a part of it only
    cells: list[Any] = []

    def add(kind: str, source: str, **origin: str) -> None:
        make: Any = v4.new_code_cell if kind == "code" else v4.new_markdown_cell
        metadata = {METADATA: {"session_id": state["session_id"], **origin}}
        cells.append(make(source=source, metadata=metadata, id=f"cell-{len(cells) + 1}"))

    if state["title"]:
        add("markdown", f"# {one_line(state['title'])}")
    for message, run, steps, asides, requests in exchanges(state):
        for asked in (message, *asides):
            origin = {"message_id": asked["id"]} if asked else {}
            add("markdown", question_markdown(asked, run), **origin)
        for step in steps:
            code = python_of(step)
            origin = {"step_id": str(step.get("id")), "run_id": str(step.get("run_id")), "type": str(step["type"])}
            if code is None:
                pictures = dict(step_pictures(step)) if step_code(step) is not None else {}
                add("markdown", step_markdown(step, {mime: f"attachment:{_name(mime)}" for mime in pictures}), **origin)
                if pictures:
                    cells[-1].attachments = {_name(mime): {mime: encoded} for mime, encoded in pictures.items()}
            else:
                add("code", code, **origin)
        for request in requests:
            add("markdown", f"*{one_line(request_note(request))}*", request_id=request["request_id"])
        if run is not None and (ended := run_note(run)):
            add("markdown", f"*{ended}*", run_id=run["run_id"])
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, METADATA: {"session_id": state["session_id"]}}
    made: NotebookNode = v4.new_notebook(cells=cells, metadata=metadata)
    return made


def _name(mime: str) -> str:
    return f"output.{mime.removeprefix('image/').removesuffix('+xml')}"


def python_of(step: JSON) -> str | None:
    """The Python that a call of a tool runs; None if it runs none."""
    tool = step.get("tool") or {}
    if step["type"] != "tool_use" or not _RUNS_CODE.search(str(tool.get("name", ""))):
        return None
    arguments = str(tool.get("arguments", ""))
    try:
        parsed = json.loads(arguments)
    except (ValueError, RecursionError):
        parsed = arguments  # Qwen-Agent's code interpreter also takes the code as it is
    if isinstance(parsed, dict):
        parsed = next((parsed[name] for name in _CODE_ARGUMENTS if isinstance(parsed.get(name), str)), None)
    if not isinstance(parsed, str) or not parsed.strip():
        return None
    fenced = _FENCE.fullmatch(parsed)
    return fenced[2] if fenced else parsed
