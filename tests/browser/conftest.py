"""One JupyterLab for all browser tests; each test has its own notebook, kernel and browser window."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.jupyter import jupyter_lab
from tests.browser.lab import Lab
from tests.jupyter import Jupyter
from tests.scripted_model import ScriptedModel, call, gate, say, think

ARTIFACTS = Path(__file__).parent / "artifacts"
TRACED = bool(os.environ.get("TRACE"))
"""Whether Playwright records traces, which takes a tenth of the time of the tests."""
PATIENCE_MS = 60_000
"""The time to wait for a condition before the test fails. Not a measure of speed: the machine may be busy."""

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WINDOW: dict[str, Any] = {
    "viewport": {"width": 1280, "height": 1000},
    "color_scheme": "light",
    "reduced_motion": "reduce",
}

expect.set_options(timeout=PATIENCE_MS)
_failed = pytest.StashKey[bool]()


@pytest.fixture(autouse=True)
def in_a_browser() -> None:
    """All tests in this folder belong to the tier `browser`."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_failed] = True
    return report


def _file_name(request: pytest.FixtureRequest) -> str:
    return re.sub(r"[^\w.-]+", "-", request.node.name)


@pytest.fixture(scope="session")
def model_server() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        yield model


@pytest.fixture
def model(model_server: ScriptedModel) -> Iterator[ScriptedModel]:
    """The model that the notebooks' kernels find in their environment. It answers "Very well." to any prompt."""
    model_server.reset()
    model_server.script("", ["Very well."])
    yield model_server
    model_server.reset()


@pytest.fixture(scope="session")
def environment(model_server: ScriptedModel) -> dict[str, str]:
    """The environment of a server and its kernels, which provides the model."""
    return {
        "OPENAI_BASE_URL": model_server.url,
        "OPENAI_API_KEY": "sk-scripted-secret",
        "OPENAI_MODEL": "scripted",
    }


@pytest.fixture(scope="session")
def jupyter(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    with jupyter_lab(tmp_path_factory.mktemp("jupyter"), environment) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS)
        with contextlib.closing(chromium):
            yield chromium


def open_window(browser: Browser, jupyter: Jupyter, options: dict[str, Any]) -> BrowserContext:
    window = browser.new_context(**{**WINDOW, **options})
    window.set_default_timeout(PATIENCE_MS)
    window.grant_permissions(["clipboard-read", "clipboard-write"], origin=jupyter.origin)
    if TRACED:
        window.tracing.start(snapshots=True)
    return window


@pytest.fixture(scope="session")
def shared_window(browser: Browser, jupyter: Jupyter) -> Iterator[BrowserContext]:
    """A window for several tests, so that JupyterLab's files are loaded only once."""
    with contextlib.closing(open_window(browser, jupyter, {})) as window:
        yield window


@pytest.fixture
def window_options() -> dict[str, Any] | None:
    """The options of a separate window, for a test that needs one; None for the shared window."""
    return None


@pytest.fixture
def window(
    request: pytest.FixtureRequest, browser: Browser, jupyter: Jupyter, window_options: dict[str, Any] | None
) -> Iterator[BrowserContext]:
    """A browser window without pages. A failure leaves screenshots in artifacts/, and a trace with TRACE=1."""
    window: BrowserContext
    if window_options is None:
        window = request.getfixturevalue("shared_window")
    else:
        window = open_window(browser, jupyter, window_options)
    if TRACED:
        window.tracing.start_chunk()
    yield window
    if request.node.stash.get(_failed, False):
        name = _file_name(request)
        for number, page in enumerate(window.pages):
            page.screenshot(path=ARTIFACTS / f"{name}-{number}.png")
        shutil.copy(jupyter.log, ARTIFACTS / f"{name}.log")
        if TRACED:
            window.tracing.stop_chunk(path=ARTIFACTS / f"{name}.zip")
    elif TRACED:
        window.tracing.stop_chunk()
    for page in window.pages:
        page.close()
    if window_options is not None:
        window.close()
    jupyter.shut_down_kernels()


@pytest.fixture
def page(request: pytest.FixtureRequest, browser: Browser, window_options: dict[str, Any] | None) -> Iterator[Page]:
    """A page for another host. An uncaught error fails the test; a failure leaves a screenshot in artifacts/."""
    errors: list[str] = []
    with contextlib.closing(browser.new_context(**{**WINDOW, **(window_options or {})})) as window:
        window.set_default_timeout(PATIENCE_MS)
        page = window.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        if errors or request.node.stash.get(_failed, False):
            page.screenshot(path=ARTIFACTS / f"{_file_name(request)}.png")
    assert errors == []


@pytest.fixture
def lab(
    request: pytest.FixtureRequest, window: BrowserContext, jupyter: Jupyter, model: ScriptedModel
) -> Iterator[Lab]:
    """JupyterLab with a folder for the test. A request to another host or an error in a page fails the test."""
    lab = Lab(window, jupyter, re.sub(r"\W+", "-", request.node.name).strip("-"))
    yield lab
    if lab.requests_to_others or lab.errors:
        request.node.stash[_failed] = True
    assert lab.requests_to_others == []
    assert lab.errors == []


@pytest.fixture
def story(model: ScriptedModel) -> None:
    """A model that thinks, calls a tool and answers; it waits in the middle of the thought and of the answer."""
    model.script(
        "story",
        [
            [think("Which "), gate("thinking"), think("story?"), call("calculate", {"expression": "6 * 7"})],
            [say("Once upon "), gate("answering"), say("a time.")],
        ],
    )
