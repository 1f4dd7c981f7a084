"""The process that runs the local model: one for all kernels of one user.

It serves llama.cpp's OpenAI-compatible API on a Unix socket in a private folder, or behind a `LoopbackProxy`. Clients
need the random key in its state file. It exits when it has been idle for a while. `server.running_server` starts it.
"""

from __future__ import annotations

import argparse
import contextlib
import hmac
import json
import os
import re
import secrets
import socket
import socketserver
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import filelock

CONTEXT_TOKENS = 4096
"""The context of one request: the prompt, the results of tools and the answer."""
PARALLEL = 2
"""The number of requests that are processed at once. Each also keeps the cache of a prompt: routing, and answering."""
NONCE_BYTES: Final = 32

_HANDSHAKE_SECONDS: Final = 5.0


def main() -> None:
    """Serve until the idle time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--state", required=True, type=Path, help="the file in which clients find the address and key")
    parser.add_argument("--socket", type=Path, help="the Unix socket to listen on; without it, a loopback port")
    parser.add_argument("--idle", required=True, type=float, help="seconds without use after which it exits")
    arguments = parser.parse_args()
    key = secrets.token_urlsafe(32)
    address: str | int
    if arguments.socket is not None:
        address = str(arguments.socket)
        server = start(arguments.model, key, address)
    else:
        inner_key = secrets.token_urlsafe(32)
        server = start(arguments.model, inner_key, "127.0.0.1")
        door = LoopbackProxy(key, int(server.listening_address.rpartition(":")[2]), inner_key)
        threading.Thread(target=door.serve_forever, name="door", daemon=True).start()
        address = door.port
    _warm_up(server)
    write_state(arguments.state, {"address": address, "key": key, "pid": os.getpid()})
    _wait_until_idle(server, arguments.idle, arguments.state)
    if arguments.socket is not None:
        discard_socket(arguments.socket)
    os._exit(0)  # there is nothing to save, and no need to wait for llama.cpp's threads


def start(model: str, key: str, host: str) -> Any:
    """Load `model` and serve it at `host`: an address, or a path that ends in ``.sock``.

    With the library's defaults, any web page could use it without a key.
    """
    import xllamacpp  # loaded only in this process

    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.model_alias = ["embedded"]
    parameters.n_ctx = CONTEXT_TOKENS * PARALLEL
    parameters.n_parallel = PARALLEL
    parameters.n_gpu_layers = 0
    parameters.use_jinja = True
    parameters.no_extra_bufts = True
    parameters.offline = True
    parameters.cpuparams.n_threads = 1  # two threads spin while they wait, which is slow beside a busy process
    parameters.cpuparams_batch.n_threads = _prompt_threads()
    parameters.cpuparams_batch.poll = 0  # waits without spinning
    parameters.hostnames = [host]
    parameters.port = 0
    parameters.api_keys = [key]
    parameters.cors_origins = ""
    parameters.endpoint_slots = False
    parameters.endpoint_metrics = True  # `_wait_until_idle` reads them; over HTTP they need the key
    parameters.ui = False
    parameters.cache_ram_mib = 64
    parameters.verbosity = 0
    return xllamacpp.Server(parameters)


def _prompt_threads() -> int:
    """Return the number of threads for prompts: one core is for the notebook, and more than four do not help."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(4, max(1, cores - 1))


def _warm_up(server: Any) -> None:
    """Answer a request, so that the weights are in memory before the first prompt."""
    server.handle_chat_completions(
        json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, "stream": False}), lambda _: None
    )


def handshake_proof(key: str, role: str, port: int, client_nonce: bytes, server_nonce: bytes) -> bytes:
    """Return the proof that an end of this connection, in this `role`, knows `key`."""
    return hmac.digest(key.encode(), f"{role} {port} ".encode() + client_nonce + server_nonce, "sha256")


def receive_exactly(connected: socket.socket, length: int) -> bytes:
    """Return the next `length` bytes.

    Raises:
        OSError: They did not arrive within a few seconds, or the connection was closed.
    """
    deadline = time.monotonic() + _HANDSHAKE_SECONDS
    data = b""
    while len(data) < length:
        connected.settimeout(max(0.001, deadline - time.monotonic()))
        piece = connected.recv(length - len(data))
        if not piece:
            raise ConnectionError("the connection was closed before the other end was authenticated")
        data += piece
    return data


