"""Shared by all tests: no model but the scripted one, deterministic properties, and the fixtures that name a tier."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from reasoning_widget.widget import built
from tests.jupyter import Jupyter
from tests.scripted_model import ScriptedModel
from tests.server.conftest import bare_server, reasoning_server

# No limits in time: the machine may be busy. In CI the same examples each time, so that a failure is the change's own.
settings.register_profile("default", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("default")

pytest_plugins = ["tests.tiers", "tests.parallel"]

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


@pytest.fixture(scope="session", autouse=True)
def what_pages_get(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Stand-ins where nothing was built from `js/`: a test that looks at what was built uses the fixture `built`."""
    with pytest.MonkeyPatch.context() as patch:
        if not built.STATIC.joinpath("widget.js").is_file():
            folder = tmp_path_factory.mktemp("static")
            for name in ("widget.js", "widget.css", "math.js", "highlight.js", "socket.js"):
                folder.joinpath(name).write_text("", encoding="utf-8")
            patch.setattr(built, "STATIC", folder)
        yield


@pytest.fixture(scope="session", name="built")
def built_files() -> Path:
    """The folder with what was built from `js/`."""
    if not built.STATIC.joinpath("widget.js").is_file():
        pytest.fail("The widget was not built: run `make build`.")
    return built.STATIC


@pytest.fixture
def scripted_model() -> Iterator[ScriptedModel]:
    """A model server that says what the test tells it to."""
    with ScriptedModel() as model:
        yield model


@pytest.fixture(scope="session")
def start_server() -> Callable[..., Jupyter]:
    """`reasoning_server`, for a test that breaks or configures a server. All that start one use this fixture."""
    return reasoning_server


@pytest.fixture(scope="session")
def start_bare_server(start_server: Callable[..., Jupyter]) -> Callable[..., Jupyter]:
    """`bare_server`, for a test that starts one often."""
    return bare_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Jupyter]) -> Iterator[Jupyter]:
    """One Jupyter server for all tests that break and configure nothing: use a session of your own."""
    with start_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def kernel_name() -> str:
    """The kernel of this Python. All tests that start a kernel use this fixture."""
    return "python3"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return Path(__file__).resolve().parent.parent
