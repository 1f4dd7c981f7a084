"""The tier of a test: what it needs besides Python. Pytest marks each test by the fixtures that it uses.

A test that starts a server or a kernel without the fixture for it fails, and the error names that fixture.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Generator
from typing import Any, Final

import pytest

TIERS: Final = {
    "unit": "needs nothing but Python and is quick: what `make check` runs",
    "model": "asks the scripted model, and needs nothing else",
    "server": "starts a Jupyter server",
    "kernel": "starts a kernel",
    "browser": "drives a real JupyterLab in a browser (make test-browser)",
    "slow": "takes long, or needs the JavaScript build or the language model",
}
_BY_FIXTURE: Final = {
    "start_server": "server",
    "kernel_name": "kernel",
    "in_a_browser": "browser",
    "built": "slow",
    "weights": "slow",
}
_MODELS: Final = {"model", "scripted_model", "ask"}
_PROGRAMS: Final = {"jupyter_server": "start_server", "jupyterlab": "start_server", "ipykernel_launcher": "kernel_name"}

_running: dict[str, str] = {}
"""The running unit test, under ``unit``. An audit hook cannot be removed, so it looks here."""


def tiers_of(fixtures: Collection[str], marks: Collection[str]) -> set[str]:
    """Return the tiers of a test with these fixtures and marks."""
    found = {tier for fixture, tier in _BY_FIXTURE.items() if fixture in fixtures} | {*marks} & {*TIERS}
    return found or ({"model"} if _MODELS & {*fixtures} else {"unit"})


def fixture_missing(command: object) -> str | None:
    """Return the fixture that a test must use to start this command, or None."""
    words = command if isinstance(command, list | tuple) else str(command).split()
    return next((_PROGRAMS[word] for word in map(str, words) if word in _PROGRAMS), None)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen" and "unit" in _running and (fixture := fixture_missing(arguments[1])):
        raise RuntimeError(
            f"{_running['unit']} starts {arguments[1]}: use the fixture `{fixture}`, which names its tier."
        )


def pytest_configure(config: pytest.Config) -> None:
    for tier, meaning in TIERS.items():
        config.addinivalue_line("markers", f"{tier}: {meaning}")
    sys.addaudithook(_watch)


@pytest.hookimpl(tryfirst=True)  # before `-m` selects tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        for tier in sorted(tiers_of(fixtures, [mark.name for mark in item.iter_markers()])):
            item.add_marker(tier)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if item.get_closest_marker("unit"):
        _running["unit"] = item.nodeid
    try:
        return (yield)
    finally:
        _running.clear()
