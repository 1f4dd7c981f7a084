"""Shared by all tests: only the scripted model, deterministic properties, and the fixtures that define a tier."""

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

# No time limits: the machine may be busy. In CI always the same examples, so that only a change can cause a failure.
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
    """Remove the developer's models: a test that needs one says which."""
    for name in MODEL_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session", autouse=True)
def what_pages_get(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Replace missing builds of `js/` by stand-ins. A test of the build itself uses the fixture `built`."""
    with pytest.MonkeyPatch.context() as patch:
        if not built.STATIC.joinpath("widget.js").is_file():
            folder = tmp_path_factory.mktemp("static")
            for name in ("widget.js", "widget.css", "math.js", "highlight.js", "socket.js"):
                folder.joinpath(name).write_text("", encoding="utf-8")
            patch.setattr(built, "STATIC", folder)
        yield


@pytest.fixture(scope="session", name="built")
def built_files() -> Path:
    """The folder with the build of `js/`."""
    if not built.STATIC.joinpath("widget.js").is_file():
        pytest.fail("The widget was not built: run `make build`.")
    return built.STATIC


@pytest.fixture
def scripted_model() -> Iterator[ScriptedModel]:
    """A model server that follows the script of the test."""
    with ScriptedModel() as model:
        yield model


@pytest.fixture(scope="session")
def start_server() -> Callable[..., Jupyter]:
    """`reasoning_server`, for tests that break or configure a server. All tests that start one use this fixture."""
    return reasoning_server


@pytest.fixture(scope="session")
def start_bare_server(start_server: Callable[..., Jupyter]) -> Callable[..., Jupyter]:
    """`bare_server`, for tests that often start one."""
    return bare_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Jupyter]) -> Iterator[Jupyter]:
    """One Jupyter server for all tests that neither break nor configure it. Use a new session in each test."""
    with start_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def kernel_name() -> str:
    """The name of this Python's kernel. All tests that start a kernel use this fixture."""
    return "python3"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return Path(__file__).resolve().parent.parent