class LoopbackProxy(socketserver.ThreadingTCPServer):
    """An authenticating proxy for llama.cpp on a loopback port, for systems whose Unix sockets do not report the peer.

    The client sends a nonce. The proxy answers with a nonce and its proof of the key, the client with its own proof.
    The proxy forwards the HTTP request that follows to llama.cpp, with a second key that only the proxy knows.
    """

    daemon_threads = True

    def __init__(self, key: str, inner_port: int, inner_key: str) -> None:
        """Listen on a free port, and forward the requests of clients that know `key` to `inner_port`."""
        self.key = key
        self.inner_port = inner_port
        self.inner_key = inner_key
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.port: int = self.server_address[1]

    def server_bind(self) -> None:
        """Bind the port exclusively."""
        if sys.platform == "win32":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        super().server_bind()


class _ProxyHandler(socketserver.BaseRequestHandler):
    server: LoopbackProxy
    request: socket.socket

    def handle(self) -> None:
        """Authenticate one connection, and forward its request."""
        with contextlib.suppress(OSError):  # the client is gone, or is not authenticated
            self._relay()

    def _relay(self) -> None:
        client, door = self.request, self.server
        client_nonce, server_nonce = receive_exactly(client, NONCE_BYTES), secrets.token_bytes(NONCE_BYTES)
        client.sendall(server_nonce + handshake_proof(door.key, "server", door.port, client_nonce, server_nonce))
        expected = handshake_proof(door.key, "client", door.port, client_nonce, server_nonce)
        if not hmac.compare_digest(receive_exactly(client, len(expected)), expected):
            return
        request = b""
        while b"\r\n" not in request:
            piece = client.recv(65536)
            if not piece:
                return
            request += piece
        client.settimeout(None)
        line, _, rest = request.partition(b"\r\n")
        with socket.create_connection(("127.0.0.1", door.inner_port)) as inner:
            inner.sendall(line + f"\r\nAuthorization: Bearer {door.inner_key}\r\n".encode() + rest)
            back = threading.Thread(target=_copy, args=(client, inner), daemon=True)
            back.start()
            _copy(inner, client)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy data until one end closes, then close both: llama.cpp stops decoding when its client is gone."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def discard_socket(path: Path) -> None:
    """Remove a server's socket and its folder, if they exist."""
    with contextlib.suppress(OSError):
        if path.is_socket():
            path.unlink()
        path.parent.rmdir()


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state file atomically, readable only by its user."""
    draft = path.with_suffix(f".{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(state, file)
    draft.replace(path)


def _wait_until_idle(server: Any, idle_seconds: float, state: Path) -> None:
    """Return after `idle_seconds` without a request, when the state file is removed."""
    used, last_use = _activity(server)[1], time.monotonic()
    while True:
        time.sleep(min(1.0, idle_seconds / 4))
        busy, work = _activity(server)
        if busy or work != used:
            used, last_use = work, time.monotonic()
        elif time.monotonic() - last_use >= idle_seconds:
            with filelock.FileLock(f"{state}.lock"):  # no other server starts while this one exits
                if _is_ours(state):
                    state.unlink(missing_ok=True)
            return


def _activity(server: Any) -> tuple[bool, tuple[str, ...]]:
    """Return whether a request is being processed, and counters that change with each request."""
    metrics: str = server.handle_metrics()
    busy = re.search(r"^llamacpp:requests_(?:processing|deferred) (?!0$)", metrics, re.MULTILINE)
    counters = re.findall(r"^llamacpp:(?:prompt_tokens|tokens_predicted)\w*_total (\S+)$", metrics, re.MULTILINE)
    return busy is not None, tuple(counters)


def _is_ours(state: Path) -> bool:
    try:
        return bool(json.loads(state.read_text(encoding="utf-8"))["pid"] == os.getpid())
    except (OSError, ValueError, KeyError):
        return False


if __name__ == "__main__":
    main()
