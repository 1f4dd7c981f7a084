"""The interface of a chat for typing users: its arguments, its names, and its error messages."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from markdown_it import MarkdownIt

from reasoning_widget import AgentManager, Answer, ReasoningChat

SECRET = "sk-proj-abcdefghijklmnop123456"


@pytest.fixture
def chat():
    made = ReasoningChat("assistant")
    yield made
    made.close()


def answer(text, status="completed", error=None):
    return Answer(text, status, [], {}, 1.0, error)


def test_help_shows_the_arguments():
    parameters = inspect.signature(ReasoningChat).parameters
    assert list(parameters)[:3] == ["agent", "llm", "agents"]
    assert {"session_id", "resume", "save", "server", "token", "ticket"} <= set(parameters)
    assert not [name for name in parameters if name.startswith("_")]
    asked = "from reasoning_widget import ReasoningChat; get_ipython().run_line_magic('pinfo', 'ReasoningChat')"
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", "-c", asked]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "agent='researcher'" in shown
    assert "llm=None" in shown


def test_a_subclass_shows_its_own_arguments():
    class Tutor(ReasoningChat):
        def __init__(self, subject):
            super().__init__("assistant")
            self.subject = subject

    tutor = Tutor("birds")
    tutor.close()
    assert list(inspect.signature(Tutor).parameters) == ["subject"]
    assert tutor.subject == "birds"


def test_the_names_of_a_chat_are_listed_first(chat):
    names = dir(chat)
    own = {"ask", "stream", "stop", "clear", "steps", "runs", "results", "llm", "to_markdown", "to_html", "from_json"}
    assert own <= set(names[:20])
    assert names[:20] == sorted(names[:20])
    assert "layout" in names[20:]  # nothing is hidden
    assert "__init__" in names[20:]


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"agents": "assistant"}, TypeError, r"`agents` must be an AgentManager.*`ReasoningChat\('assistant'\)`"),
        ({"agents": {"mine": str}}, TypeError, r"not a dict.*manager\.register"),
        ({"agents": ["assistant"]}, TypeError, "not a list"),
        ({"agents": AgentManager}, TypeError, "not the class AgentManager"),
        ({"llm": "gpt-4"}, TypeError, '`llm` must be a model configuration, such as `llm={"model"'),
        ({"llm": ("gpt-4",)}, TypeError, "not a tuple"),
        ({"llm": {"model_server": "http://localhost:1/v1"}}, ValueError, "names no model"),
        ({"model": "gpt-4"}, TypeError, "no argument `model`: the model is configured with `llm`"),
        ({"api_key": SECRET}, TypeError, "no argument `api_key`"),
        ({"base_url": "http://localhost:1"}, TypeError, "configured with `llm`"),
        ({"tools": []}, TypeError, "belongs to the agent"),
        ({"name": "assistant"}, TypeError, "chosen with `agent`"),
        ({"sesion_id": "x"}, TypeError, "did you mean `session_id`"),
        ({"colour": "red"}, TypeError, "its arguments are agent, llm"),
        ({"token": SECRET}, TypeError, "need `server`"),
        ({"session_id": 7}, ValueError, "use 1 to 128 characters"),
    ],
)
def test_invalid_arguments_raise_errors_that_say_what_to_do(given, error, says):
    with pytest.raises(error, match=says) as told:
        ReasoningChat(**given)
    assert SECRET not in str(told.value)


def test_a_key_passed_as_a_model_is_not_in_the_error():
    with pytest.raises(TypeError) as told:
        ReasoningChat(llm=SECRET)  # type: ignore[call-overload]
    assert SECRET not in str(told.value)


def test_from_json_checks_the_same_arguments(chat):
    with pytest.raises(TypeError, match="`agents` must be an AgentManager"):
        ReasoningChat.from_json(chat.to_json(), agents="assistant")


def test_an_answer_is_displayed_as_markdown():
    assert answer("It is **grey**.")._repr_markdown_() == "It is **grey**."
    assert answer("$x^2$\n\n| a | b |\n|---|---|\n| 1 | 2 |")._repr_markdown_().startswith("$x^2$\n\n| a | b |")


@pytest.mark.parametrize(
    "text",
    [
        "![x](http://example.com/x.png)",
        "<img src=http://example.com/x.png>",
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x][y]\n\n[y]: http://example.com/x.png",
    ],
)
def test_a_displayed_answer_runs_and_fetches_nothing(text):
    page = MarkdownIt("commonmark", {"html": True}).render(answer(text)._repr_markdown_())
    assert "<img" not in page
    assert "<script" not in page
    assert 'href="javascript' not in page


def test_an_answer_saved_in_a_notebook_contains_no_key():
    told = answer(f"The key is {SECRET}.")
    assert SECRET not in told._repr_markdown_() + repr(told)
    assert SECRET in told.text


def test_an_answer_without_a_text_shows_the_status_and_error():
    failed = answer("", "failed", "No model answers.")._repr_markdown_()
    assert failed == "No model answers.\n\n*The run ended: failed.*"
    assert answer("", "stopped")._repr_markdown_() == "*The run ended: stopped.*"
    assert answer("")._repr_markdown_() == "*There is no answer.*"
    assert answer("Half", "max_iterations")._repr_markdown_() == "Half\n\n*The run ended: max iterations.*"
