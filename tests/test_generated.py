"""What is generated and committed is what would be generated now."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_typescript_types_are_those_of_the_python_protocol(repository: Path) -> None:
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
