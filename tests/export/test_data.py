"""Exports of a transcript as a table and as a notebook."""

import csv
import json
import subprocess
import sys
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from reasoning_widget.export.frame import to_csv, to_frame
from reasoning_widget.export.notebook import code_of, to_notebook
from reasoning_widget.export.saved import SavedTranscript, Saver, folded
from reasoning_widget.protocol import ToolCall
from tests.export.sessions import hand_made
from tests.session.manual import ask, open_session

STORY = (
    {"type": "thought", "content": "I compute."},
    {
        "type": "tool_use",
        "content": "",
        "tool": {"name": "code_interpreter", "arguments": json.dumps({"code": "print(6 * 7)"})},
        "duration": 0.5,
        "usage": {"input_tokens": 7, "output_tokens": 3},
    },
    {"type": "tool_result", "content": "42", "tool": {"name": "code_interpreter"}},
    {"type": "final_answer", "content": "It is 42."},
)


def test_a_frame_has_a_row_for_each_step():
    frame = to_frame(hand_made(*STORY))

    assert frame["type"].tolist() == ["thought", "tool_use", "tool_result", "final_answer"]
    assert frame["content"].tolist()[-1] == "It is 42."
    assert frame["tool"].dropna().tolist() == ["code_interpreter", "code_interpreter"]
    assert frame["output_tokens"].sum() == 3
    assert frame["duration"].sum() == 0.5
    assert frame["time"][0] == pd.Timestamp(1.0, unit="s", tz="UTC")
    assert set(frame["question"]) == {"What is it?"}


def test_the_frame_of_an_empty_transcript_has_the_same_columns():
    assert to_frame(hand_made()).columns.tolist() == to_frame(hand_made(*STORY)).columns.tolist()


def test_a_frame_omits_numbers_that_it_cannot_represent():
    frame = to_frame(
        hand_made(
            {"type": "thought", "content": "", "timestamp": 1e16, "usage": {"input_tokens": 2**70, "output_tokens": 1}},
            {"type": "thought", "content": "", "usage": {"input_tokens": 2}},
        )
    )

    assert frame["time"].isna().tolist() == [True, False]
    assert frame["input_tokens"].isna().tolist() == [True, False]
    assert frame["input_tokens"][1] == 2


def test_a_table_has_a_row_for_each_step_and_no_spreadsheet_formula():
    shown = {"type": "final_answer", "content": '=HYPERLINK("https://example.org", "here")', "timestamp": 1e300}

    thought, *_, answer = csv.DictReader(to_csv(hand_made(*STORY, shown)).splitlines())

    assert (thought["type"], thought["question"]) == ("thought", "What is it?")
    assert thought["time"] == "1970-01-01T00:00:01+00:00"
    assert answer["content"] == '\'=HYPERLINK("https://example.org", "here")'
    assert answer["time"] == ""


