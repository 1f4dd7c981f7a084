"""The scripts and style sheets that are built from `js/`. The package can be imported without them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"


def read_built(name: str) -> str:
    """Read a built file.

    Raises:
        FileNotFoundError: The file was not built, as in a new checkout. The message says how to build it.
    """
    path = STATIC / name
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path} does not exist: build the widget with `make dev` or `make build`, "
            "or with `npm ci && npm run build` in the folder `js`"
        ) from error


def built_module(name: str) -> Path | str:
    """Return a built module in the form that anywidget's `_esm` accepts: its path, or "" if it was not built."""
    path = STATIC / name
    return path if path.is_file() else ""
