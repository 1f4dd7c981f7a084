"""A JupyterLab server as a process, set up so that tests can read all of a page."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.jupyter import Jupyter

_SETTINGS = {
    # All of a notebook is in the page, so that what is asked of it does not depend on where it is scrolled to.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Only what a test saves is saved.
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}

_FOR_ONE_TEST = ("@voila-dashboards/jupyterlab-preview",)
"""JupyterLab's extensions that are installed for a test of their own."""


class _JupyterLab(Jupyter):
    def _end(self) -> None:
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()  # a thread that looked at files for a page may outlive the loop, and wait for ever
        super()._end()


def jupyter_lab(home: Path, environment: dict[str, str], config: dict[str, Any] | None = None) -> Jupyter:
    """JupyterLab in an empty folder. The limits on what a kernel may send are Jupyter Server's own."""
    page = home / "config" / "labconfig" / "page_config.json"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(json.dumps({"disabledExtensions": dict.fromkeys(_FOR_ONE_TEST, True)}), encoding="utf-8")
    for name, settings in _SETTINGS.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
    return _JupyterLab(home, environment, module="jupyterlab", arguments=["--expose-app-in-browser"], config=config)
