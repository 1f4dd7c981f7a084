"""A Jupyter server as a process, with its own settings and folders."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_OURS = re.compile(r"^(OPENAI|DASHSCOPE|REASONING_WIDGET|JUPYTER|IPYTHON)")
_FOLDERS = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    "IPYTHONDIR": "ipython",
}


FOR_ONE_TEST = ("voila.server_extension", "jupyter_server_ydoc", "jupyter_server_fileid")
"""Server extensions that are installed for a single test, and disabled in all other servers."""


class Jupyter:
    """The server. It runs within the block; leaving the block ends it and its kernels.

    Args:
        home: A folder for all of its data. Data of an earlier server in this folder is used.
        environment: The environment variables of the server and its kernels.
        module: The program: `jupyter_server` or `jupyterlab`.
        arguments: Further arguments of the command line.
        config: The configuration, as JSON.
        base_url: The path below which everything is served.

    Attributes:
        root: The folder whose notebooks it serves.
        log: The file with its output.
        origin: Its address, ``http://127.0.0.1:<port>``. The same after a restart.
        pid: The id of its process.
    """

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str] | None = None,
        *,
        module: str = "jupyter_server",
        arguments: Sequence[str] = (),
        config: dict[str, Any] | None = None,
        base_url: str = "/",
    ) -> None:
        self.root = home / "notebooks"
        self.log = home / "server.log"
        self.token = secrets.token_hex(16)
        self.origin = ""
        self._home = home
        self._environment = dict(environment or {})
        self._module = module
        self._arguments = list(arguments)
        self._config = config or {}
        self._base_url = base_url
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running:
            self.stop()

    @property
    def running(self) -> bool:
        """Whether it has been started and not ended since."""
        return self._process is not None

    @property
    def address(self) -> str:
        """The URL with which all of its paths begin."""
        return f"{self.origin}{self._base_url}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        self.root.mkdir(exist_ok=True)
        config = self._home / "config" / "jupyter_server_config.json"
        config.parent.mkdir(exist_ok=True)
        config.write_text(json.dumps(_without_extensions(self._config)), encoding="utf-8")
        inherited = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
        own = {name: str(self._home / folder) for name, folder in _FOLDERS.items()}
        command = [
            *(sys.executable, "-m", self._module, "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
            *(f"--ServerApp.port={self.origin.rpartition(':')[2] or 0}", f"--ServerApp.root_dir={self.root}"),
            *(f"--IdentityProvider.token={self.token}", "--ServerApp.port_retries=0", *self._arguments),
            f"--ServerApp.base_url={self._base_url}",
        ]
        self._said = ""
        self._ready = threading.Event()
        self._process = subprocess.Popen(
            command,
            env={**inherited, **own, **self._environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parent.parent,
        )
        self._listener = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._listener.start()
        self._ready.wait()
        if self._process.poll() is not None:
            self._end()
            raise RuntimeError(f"{self._module} did not start:\n{self._said}")
        while not self._answers():  # it prints its address a moment before it listens
            time.sleep(0.01)

    def _answers(self) -> bool:
        port = int(self.origin.rpartition(":")[2])
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    def stop(self) -> None:
        """End the server properly."""
        self.shut_down_kernels()
        self.process.terminate()
        self._end()

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self._end()

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> urllib.request.Request:
        """Return a request, with the token, to a path below the server's address."""
        return urllib.request.Request(
            f"{self.address}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json", **(headers or {})},
        )

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call Jupyter's own REST interface."""
        return self.fetch(method, f"api/{path}", body)

    def fetch(self, method: str, path: str, body: Any = None) -> Any:
        """Call any REST interface of the server, and return its JSON response."""
        with urllib.request.urlopen(self.request(method, path, body)) as response:
            answer = response.read()
        return json.loads(answer) if answer else None

    def shut_down_kernels(self) -> None:
        """End all kernels."""
        for session in self.call("GET", "sessions"):
            self.call("DELETE", f"sessions/{session['id']}")

    def interrupt_kernels(self) -> None:
        """Interrupt all kernels."""
        for kernel in self.call("GET", "kernels"):
            self.call("POST", f"kernels/{kernel['id']}/interrupt")

    def socket_url(self, session_id: str, query: str = "") -> str:
        """Return the URL of a session's WebSocket."""
        address = f"{self.address.replace('http', 'ws')}ws/chat/{session_id}"
        return f"{address}?{query}" if query else address

    def _listen(self, process: subprocess.Popen[str]) -> None:
        """Log the output of the server, and find its address in it."""
        assert process.stderr is not None
        with self.log.open("a", encoding="utf-8") as log:
            for line in process.stderr:
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
        self.process.wait()
        self._listener.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        self._process = None


def _without_extensions(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without the server extensions that only a single test needs."""
    server = config.get("ServerApp", {})
    extensions = {**dict.fromkeys(FOR_ONE_TEST, False), **server.get("jpserver_extensions", {})}
    return {**config, "ServerApp": {**server, "jpserver_extensions": extensions}}
