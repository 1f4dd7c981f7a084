from __future__ import annotations

import subprocess
import sys

import pytest

from reasoning_widget.agents.exceptions import AgentError
from reasoning_widget.agents.growing import whole_steps
from reasoning_widget.agents.manager import AgentManager
from reasoning_widget.agents.models import choose_model
from reasoning_widget.agents.presets import assistant, researcher, warm_up
from tests.scripted_model import say


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("REASONING_WIDGET_CACHE", str(tmp_path))


def test_included_agents_are_listed_with_a_description():
    listed = {info["name"]: info["description"] for info in AgentManager().list()}
    assert "files below the notebook" in listed["researcher"]
    assert "Plain chat" in listed["assistant"]


@pytest.mark.parametrize("make", [researcher, assistant])
def test_without_weights_the_error_says_what_to_do(no_weights, make):
    with pytest.raises(AgentError, match="model pull"):
        make({"model_type": "embedded"})


def test_without_weights_no_server_is_started(no_weights, tmp_path):
    warm_up(choose_model({"model_type": "embedded"}))
    assert not (tmp_path / "servers").exists()


def test_importing_the_included_agents_loads_nothing_heavy():
    heavy = ("qwen_agent", "openai", "numpy", "xllamacpp", "huggingface_hub")
    code = f"import sys, reasoning_widget.agents.presets; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


async def test_a_remote_model_gets_the_tools_and_its_answer_is_unchanged(scripted_model, tmp_path):
    (tmp_path / "a.md").write_text("The heron is grey.\n")
    scripted_model.script("heron", [[say("The heron is grey (a.md:1).")]])
    agent = researcher(scripted_model.llm(), tmp_path)
    steps = [step async for step in whole_steps(agent.run_with_reasoning_stream("Which colour is the heron?"))]
    assert steps[-1]["content"] == "The heron is grey (a.md:1)."
    assert "search_files" in str(scripted_model.wait_for_request().messages)


@pytest.mark.parametrize("make", [researcher, assistant])
async def test_included_agents_get_the_content_of_attached_text_files(scripted_model, make):
    files = [
        {"file": "The heron is grey. 🪶".encode(), "name": "birds.md"},
        {"file": b"x" * 40_000, "name": "long.txt"},
        {"file": b"%PDF-1.7\x00\xff", "name": "report.pdf"},
    ]

    answer = await make(scripted_model.llm()).run([{"text": "Which colour?"}, *files])

    assert answer.startswith("You said: Which colour?\n\nThe file birds.md:\n\nThe heron is grey. 🪶")
    assert "[8,000 more characters are omitted.]" in answer
    assert "report.pdf" in answer
    assert "%PDF" not in answer
