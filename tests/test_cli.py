from __future__ import annotations

import json
from pathlib import Path

import pytest

from reasoning_widget.agents.local import weights
from tests.command import Terminal, run
from tests.parts import PNG
from tests.scripted_model import BREAK, ScriptedModel, call, gate, say, think

pytestmark = pytest.mark.slow

KEY = "sk-scripted-secret"


@pytest.fixture
def scripted(scripted_model: ScriptedModel):
    """Return an environment in which the scripted model answers."""
    return {"REASONING_WIDGET_LLM": json.dumps(scripted_model.llm(use_raw_api=True))}


@pytest.fixture
def heron(scripted_model: ScriptedModel, scripted, tmp_path):
    """A folder with a file, and a model that reads it before it answers."""
    (tmp_path / "birds.md").write_text("The heron is grey.\n")
    scripted_model.script(
        "heron",
        [
            [think("I look it up."), call("search_files", {"query": "heron"}, "c1")],
            [say("It is **grey** (birds.md:1).")],
        ],
    )
    return scripted


def test_in_a_pipe_ask_prints_the_answer_to_stdout_and_steps_to_stderr(heron, tmp_path):
    done = run("ask", "Which colour has the heron?", cwd=tmp_path, **heron)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "It is **grey** (birds.md:1).\n"
    why, *lines = done.stderr.splitlines()
    assert "REASONING_WIDGET_LLM" in why  # the reason why this model answers
    assert lines[0] == "Thought: I look it up."
    assert lines[1].startswith('Tool use: search_files({"query"')
    assert lines[2] == "Tool result: [birds.md:1]"
    assert KEY not in done.stdout + done.stderr


def test_an_image_is_sent_with_a_prompt(scripted_model, scripted, tmp_path):
    (tmp_path / "heron.png").write_bytes(PNG)
    done = run("ask", "What is this?", "--image", "heron.png", "--agent", "assistant", cwd=tmp_path, **scripted)
    assert done.returncode == 0, done.stderr
    (request,) = scripted_model.requests
    assert "heron.png" in str(request.messages[-1])


def test_in_a_terminal_ask_draws_cards_in_five_colours(heron, tmp_path):
    with Terminal("ask", "Which colour has the heron?", cwd=tmp_path, **heron) as terminal:
        assert terminal.end() == 0
    text = terminal.text
    for title in ("Thought", "Tool use", "Tool result", "Final answer"):
        assert title in text
    assert "\x1b[34m" in text  # blue, the thought
    assert "\x1b[32m" in text  # green, the answer
    assert "**grey**" not in text  # Markdown is drawn


def test_ctrl_c_keeps_the_partial_output_and_marks_it(scripted_model, scripted, tmp_path):
    scripted_model.script("heron", [[say("It is"), gate("end"), say(" grey.")]])
    with Terminal("ask", "The heron?", cwd=tmp_path, **scripted) as terminal:
        terminal.until("It is")
        terminal.interrupt()
        assert terminal.end() == 130
    assert "It is" in terminal.text.rpartition("Final answer (stopped)")[2]
    assert "Traceback" not in terminal.text


def test_an_incomplete_answer_is_not_printed_as_the_answer(scripted_model, scripted, tmp_path):
    scripted_model.script("heron", [[say("It is"), BREAK]])
    done = run("ask", "The heron?", cwd=tmp_path, **scripted)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Final answer (stopped): It is" in done.stderr


def test_while_an_answer_taller_than_the_terminal_grows_its_end_is_visible(scripted_model, scripted, tmp_path):
    lines = "\n".join(f"- line {number}" for number in range(1, 41))
    scripted_model.script("heron", [[say(lines), gate("end"), say("\n\nThat is all.")]])
    with Terminal("ask", "The heron?", cwd=tmp_path, **scripted, COLUMNS="60", LINES="24") as terminal:
        terminal.until("line 40")
        shown = terminal.text.rpartition("\x1b[2K")[2]
        assert shown.count("\n") < 24  # lines that have scrolled away cannot be redrawn: they would appear twice
        scripted_model.open("end")
        assert terminal.end() == 0
    assert "That is all." in terminal.text


def test_a_tool_that_failed_is_marked_and_the_answer_follows(scripted_model, scripted, tmp_path):
    scripted_model.script("reports", [[call("read_file", {"path": "reports"}, "c1")], "There is no such folder."])
    done = run("ask", "What is in reports?", cwd=tmp_path, **scripted)
    assert (done.returncode, done.stdout) == (0, "There is no such folder.\n")
    assert "Tool result (failed): There is no file reports." in done.stderr


