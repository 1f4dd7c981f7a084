"""A program that listens in place of the local model's server gets nothing and is rejected."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import secrets
import socket
import socketserver
import tempfile
import threading
from pathlib import Path

import psutil
import pytest

from reasoning_widget.agents.exceptions import AgentError
from reasoning_widget.agents.local import connection, server, weights
from reasoning_widget.agents.local.connection import UntrustedServer, connect, new_socket_path, peer_user
from reasoning_widget.agents.local.daemon import (
    NONCE_BYTES,
    LoopbackProxy,
    discard_socket,
    handshake_proof,
    receive_exactly,
)
from reasoning_widget.agents.local.embedded import EmbeddedModel
from reasoning_widget.agents.local.model_files import SMALL
from reasoning_widget.agents.local.paths import server_state
from reasoning_widget.agents.local.server import Server, ServerGone

pytestmark = pytest.mark.slow

HELLO = [{"role": "user", "content": "Say hello."}]
ANSWER = b'data: {"choices": [{"delta": {"content": "embedded"}}]}\n\ndata: [DONE]\n\n'


class Listener:
    """An impostor in place of the server: it keeps what it receives, and sends `opening`, then an answer."""

    def __init__(self, address, opening=b""):
        self.received = bytearray()
        self.opening = opening
        self._listening = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self._listening.bind(address if isinstance(address, str) else ("127.0.0.1", address))
        self._listening.listen()
        self.address = address if isinstance(address, str) else self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self):
        connected, _ = self._listening.accept()
        with connected:
            with contextlib.suppress(OSError):  # the client detected it and has disconnected
                connected.sendall(self.opening)
                connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER))
                connected.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                while data := connected.recv(65536):
                    self.received += data

    def close(self):
        self._thread.join()
        self._listening.close()


class Echo(http.server.BaseHTTPRequestHandler):
    """Replaces llama.cpp behind the proxy: it answers with the key that it received."""

    def do_GET(self):
        body = self.headers["Authorization"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def door():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as inner:
        threading.Thread(target=inner.serve_forever).start()
        with LoopbackProxy("the key", inner.server_address[1], "inner") as opened:
            threading.Thread(target=opened.serve_forever).start()
            yield opened
            opened.shutdown()
        inner.shutdown()


@pytest.fixture
def cache(tmp_path_factory, monkeypatch):
    """A separate cache with the weights, in a folder whose name llama.cpp could mistake for two names."""
    tmp_path = tmp_path_factory.mktemp("a,b") / "ünï code"
    tmp_path.mkdir()
    real = weights.pull("0.5b")
    weights.verified_path(SMALL)
    (tmp_path / "models").mkdir()
    for path in (real, real.with_suffix(".checked")):
        (tmp_path / "models" / path.name).symlink_to(path)
    monkeypatch.setenv("REASONING_WIDGET_CACHE", str(tmp_path))
    yield tmp_path
    for state in (tmp_path / "servers").glob("*.json"):
        kill(json.loads(state.read_text())["pid"])


def kill(pid):
    process = psutil.Process(pid)
    process.kill()
    psutil.wait_procs([process])


def text_of(chunks):
    return "".join(chunk.text for chunk in chunks)


def is_alive(found):
    assert found.is_alive()


def chat(found):
    return list(found.chat({"messages": HELLO}))


def test_a_socket_of_another_user_gets_nothing_and_is_rejected(tmp_path, monkeypatch):
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)  # so that our own listener counts as another user's
    for name, ask, expected in (
        ("one.sock", is_alive, pytest.raises(AssertionError)),
        ("two.sock", chat, pytest.raises(ServerGone, match="another user")),
    ):
        listener = Listener(str(tmp_path / name))
        with expected:
            ask(Server(listener.address, "the key", 1))
        listener.close()
        assert listener.received == b""


def test_our_own_socket_is_recognized_by_its_user(tmp_path):
    path = str(tmp_path / "llm.sock")
    listener = Listener(path)
    with connect(path, "the key", 60) as connected:
        assert peer_user(connected) == os.geteuid()
    listener.close()


@pytest.mark.parametrize(
    "opening",
    [b"", b"\0" * 64, secrets.token_bytes(64), b"HTTP/1.1 200 OK\r\n\r\n", b"embedded" * 100],
    ids=["HTTP alone", "zeros", "random", "a status", "words"],
)
def test_an_untrusted_server_on_the_port_gets_only_a_nonce_and_is_rejected(opening):
    for ask, expected in ((is_alive, pytest.raises(AssertionError)), (chat, pytest.raises(ServerGone))):
        listener = Listener(0, opening)
        with expected:
            ask(Server(listener.address, "the key", 1))
        listener.close()
        assert len(listener.received) <= NONCE_BYTES


def test_an_untrusted_server_that_echoes_or_replays_is_rejected(door):
    """It can replay and relay answers of the real server, but that server is on another port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sent = bytearray()

        def relay():
            connected, _ = listening.accept()
            with connected, socket.create_connection(("127.0.0.1", door.port)) as true:
                true.sendall(receive_exactly(connected, NONCE_BYTES))
                connected.sendall(receive_exactly(true, NONCE_BYTES + 32))
                while data := connected.recv(65536):
                    sent.extend(data)

        thread = threading.Thread(target=relay)
        thread.start()
        with pytest.raises(UntrustedServer):
            connect(listening.getsockname()[1], door.key, 60)
        thread.join()
    assert sent == b""


