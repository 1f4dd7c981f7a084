"""The location of an agent's exception."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reasoning_widget.agents.error_origin import error_origin
from reasoning_widget.agents.exceptions import AgentError, MaxIterationsReached
from reasoning_widget.protocol import Raised

HERE = r"tests/agents/test_error_origin\.py"


def caught(work) -> Raised | None:
    try:
        work()
    except Exception as error:
        return error_origin(error)
    raise AssertionError("it raises nothing")


def divide(by):
    return 1 / by


def test_an_error_is_located_at_a_line_of_the_agents_own_code():
    found = caught(lambda: divide(0))
    assert found
    assert found["where"] == f"tests/agents/test_error_origin.py, line {divide.__code__.co_firstlineno + 1}, in divide"
    assert found["traceback"].endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    "work",
    [
        lambda: json.loads("{"),
        lambda: re.compile("("),
        lambda: int("x"),
        lambda: Path("/nowhere/at/all").read_text(),
        lambda: subprocess.run([sys.executable, "-c", "raise SystemExit(3)"], check=True),
        lambda: list(range(1))[1],
        lambda: [*map(divide, [0])],
    ],
)
def test_an_error_raised_by_python_is_located_at_the_line_that_called_it(work):
    found = caught(work)
    assert found
    assert re.match(HERE, found["where"])


def test_the_traceback_of_a_chained_exception_includes_its_cause():
    def work():
        try:
            divide(0)
        except ZeroDivisionError as error:
            raise RuntimeError("cannot share") from error

    found = caught(work)
    assert found
    assert found["where"].endswith("in work")
    assert "ZeroDivisionError" in found["traceback"]
    assert found["traceback"].endswith("RuntimeError: cannot share")


def test_code_without_a_file_has_the_name_that_python_gives_it():
    found = caught(lambda: exec(compile("1 / 0", "<made up>", "exec")))
    assert found
    assert found["where"] == "<made up>, line 1"


def test_a_very_long_traceback_is_shortened():
    def work():
        error: Exception = RuntimeError("first")
        for each in range(500):
            following = RuntimeError(f"{each} " + "y" * 100)
            following.__cause__ = error
            error = following
        raise error

    found = caught(work)
    assert found
    assert len(found["traceback"]) <= 16 * 1024 + 1
    assert found["traceback"].endswith("y")


@pytest.mark.parametrize("secret", ["sk-proj-abcdefghijklmnop123456", "hunter2hunter2"])
def test_keys_are_masked(secret):
    def work():
        raise ValueError(f"cannot log in with api_key={secret}")

    found = caught(work)
    assert found
    assert secret not in str(found)


@pytest.mark.parametrize("error", [AgentError("Start the model."), MaxIterationsReached(3)])
def test_an_error_that_the_agent_explains_has_no_location(error):
    def work():
        raise error

    assert caught(work) is None
