"""The IPython that this runs in, without importing it where there is none."""

from __future__ import annotations

import os
import sys
from typing import Any

from traitlets.config import Application, Config


def ipython_shell() -> Any:
    """The running IPython shell; None in plain Python."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def in_kernel() -> bool:
    """Whether this process is a Jupyter kernel."""
    return getattr(ipython_shell(), "kernel", None) is not None


def page_expected() -> bool:
    """Whether a page is there, or will be, that shows what the running cell displays.

    None is where a program executes the notebook, such as nbclient, papermill or `nbconvert --execute`: nobody could
    answer a question of `input` there, and the program says so. Voilà executes a notebook so, and then shows it.
    """
    if not in_kernel() or any(name.startswith("VOILA_") for name in os.environ):
        return True
    return bool(_request().get("content", {}).get("allow_stdin", True))


def running_page() -> str | None:
    """The page that had the running cell run: the id of its connection to the kernel; None where there is none."""
    session = _request().get("header", {}).get("session")
    return str(session) if session else None


def _request() -> dict[str, Any]:
    """The message that had the running cell run; empty where there is none."""
    try:
        request = getattr(ipython_shell(), "kernel", None).get_parent("shell")  # type: ignore[union-attr]
    except (AttributeError, LookupError):  # another kernel than ipykernel, or nothing was executed yet
        return {}
    return dict(request or {})


def running_marimo() -> Any:
    """The module `marimo`, where one of its notebooks runs this; None elsewhere."""
    marimo = sys.modules.get("marimo")
    return marimo if marimo is not None and marimo.running_in_notebook() else None


def can_show() -> bool:
    """Whether something can be shown below the cell that runs."""
    return in_kernel() or running_marimo() is not None


def traitlets_config() -> Config:
    """The traitlets configuration of the shell, or of the program that this is; an empty one in plain Python."""
    shell = ipython_shell()
    if shell is None:
        shell = Application.instance() if Application.initialized() else None
    return shell.config if shell is not None else Config()
