"""A JupyterLab server as a process, with settings and folders of its own."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_OURS = re.compile(r"^(OPENAI|DASHSCOPE|REASONING_WIDGET|JUPYTER|IPYTHON)")
_SETTINGS = {
    # All of a notebook is in the page, so that what is asked of it does not depend on where it is scrolled to.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Only what a test saves is saved.
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}


class Jupyter:
    """The server. Started when entered; ended, with its kernels, when left.

    The limits on what a kernel may send are Jupyter Server's own.

    Args:
        home: An empty folder for all it keeps.
        environment: What its kernels find in their environment.

    Attributes:
        root: The folder whose notebooks it serves.
        log: The file with what it says.
    """

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.root = home / "notebooks"
        self.log = home / "server.log"
        self.token = secrets.token_hex(16)
        self.origin = ""
        self._home = home
        self._environment = environment
        self._said = ""
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self.root.mkdir()
        for name, settings in _SETTINGS.items():
            path = self._home / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings), encoding="utf-8")
        inherited = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
        folders = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        own = {name: str(self._home / folder) for name, folder in folders.items()}
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
            *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--ServerApp.root_dir={self.root}"),
            f"--IdentityProvider.token={self.token}",
        ]
        self._process = subprocess.Popen(
            command,
            env={**inherited, **own, **self._environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._ready.wait()
        if not self.origin:
            self._end()
            raise RuntimeError(f"JupyterLab did not start:\n{self._said}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut_down_kernels()
        self._process.terminate()
        self._end()

    def call(self, method: str, path: str) -> Any:
        """Call the server's REST interface."""
        request = urllib.request.Request(
            f"{self.origin}/api/{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request) as response:
            body = response.read()
        return json.loads(body) if body else None

    def shut_down_kernels(self) -> None:
        """End every kernel there is."""
        for session in self.call("GET", "sessions"):
            self.call("DELETE", f"sessions/{session['id']}")

    def interrupt_kernels(self) -> None:
        """Interrupt every kernel there is."""
        for kernel in self.call("GET", "kernels"):
            self.call("POST", f"kernels/{kernel['id']}/interrupt")

    def _listen(self) -> None:
        """Keep what the server says, and find its address in it."""
        assert self._process.stderr is not None
        with self.log.open("w", encoding="utf-8") as log:
            for line in self._process.stderr:
                log.write(line)
                log.flush()
                if self._ready.is_set():
                    continue
                self._said += line
                address = re.search(r"http://127\.0\.0\.1:\d+", line)
                if address:
                    self.origin = address[0]
                    self._ready.set()
        self._ready.set()

    def _end(self) -> None:
        self._process.wait()
        self._listener.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
