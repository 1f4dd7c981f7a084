"""A JupyterLab server as a process, configured so that tests can read a whole page."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.jupyter import Jupyter

_SETTINGS = {
    # The whole notebook is in the page, so that tests do not depend on the scroll position.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # A notebook is saved only when a test saves it.
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}

_COLLABORATION = ("@jupyter/collaboration-extension", "@jupyter/docprovider-extension")
_FOR_ONE_TEST = ("@voila-dashboards/jupyterlab-preview", *_COLLABORATION)
"""JupyterLab's extensions that are installed for one test each."""


# The server saves a shared notebook after each change.
_SHARED = {"@jupyterlab/docmanager-extension/plugin": {"autosave": True}}


class _JupyterLab(Jupyter):
    def _end(self) -> None:
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()  # a thread that listed files for a page may outlive the loop and wait forever
        super()._end()


def jupyter_lab(
    home: Path, environment: dict[str, str], config: dict[str, Any] | None = None, *, collaborative: bool = False
) -> Jupyter:
    """JupyterLab in an empty folder. The limits on a kernel's messages are Jupyter Server's own.

    Args:
        home: The folder.
        environment: Additional variables in its environment and that of its kernels.
        config: Its settings, by class.
        collaborative: Whether jupyter-collaboration, which is installed for one test, is enabled.
    """
    if collaborative:
        config = {
            "ServerApp": {"jpserver_extensions": {"jupyter_server_ydoc": True, "jupyter_server_fileid": True}},
            "SQLiteYStore": {"db_path": str(home / "documents.db")},
        }
    disabled = {name: not collaborative or name not in _COLLABORATION for name in _FOR_ONE_TEST}
    page = home / "config" / "labconfig" / "page_config.json"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(json.dumps({"disabledExtensions": disabled}), encoding="utf-8")
    for name, settings in {**_SETTINGS, **(_SHARED if collaborative else {})}.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
    return _JupyterLab(home, environment, module="jupyterlab", arguments=["--expose-app-in-browser"], config=config)
