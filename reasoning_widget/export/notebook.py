"""Export a transcript as a notebook: Python code that tools ran as code cells, everything else as Markdown."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..clean import clean_text
from ..fold import Transcript
from ..protocol import ReasoningStep
from .markdown import one_line, question_markdown, step_markdown
from .transcript import exchanges, in_order, request_note, run_note, sent_pictures, step_pieces

if TYPE_CHECKING:
    from nbformat import NotebookNode

METADATA: Final = "reasoning_widget"
"""The key in the metadata of cells for the ids of their session and step."""

_TOOLS: Final = {
    "python": "code_interpreter code_execution python python3 python_repl python_repl_ast pythonrepl python_interpreter"
    " python_code python_exec python_tool run_python run_python_code execute_python execute_python_code ipython"
    " run_ipython jupyter run_cell execute_cell run_notebook_cell notebook_cell",
    "bash": "bash shell sh terminal run_bash execute_bash run_shell execute_shell shell_exec run_command"
    " execute_command",
    "javascript": "javascript js node run_javascript execute_javascript",
    "sql": "sql run_sql execute_sql sql_query query_sql",
    "r": "r run_r execute_r",
    "": "run_code execute_code exec_code code_exec code_runner exec execute repl",
}
"""The names of tools that run code, by language. For the last ones, an argument contains the language."""

_LANGUAGES: Final = {name: language for language, names in _TOOLS.items() for name in names.split()}
_PYTHON: Final = ("py", "python3", "ipython", "ipython3")
_CODE: Final = ("code", "python", "python_code", "source", "script", "cell", "command", "cmd", "sql", "query", "input")
"""The arguments that contain code, the most likely first."""

_FENCE: Final = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[ \t]*(\w*)[^\n`]*\n(.*?)\n?(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_STRING: Final = r'\s*:\s*"((?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)("?)'


def to_notebook(state: Transcript) -> NotebookNode:
    """Return the transcript as a notebook, version 4.5.

    A call of a tool that runs Python becomes a code cell; code in other languages is shown as Markdown. The cells
    have no outputs. The metadata of each cell contains the ids of its session and step under `METADATA`.

    Raises:
        ImportError: nbformat is not installed.
    """
    try:
        import nbformat
    except ImportError:
        raise ImportError("`to_notebook` needs nbformat: install it with `pip install nbformat`") from None
    v4: Any = nbformat.v4  # published with types for a part of it only
    cells: list[Any] = []

    def add(kind: str, source: str, pictures: dict[str, dict[str, str]] | None = None, **origin: str) -> None:
        make: Any = v4.new_code_cell if kind == "code" else v4.new_markdown_cell
        metadata = {METADATA: {"session_id": state["session_id"], **origin}}
        cells.append(make(source=source, metadata=metadata, id=f"cell-{len(cells) + 1}"))
        if pictures:
            cells[-1].attachments = pictures

    if state["title"]:
        add("markdown", f"# {one_line(state['title'])}")
    for message, run, steps, asides, requests in exchanges(state):
        for asked in (message, *asides):
            origin = {"message_id": asked["id"]} if asked else {}
            sent = {f"image-{n}": {each.mime: each.encoded} for n, each in enumerate(sent_pictures(asked), 1)}
            add("markdown", question_markdown(asked, run, [f"attachment:{name}" for name in sent]), sent, **origin)
        for step, request in in_order(steps, requests):
            if request is not None:
                add("markdown", f"*{one_line(request_note(request))}*", request_id=request["request_id"])
            if step is None:
                continue
            code = code_of(step)
            origin = {"step_id": str(step.get("id")), "run_id": str(step.get("run_id")), "type": str(step["type"])}
            if code is not None and code.language == "python":
                add("code", code.text, None, **origin)
                continue
            pictures = {} if code else _pictures(step)
            shown = [f"attachment:{name}" for name in pictures]
            add("markdown", step_markdown(step, shown, code), pictures, **origin)
        if run is not None and (ended := run_note(run)):
            add("markdown", f"*{ended}*", run_id=run["run_id"])
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, METADATA: {"session_id": state["session_id"]}}
    made: NotebookNode = v4.new_notebook(cells=cells, metadata=metadata)
    return made


def _pictures(step: ReasoningStep) -> dict[str, dict[str, str]]:
    """Return the pictures of a step as attachments of a cell: base64 by MIME type, by name."""
    named: dict[str, dict[str, str]] = {}
    for piece in step_pieces(step):
        if piece.kind == "picture":
            ending = piece.mime.removeprefix("image/").removesuffix("+xml")
            named[f"output-{len(named) + 1}.{ending}" if named else f"output.{ending}"] = {piece.mime: piece.text}
    return named


class Code(NamedTuple):
    """The code that a call of a tool runs."""

    text: str
    language: str
    """The language in lower case; empty if it is unknown."""


def code_of(step: ReasoningStep) -> Code | None:
    """Return the code that a call of a tool runs; None if the tool is not known to run code."""
    tool: Mapping[str, Any] = step.get("tool") or {}
    name = re.split(r"__|[./:]", str(tool.get("name", "")).lower().replace("-", "_"))[-1]
    if step["type"] != "tool_use" or name not in _LANGUAGES:
        return None
    arguments = str(tool.get("arguments", ""))
    found, said, is_cut = _arguments(arguments)
    if found is None or not found.strip():
        return None
    left_out = step["cut"].get("arguments") if isinstance(step.get("cut"), dict) else None
    is_cut |= bool(left_out) and found == arguments
    language = said.lower() or _LANGUAGES[name]
    fences = _FENCE.findall(found)
    if fences and not _is_python(found):
        labels = {label.lower() for _, label, _ in fences if label}
        language = labels.pop() if len(labels) == 1 else language
        found = "\n\n".join(code for *_, code in fences)
    language = "python" if language in _PYTHON else language
    if language == "python" and is_cut:
        found += f"\n# … {left_out:,} more characters were cut" if left_out else "\n# … the rest is missing"
    return Code(clean_text(found), language if language.isalnum() else "")


def _arguments(text: str) -> tuple[str | None, str, bool]:
    """Return the code in a call's arguments, the language that they name, and whether the code is cut off."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        if not text.lstrip().startswith('{"'):
            return text, "", False  # Qwen-Agent's code interpreter also takes the code as it is
        for name in _CODE:  # what was cut is no JSON any more
            if found := re.search(rf'"{name}"{_STRING}', text):
                language = re.search(rf'"lang(?:uage)?"{_STRING}', text)
                return _unescaped(found[1]), _unescaped(language[1]) if language else "", not found[2]
        return None, "", False
    if isinstance(parsed, dict):
        language = parsed.get("language", parsed.get("lang"))
        code = next((parsed[name] for name in _CODE if isinstance(parsed.get(name), str)), None)
        return code, language if isinstance(language, str) else "", False
    return (parsed if isinstance(parsed, str) else None), "", False


def _unescaped(text: str) -> str:
    return str(json.loads(f'"{text}"', strict=False))


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return True
