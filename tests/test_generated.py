"""Committed generated files are up to date."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_the_typescript_types_match_the_python_protocol(repository: Path) -> None:
    check = subprocess.run(
        ["node", "js/scripts/generate.mjs", "--check"],
        cwd=repository,
        env={**os.environ, "PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr
