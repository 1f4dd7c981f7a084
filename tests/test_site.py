"""The documentation site is built without a warning, and needs only its own files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_the_site_has_no_dead_link_and_fetches_only_its_own_files(repository: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "--conf-dir", "docs"]
    done = subprocess.run([*command, ".", str(site)], cwd=repository, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

    pages = {path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")}
    assert {"index.html", "docs/index.html", "docs/api.html", "notebooks/quickstart.html"} <= set(pages)
    fetching = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href|srcset)=\"((?:https?:)?//[^\"]+)")
    assert {name: found for name, page in pages.items() if (found := fetching.findall(page))} == {}
    styles = [path.read_text("utf-8") for path in site.rglob("*.css")]
    assert [
        found for style in styles for found in re.findall(r"url\([\"']?(?:https?:)?//[^)]*|@import[^;]*//[^;]*", style)
    ] == []
