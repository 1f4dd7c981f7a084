"""Find, start and query the server of the local model."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import filelock

from ..base import current_run
from ..exceptions import AgentError, Stopped
from .connection import HAS_PEER_USER, Address, connect, new_socket_path
from .daemon import discard_socket
from .paths import cache_folder, server_state

HOW_TO_INSTALL: Final = 'pip install "reasoning-widget[local]"'

_HEALTH_SECONDS: Final = 5.0
_START_SECONDS: Final = 180.0
_SILENCE_SECONDS: Final = 600.0


class ServerGone(Exception):
    """The server exited before the end of its answer."""


@dataclass(frozen=True)
class Server:
    """A running server of the local model."""

    address: Address
    key: str = field(repr=False)
    pid: int

    def is_alive(self) -> bool:
        """Return whether the server answers and is ours: another program may now listen at its address."""
        try:
            return b"embedded" in self.get("/v1/models")
        except (OSError, http.client.HTTPException, ValueError, OverflowError):  # the last two mean an invalid address
            return False

    def get(self, path: str) -> bytes:
        """Return the body of the response to a `GET`.

        Raises:
            OSError: The server cannot be reached, or responds with an error.
            http.client.HTTPException: The response is not HTTP.
        """
        with contextlib.closing(self._connection(_HEALTH_SECONDS)) as connection:
            connection.request("GET", path, headers=self._headers())
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise OSError(f"{path} was answered with status {response.status}")
            return response.read()

    def chat(self, payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the chunks of a chat completion. Closing the iterator, or stopping the run, stops the decoding.

        Raises:
            ServerGone: The connection was lost.
            Stopped: The run was stopped.
            AgentError: The server rejected the request; the text says why.
        """
        run = current_run()
        body = json.dumps({**payload, "stream": True}).encode()
        with contextlib.closing(self._connection(_SILENCE_SECONDS)) as connection:
            try:
                connection.connect()
                with run.on_stop(_shutdown_of(connection.sock)):
                    connection.request("POST", "/v1/chat/completions", body, self._headers())
                    yield from _chunks(connection.getresponse())
            except (OSError, http.client.HTTPException, ServerGone) as error:
                if run.stopping:
                    raise Stopped from None
                raise ServerGone(str(error) or type(error).__name__) from error

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        return _Connection(self, timeout)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if isinstance(self.address, str):  # otherwise the key was proved, and must not be sent
            headers["Authorization"] = f"Bearer {self.key}"
        return headers


class _Connection(http.client.HTTPConnection):
    """A connection that authenticates the server whenever it is opened."""

    def __init__(self, server: Server, timeout: float) -> None:
        super().__init__("localhost")
        self._server = server
        self._timeout = timeout

    def connect(self) -> None:
        """Connect, and authenticate the server."""
        self.sock = connect(self._server.address, self._server.key, self._timeout)


def _shutdown_of(connected: socket.socket) -> Any:
    """Return a function that ends a blocking read in another thread. Closing the socket would not end it."""

    def shut() -> None:
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    return shut


def _chunks(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    if response.status != http.client.OK:
        text = response.read(4096).decode("utf-8", "replace")
        with contextlib.suppress(ValueError, KeyError, TypeError):
            text = str(json.loads(text)["error"]["message"])
        raise AgentError(f"The local model rejected the request: {text}")
    for line in response:
        if not line.startswith(b"data: "):
            continue
        data = line[6:].strip()
        if data == b"[DONE]":
            return
        chunk = json.loads(data)
        if "error" in chunk:
            raise AgentError(f"The local model failed: {chunk['error'].get('message', chunk['error'])}")
        yield chunk
    raise ServerGone("the stream ended too early")


def running_server(name: str, weights: Path, idle_seconds: float) -> Server:
    """Return the server of the model `name`, and start it if needed. The kernels of a user share it.

    Raises:
        AgentError: It cannot be started; the text says what to do.
        Stopped: The run was stopped in the meantime.
    """
    state = server_state(name)
    server = _read_state(state)
    if server is not None and server.is_alive():
        return server
    with filelock.FileLock(f"{state}.lock"):
        server = _read_state(state)
        if server is not None and server.is_alive():
            return server
        state.unlink(missing_ok=True)
        if server is not None and isinstance(server.address, str):
            discard_socket(Path(server.address))
        return _start(name, weights, idle_seconds, state)


def is_installed() -> bool:
    """Return whether llama.cpp is installed."""
    return importlib.util.find_spec("xllamacpp") is not None


def _read_state(state: Path) -> Server | None:
    try:
        found = json.loads(state.read_text(encoding="utf-8"))
        address = found["address"]
        return Server(address if isinstance(address, str) else int(address), str(found["key"]), int(found["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _start(name: str, weights: Path, idle_seconds: float, state: Path) -> Server:
    if not is_installed():
        raise AgentError(f"The embedded model needs llama.cpp: {HOW_TO_INSTALL}, then restart the kernel.")
    log = state.with_suffix(".log")
    path = new_socket_path(state.parent) if HAS_PEER_USER else None
    # By its path, because it needs no other module of this package.
    command = [sys.executable, "-P", str(Path(__file__).with_name("daemon.py"))]
    command += ["--model", str(weights), "--state", str(state), "--idle", str(idle_seconds)]
    command += ["--socket", str(path)] if path else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cache_folder(),
            **_detached(),
        )
    # It may outlive this kernel. If it exits earlier, the kernel must wait for it, or it becomes a zombie.
    threading.Thread(target=process.wait, name=f"reasoning-widget-{name}", daemon=True).start()
    try:
        return _wait_for_start(process, state, log)
    except BaseException:
        if path is not None:
            discard_socket(path)
        raise


def _detached() -> dict[str, Any]:
    """Return options for a process that is not affected by interrupts or by the exit of this one."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return {"creationflags": flags | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    return {"start_new_session": True}


def _wait_for_start(process: subprocess.Popen[bytes], state: Path, log: Path) -> Server:
    run = current_run()
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        server = _read_state(state)
        if server is not None and server.pid == process.pid:
            return server
        if process.poll() is not None:
            break
        if run.stopping:
            process.terminate()
            raise Stopped
        time.sleep(0.02)
    process.terminate()
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = f" The last line of its log: {lines[-1][:300]}" if lines else ""
    raise AgentError(f"The local model could not be started.{last} See {log}, or choose another model.")


def idle_seconds(minutes: float) -> float:
    """Return the seconds after which an idle server exits: `minutes`, or ``REASONING_WIDGET_IDLE_MINUTES`` if set.

    Raises:
        AgentError: The variable is not a number above zero.
    """
    text = os.environ.get("REASONING_WIDGET_IDLE_MINUTES")
    try:
        value = float(text) if text else minutes
    except ValueError:
        value = 0.0
    if value <= 0:
        raise AgentError(f"REASONING_WIDGET_IDLE_MINUTES is {text!r}: set it to a number of minutes above zero.")
    return value * 60
