"""Canary: the HTTP clients provide their sockets, and shutting one down wakes the thread that waits for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from reasoning_widget.compat.http_sockets import httpx_client, requests_session, socket_of
from tests.raw_model import RawModel, stream, texts

WAIT_S = 30


@pytest.fixture
def silent_server() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def with_httpx(address: str, on_socket: Callable[[socket.socket], None]) -> None:
    with httpx_client(on_socket) as client:
        client.get(address)


def with_requests(address: str, on_socket: Callable[[socket.socket], None]) -> None:
    with requests_session(on_socket) as session:
        session.get(address)


@pytest.mark.parametrize("get", [with_httpx, with_requests])
def test_a_waiting_thread_is_woken_by_its_socket(silent_server: str, get: Callable[..., None]) -> None:
    connected: list[socket.socket] = []
    is_connected = threading.Event()
    raised: list[Exception] = []

    def on_socket(opened: socket.socket) -> None:
        connected.append(opened)
        is_connected.set()

    def wait() -> None:
        try:
            get(silent_server, on_socket)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert is_connected.wait(WAIT_S)
    connected[0].shutdown(socket.SHUT_RDWR)
    thread.join(WAIT_S)

    assert len(raised) == 1
    connected[0].close()


def test_the_socket_of_an_open_stream_is_found() -> None:
    connected: list[socket.socket] = []
    with RawModel(stream(*texts("It snows."))) as model, httpx_client(connected.append) as http:
        client: Any = openai.OpenAI(base_url=f"{model.address}/v1", api_key="none", http_client=http)
        messages: Any = [{"role": "user", "content": "?"}]
        create = client.chat.completions.with_streaming_response.create
        with create(model="m", messages=messages, stream=True) as answer:
            assert socket_of(answer) is connected[0]


def test_nothing_is_found_in_other_objects() -> None:
    assert socket_of(object()) is None