@pytest.mark.parametrize(("module", "export"), [("pandas", "frame"), ("nbformat", "notebook")])
def test_without_the_library_the_error_says_what_to_install(module, export):
    program = (
        f"import sys; sys.modules['{module}'] = None\n"
        f"from reasoning_widget.export.{export} import to_{export}\n"
        "from reasoning_widget.fold import new_transcript\n"
        f"try: to_{export}(new_transcript())\n"
        "except ImportError as error: print(error)"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert f"pip install {module}" in ran.stdout


def test_a_notebook_runs_the_code_that_the_agent_ran(kernel_name):
    notebook = to_notebook(hand_made(*STORY))
    nbformat.validate(notebook)

    NotebookClient(notebook, kernel_name=kernel_name).execute()

    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cell.outputs[0].text == "42\n"
    assert cell.metadata["reasoning_widget"] == {
        "session_id": "demo",
        "step_id": "s1",
        "run_id": "r",
        "type": "tool_use",
    }
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert all(text in prose for text in ("A title", "What is it?", "I compute.", "It is 42."))
    assert all("reasoning_widget" in cell.metadata for cell in notebook.cells)


def ran(name, arguments, **more):
    step: Any = {"type": "tool_use", "content": "", "tool": {"name": name, "arguments": arguments}, **more}
    return code_of(step)


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("code_interpreter", "```python\nx = 1\n```", "x = 1"),
        ("code_interpreter", '{"code": "```py\\nx = 1\\n```"}', "x = 1"),
        ("code_interpreter", "Let me see:\n```python\nx = 1\n```\nThat is it.", "x = 1"),
        (
            "code_interpreter",
            '{"code": "First\\n```python\\nx = 1\\n```\\nthen\\n```python\\ny = 2\\n```"}',
            "x = 1\n\ny = 2",
        ),
        ("code_interpreter", "x = '''\n```python\ny\n```\n'''", "x = '''\n```python\ny\n```\n'''"),
        ("code_interpreter", "x = 1", "x = 1"),
        ("code_interpreter", 'x = {"code": "DE"}', 'x = {"code": "DE"}'),
        ("python", '{"source": "x = 1"}', "x = 1"),
        ("mcp__jupyter__execute_cell", '{"code": "x = 1"}', "x = 1"),
        ("run_code", '{"language": "Python", "code": "x = 1"}', "x = 1"),
        ("run_code", '{"code": "```python\\nx = 1\\n```"}', "x = 1"),
    ],
)
def test_calls_that_run_python_are_code_cells(name, arguments, code):
    assert ran(name, arguments) == (code, "python")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("code_interpreter", ""),
        ("code_interpreter", '{"other": 1}'),
        ("code_interpreter", '{"other": "cut o'),
        ("search", '{"code": "x = 1"}'),
        ("geocode", '{"query": "Berlin"}'),
        ("lookup", '{"country_code": "DE"}'),
        ("execution_report", '{"source": "x"}'),
    ],
)
def test_calls_that_run_no_code_are_not_code_cells(name, arguments):
    assert ran(name, arguments) is None


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [
        ("execute_shell", '{"script": "rm -rf x"}', "```bash\nrm -rf x\n```"),
        ("run_code", '{"language": "javascript", "code": "let x = 1"}', "```javascript\nlet x = 1\n```"),
        ("run_code", '{"code": "```js\\nlet x = 1\\n```"}', "```js\nlet x = 1\n```"),
        ("run_code", '{"code": "console.log(1)"}', "```\nconsole.log(1)\n```"),
        ("run_code", '{"language": "x`\\n<b>", "code": "let x = 1"}', "```\nlet x = 1\n```"),
        ("country_code", '{"code": "DE"}', '```\n{\n  "code": "DE"\n}\n```'),
    ],
)
def test_code_in_another_language_is_shown_as_code_but_not_run(name, arguments, shown):
    step = {"type": "tool_use", "content": "", "tool": {"name": name, "arguments": arguments}}

    cell = to_notebook(hand_made(step)).cells[-1]

    assert cell.cell_type == "markdown"
    assert shown in cell.source


async def test_python_shortened_for_saving_is_marked_code():
    code = "\n".join(f"x{number} = {number}" for number in range(2_000))
    session, runner = open_session()
    ask(session, "Compute", "m1")
    tool: ToolCall = {"name": "code_interpreter", "arguments": json.dumps({"code": code})}
    runner.run.emit({"type": "tool_use", "content": "", "tool": tool})
    runner.run.end()
    file = Saver(SavedTranscript(), session.blob).file(session.state, session.events_after(0))

    cell = to_notebook(folded(file)).cells[-1]

    assert cell.cell_type == "code"
    assert cell.source.startswith("x0 = 0\nx1 = 1\n")
    assert cell.source.endswith(f"\n# … {len(tool['arguments']) - 8_000:,} more characters were cut")
    assert code.startswith(cell.source.rpartition("\n")[0])


def test_python_cut_off_within_a_character_is_marked_code():
    assert ran("python", '{"code": "x = 1\\ny = \\u00', cut={"arguments": 7}) == (
        "x = 1\ny = \n# … 7 more characters were cut",
        "python",
    )
    assert ran("python", '{"code": "x = 1') == ("x = 1\n# … the rest is missing", "python")
    assert ran("python", "x = 1", cut={"arguments": 7}) == ("x = 1\n# … 7 more characters were cut", "python")
    assert ran("python", '{"code": "x = 1", "why": "bec', cut={"arguments": 7}) == ("x = 1", "python")
