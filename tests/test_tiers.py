"""The tier of a test follows from the fixtures it uses, and cannot be forgotten."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.tiers import fixture_missing, tiers_of


@pytest.mark.parametrize(
    ("fixtures", "marks", "tiers"),
    [
        (["tmp_path"], [], {"unit"}),
        (["server", "start_server"], [], {"server"}),
        (["kernel_name", "start_server"], [], {"kernel", "server"}),
        (["in_a_browser", "browser"], [], {"browser"}),
        (["scripted_model"], [], {"model"}),
        (["scripted_model", "kernel_name"], [], {"kernel"}),
        (["built"], [], {"slow"}),
        ([], ["slow", "parametrize"], {"slow"}),
    ],
)
def test_the_tiers_follow_from_the_fixtures_and_marks(fixtures: list[str], marks: list[str], tiers: set[str]) -> None:
    assert tiers_of(fixtures, marks) == tiers


def test_a_test_without_fixtures_of_another_tier_is_a_unit_test(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("unit")
    assert not request.node.get_closest_marker("slow")


@pytest.mark.parametrize(
    ("module", "fixture"),
    [("ipykernel_launcher", "kernel_name"), ("jupyter_server", "start_server"), ("jupyterlab", "start_server")],
)
def test_a_unit_test_that_starts_a_server_or_kernel_fails_and_names_the_fixture(module: str, fixture: str) -> None:
    with pytest.raises(RuntimeError, match=f"use the fixture `{fixture}`"):
        subprocess.run([sys.executable, "-m", module, "--version"], check=False)


def test_a_unit_test_may_start_other_programs() -> None:
    assert fixture_missing([sys.executable, "-c", "import jupyter_server"]) is None
    assert subprocess.run([sys.executable, "-c", ""], check=False).returncode == 0