def test_an_empty_answer_after_a_failed_tool_is_reported_below_the_failure(scripted_model, scripted, tmp_path):
    scripted_model.script("reports", [[call("read_file", {"path": "reports"}, "c1")], ""])
    done = run("ask", "What is in reports?", cwd=tmp_path, **scripted)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Tool result (failed): There is no file reports." in done.stderr
    assert done.stderr.splitlines()[-1].startswith("The model ended without an answer. Ask again")
    assert len(scripted_model.requests) == 2


_TELLER = """
async def teller(prompt):
    yield {"type": "thought", "content": "first"}
    yield {"type": "thought", "content": "second"}
    outer = {"type": "tool_result", "id": "outer", "content": "", "status": "streaming"}
    yield outer
    yield {"type": "thought", "id": "inner", "content": "within", "status": "done", "parent_id": "outer"}
    yield {**outer, "content": "the result", "status": "done"}
    for text in ("It", "It is so."):
        yield {"type": "final_answer", "id": "answer", "content": text}
"""


def install(folder, source):
    """Install a package with the agent `teller` in the folder."""
    (folder / "teller.py").write_text(source)
    package = folder / "teller-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: teller\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[reasoning_widget.agents]\nteller = teller:teller\n")


def test_every_step_is_printed_once_and_whole_however_an_agent_yields_it(tmp_path):
    install(tmp_path, _TELLER)
    done = run("ask", "Go on.", "--agent", "teller", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.stdout == "It is so.\n", done.stderr
    _, *lines = done.stderr.splitlines()
    assert lines == ["Thought: first", "Thought: second", "Thought: within", "Tool result: the result"]


_BROKEN = """
async def teller(prompt):
    yield {"type": "thought", "content": "Let me see."}
    weigh(prompt)

def weigh(prompt):
    raise ValueError(f"no scales for {prompt}, api_key=sk-abcdefghijklmnopqrstuvwx")
"""


@pytest.mark.parametrize("shown_in", ["a pipe", "a terminal"])
def test_an_exception_of_an_agent_is_shown_with_its_place_in_the_code(shown_in, tmp_path):
    install(tmp_path, _BROKEN)
    environment = {"PYTHONPATH": str(tmp_path), "COLUMNS": "200"}
    if shown_in == "a pipe":
        done = run("ask", "herons", "--agent", "teller", cwd=tmp_path, **environment)
        status, said = done.returncode, done.stderr
        assert done.stdout == ""
    else:
        with Terminal("ask", "herons", "--agent", "teller", cwd=tmp_path, **environment) as terminal:
            status = terminal.end()
        said = terminal.text
    assert status == 1
    assert "Let me see." in said
    assert "ValueError: no scales for herons" in said
    assert "(Raised at teller.py, line 7, in weigh.)" in said
    assert "sk-abc" not in said
    assert "Traceback" not in said


def test_a_rejected_key_is_explained(scripted_model, tmp_path):
    llm = {**scripted_model.llm(), "model_server": "http://127.0.0.1:9/v1"}
    done = run("ask", "Hello?", "--agent", "assistant", cwd=tmp_path, REASONING_WIDGET_LLM=json.dumps(llm))
    assert done.returncode == 1
    assert "No model answers at" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ask", "Hello?", "--agent", "nobody"), "researcher"),
        (("ask", "  "), "The question is empty"),
        (("ask", "Hello?"), "reasoning-widget model pull"),
        (("model", "pull", "--size", "70b"), "0.5b or 1.5b"),
        (("model", "path"), "reasoning-widget model pull"),
    ],
)
def test_errors_that_the_user_can_fix_are_explained_in_a_sentence(arguments, message, tmp_path):
    done = run(*arguments, cwd=tmp_path, REASONING_WIDGET_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_model_which_shows_the_model_and_the_reason(tmp_path):
    done = run("model", "which", cwd=tmp_path, OPENAI_API_KEY=KEY)
    assert "→ OPENAI_API_KEY" in done.stdout
    assert KEY not in done.stdout


def test_pull_prints_the_path_of_the_weights_and_list_and_path_find_them(tmp_path):
    weights.pull("0.5b")
    done = run("model", "pull", cwd=tmp_path)
    assert done.stdout.strip() == run("model", "path", cwd=tmp_path).stdout.strip()
    assert Path(done.stdout.strip()).stat().st_size == weights.model("0.5b").bytes
    assert "0.5 GB  here" in run("model", "list", cwd=tmp_path).stdout
