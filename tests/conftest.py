"""What every test stands on: no model but the scripted one, and properties that are checked the same way each time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.jupyter import Jupyter
from tests.scripted_model import ScriptedModel
from tests.server.conftest import reasoning_server

# No limits in time: the machine may be busy. In CI the same examples each time, so that a failure is the change's own.
settings.register_profile("default", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("default")

MODEL_VARIABLES = (
    "DASHSCOPE_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "REASONING_WIDGET_LLM",
)


@pytest.fixture(autouse=True)
def no_model_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that wants a model says which."""
    for name in MODEL_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def scripted_model() -> Iterator[ScriptedModel]:
    """A model server that says what the test tells it to."""
    with ScriptedModel() as model:
        yield model


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """One Jupyter server for all tests that break and configure nothing: use a session of your own."""
    with reasoning_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return Path(__file__).resolve().parent.parent
