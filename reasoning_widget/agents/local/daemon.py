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
"""What one question may take, with its tool results and the answer."""
PARALLEL = 2
"""Questions answered at once. The routing prompt and the answers of one chat also keep a place each."""
NONCE_BYTES: Final = 32

_HANDSHAKE_SECONDS: Final = 5.0


def main() -> None:
    """Serve until idle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--state", required=True, type=Path, help="the file that tells clients where to find it")
    parser.add_argument("--socket", type=Path, help="the Unix socket to listen on; without it, a loopback port")
    parser.add_argument("--idle", required=True, type=float, help="seconds without use after which it ends")
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
    os._exit(0)  # nothing is left to save, and llama.cpp's threads need not be waited for


def start(model: str, key: str, host: str) -> Any:
    """Load `model` and serve it at `host`: an address, or a path that ends in ``.sock``.

    The library's defaults would let any web page use it, without a key.
    """
    import xllamacpp  # only this process needs it

    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.model_alias = ["embedded"]
    parameters.n_ctx = CONTEXT_TOKENS * PARALLEL
    parameters.n_parallel = PARALLEL
    parameters.n_gpu_layers = 0
    parameters.use_jinja = True
    parameters.no_extra_bufts = True
    parameters.offline = True
    parameters.cpuparams.n_threads = 1  # two would spin while they wait for each other, and crawl beside a busy process
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
    """One core is left to the notebook; more than four are of no use to a model this small."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(4, max(1, cores - 1))


def _warm_up(server: Any) -> None:
    """Answer once, so that the weights are read before the first question."""
    server.handle_chat_completions(
        json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, "stream": False}), lambda _: None
    )


def handshake_proof(key: str, role: str, port: int, client_nonce: bytes, server_nonce: bytes) -> bytes:
    """What only one who knows `key` can say, in this `role`, on this port and this connection."""
    return hmac.digest(key.encode(), f"{role} {port} ".encode() + client_nonce + server_nonce, "sha256")


def receive_exactly(connected: socket.socket, length: int) -> bytes:
    """The next `length` bytes.

    Raises:
        OSError: They did not come within some seconds, or the connection ended.
    """
    deadline = time.monotonic() + _HANDSHAKE_SECONDS
    data = b""
    while len(data) < length:
        connected.settimeout(max(0.001, deadline - time.monotonic()))
        piece = connected.recv(length - len(data))
        if not piece:
            raise ConnectionError("the connection ended before the other end had proved who it is")
        data += piece
    return data


class LoopbackProxy(socketserver.ThreadingTCPServer):
    """The way to llama.cpp where no Unix socket tells who is at its other end: a loopback port.

    The client sends a nonce. The door answers with its own and with its `proof`, the client with its own `proof`. One
    HTTP request follows, which the door hands to llama.cpp with the key for that, which nobody else has.
    """

    daemon_threads = True

    def __init__(self, key: str, inner_port: int, inner_key: str) -> None:
        """Listen on a free port, and let through to `inner_port` whoever knows `key`."""
        self.key = key
        self.inner_port = inner_port
        self.inner_key = inner_key
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.port: int = self.server_address[1]

    def server_bind(self) -> None:
        """Take the port, so that nobody can share it."""
        if sys.platform == "win32":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        super().server_bind()


class _ProxyHandler(socketserver.BaseRequestHandler):
    server: LoopbackProxy
    request: socket.socket

    def handle(self) -> None:
        """Let one connection through, once it has proved itself."""
        with contextlib.suppress(OSError):  # whoever came has gone, or is nobody we know
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
    """Pass on what comes until one end is gone, then end both: llama.cpp stops when its client has gone."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def discard_socket(path: Path) -> None:
    """Remove a server's socket and the folder made for it. Harmless when they are gone."""
    with contextlib.suppress(OSError):
        if path.is_socket():
            path.unlink()
        path.parent.rmdir()


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state file, readable for its user alone, at once and whole."""
    draft = path.with_suffix(f".{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(state, file)
    draft.replace(path)


def _wait_until_idle(server: Any, idle_seconds: float, state: Path) -> None:
    """Return when nothing was asked for `idle_seconds`; the state file is gone by then."""
    used, last_use = _activity(server)[1], time.monotonic()
    while True:
        time.sleep(min(1.0, idle_seconds / 4))
        busy, work = _activity(server)
        if busy or work != used:
            used, last_use = work, time.monotonic()
        elif time.monotonic() - last_use >= idle_seconds:
            with filelock.FileLock(f"{state}.lock"):  # nobody starts another one while this one leaves
                if _is_ours(state):
                    state.unlink(missing_ok=True)
            return


def _activity(server: Any) -> tuple[bool, tuple[str, ...]]:
    """Whether a question is being answered, and counters that move with each one."""
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
