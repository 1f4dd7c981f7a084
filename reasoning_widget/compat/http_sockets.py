"""HTTP clients that hand over each socket once it is connected.

For openai 1.60 to 3 with httpx 0.27 and 0.28 (or httpx2) and httpcore 1, and for requests 2.31 and later with
urllib3 2. None of them can close a connection while another thread waits for it: only shutting down the socket wakes
that thread, and tells the model server to stop, even before its first token. Without this, Stop would wait for the
model. Used are httpcore's trace events and the extension `network_stream` of its responses, which are documented but
name no stable set of events, and urllib3's `ConnectionCls` and `pool_classes_by_scheme`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

_CONNECTED: Final = ("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")

OnSocket = Callable[[socket.socket], None]
"""Called with each socket once it is connected, in the thread that connects it."""


def httpx_client(on_socket: OnSocket) -> Any:
    """Return an HTTP client for `openai.OpenAI`."""
    import openai

    def connected(event: str, info: dict[str, Any]) -> None:
        if event.endswith(_CONNECTED):
            opened = info["return_value"].get_extra_info("socket")
            if isinstance(opened, socket.socket):
                on_socket(opened)

    def trace(request: Any) -> None:
        request.extensions = {**request.extensions, "trace": connected}

    return openai.DefaultHttpxClient(event_hooks={"request": [trace]})


def requests_session(on_socket: OnSocket) -> Any:
    """Return a `requests.Session`, as DashScope's client takes one."""
    import requests  # only needed for DashScope, whose client has imported it
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

    def observed(pool: Any) -> Any:
        class Connection(pool.ConnectionCls):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                on_socket(self.sock)

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {
                "http": observed(HTTPConnectionPool),
                "https": observed(HTTPSConnectionPool),
            }

    session = requests.Session()
    session.mount("http://", Adapter())
    session.mount("https://", Adapter())
    return session


def socket_of(stream: Any) -> socket.socket | None:
    """Return the socket of an open stream of OpenAI's client, or None if it cannot be found."""
    response = getattr(stream, "http_response", None) or getattr(stream, "response", None)
    extensions = getattr(response, "extensions", None) or {}
    network = extensions.get("network_stream")
    found = network.get_extra_info("socket") if network is not None else None
    return found if isinstance(found, socket.socket) else None
