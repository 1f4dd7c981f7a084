"""Detect the IPython or marimo that runs this code, without importing them."""

from __future__ import annotations

import os
import sys
from typing import Any

from traitlets.config import Application, Config


def ipython_shell() -> Any:
    """Return the running IPython shell; None in plain Python."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def in_kernel() -> bool:
    """Whether this process is a Jupyter kernel."""
    return getattr(ipython_shell(), "kernel", None) is not None


def page_expected() -> bool:
    """Whether a page shows the output of the running cell, now or later.

    There is none if a program executes the notebook, such as nbclient, papermill or `nbconvert --execute`: these
    programs announce that they do not support `input`. Voilà does so too, but shows the notebook afterwards.
    """
    if not in_kernel() or any(name.startswith("VOILA_") for name in os.environ):
        return True
    return bool(_request().get("content", {}).get("allow_stdin", True))


def running_page() -> str | None:
    """Return the id of the kernel connection of the page that ran the running cell; None if there is none."""
    session = _request().get("header", {}).get("session")
    return str(session) if session else None


def _request() -> dict[str, Any]:
    """Return the message that started the running cell; empty if there is none."""
    try:
        request = getattr(ipython_shell(), "kernel", None).get_parent("shell")  # type: ignore[union-attr]
    except (AttributeError, LookupError):  # not ipykernel, or nothing has been executed yet
        return {}
    return dict(request or {})


def running_marimo() -> Any:
    """Return the module `marimo` if a marimo notebook runs this code; None otherwise."""
    marimo = sys.modules.get("marimo")
    return marimo if marimo is not None and marimo.running_in_notebook() else None


def can_show() -> bool:
    """Whether output can be displayed below the running cell."""
    return in_kernel() or running_marimo() is not None


def traitlets_config() -> Config:
    """Return the traitlets configuration of the shell or the running application; an empty one in plain Python."""
    shell = ipython_shell()
    if shell is None:
        shell = Application.instance() if Application.initialized() else None
    return shell.config if shell is not None else Config()