def test_the_proxy_accepts_clients_that_know_the_key_which_is_not_sent(door, monkeypatch):
    sent = bytearray()
    plain = socket.socket.sendall

    def noted(self, data, *flags):
        sent.extend(data)
        return plain(self, data, *flags)

    monkeypatch.setattr(socket.socket, "sendall", noted)
    assert Server(door.port, door.key, 1).get("/") == b"Bearer inner"
    assert b"GET / HTTP/1.1" in sent
    assert door.key.encode() not in sent


@pytest.mark.parametrize("role", ["client", "server"])
def test_the_proxy_does_not_answer_clients_that_do_not_know_the_key(door, role):
    with socket.create_connection(("127.0.0.1", door.port)) as stranger:
        ours = secrets.token_bytes(NONCE_BYTES)
        stranger.sendall(ours)
        theirs, said = receive_exactly(stranger, NONCE_BYTES), receive_exactly(stranger, 32)
        reply = said if role == "server" else handshake_proof("a guess", "client", door.port, ours, theirs)
        stranger.sendall(reply + b"GET / HTTP/1.1\r\n\r\n")
        stranger.settimeout(None)
        with contextlib.suppress(ConnectionResetError):
            assert stranger.recv(1) == b""


@pytest.mark.parametrize("unix", [True, False])
def test_an_untrusted_successor_of_a_killed_server_gets_nothing_and_the_prompt_is_answered(cache, monkeypatch, unix):
    monkeypatch.setattr(server, "HAS_PEER_USER", unix)
    embedded = EmbeddedModel({"model": "0.5b"})
    old = embedded.server()
    kill(old.pid)
    if isinstance(old.address, str):
        Path(old.address).unlink()
        monkeypatch.setattr(connection, "peer_user", lambda met: peer_user(met) + (met.getpeername() == old.address))
    listener = Listener(old.address)
    assert isinstance(old.address, str) is unix
    assert text_of(embedded.complete(messages=HELLO, max_tokens=5)) not in {"", "embedded"}
    new = embedded.server()
    assert new.address != old.address
    listener.close()
    assert len(listener.received) <= (0 if unix else NONCE_BYTES)


def test_a_server_leaves_no_socket_when_it_is_idle_or_replaced(cache, monkeypatch):
    embedded = EmbeddedModel({"model": "0.5b"})
    first = embedded.server()
    kill(first.pid)
    monkeypatch.setenv("REASONING_WIDGET_IDLE_MINUTES", "0.02")
    second = EmbeddedModel({"model": "0.5b"}).server()
    assert not Path(str(first.address)).parent.exists()
    psutil.wait_procs([psutil.Process(second.pid)] if psutil.pid_exists(second.pid) else [])
    assert not Path(str(second.address)).parent.exists()
    assert not server_state("0.5b").exists()


@pytest.mark.parametrize("name", ["plain", "with spaces", "ünïcode", "long" * 50, "not there"])
def test_the_socket_is_in_a_private_folder_wherever_the_cache_is(tmp_path, name):
    folder = tmp_path / name
    if name != "not there":
        folder.mkdir()
    path = new_socket_path(folder)
    listener = Listener(str(path))
    connect(str(path), "the key", 60).close()
    listener.close()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    discard_socket(path)
    assert not path.parent.exists()


def test_the_error_for_no_socket_folder_names_the_variable_to_set(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: str(tmp_path / ("long" * 50)))
    with pytest.raises(AgentError, match="TMPDIR"):
        new_socket_path(tmp_path)
