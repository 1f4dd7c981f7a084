"""What the lab extension loads when JupyterLab starts."""

from __future__ import annotations

import gzip
import json

STATIC = "/extensions/reasoning-widget/static/"
LIMIT = 30_000  # bytes, compressed


def test_starting_jupyterlab_loads_little_of_the_extension(lab, window, repository):
    loaded: set[str] = set()

    def note(url: str) -> None:
        _, found, name = url.partition(STATIC)
        if found:
            loaded.add(name.partition("?")[0])

    window.on("request", lambda request: note(request.url))
    lab.open("1 + 1")
    extension = repository / "reasoning_widget" / "labextension"
    entry = json.loads((extension / "package.json").read_text())["jupyterlab"]["_build"]["load"]
    assert entry.removeprefix("static/") in loaded
    assert sum(len(gzip.compress((extension / "static" / name).read_bytes())) for name in loaded) <= LIMIT
    assert loaded < {path.name for path in (extension / "static").glob("*.js")}
