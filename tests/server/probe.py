"""A Jupyter Server extension for tests, which reports what cannot be seen from outside the server."""

from __future__ import annotations

import gc
import json
import socket
from typing import Any

from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from tornado.web import RequestHandler


class SocketsOfKernels(RequestHandler):
    """Whether Nagle's algorithm is off, for each WebSocket of a kernel."""

    def get(self) -> None:
        handlers: list[Any] = [each for each in gc.get_objects() if isinstance(each, KernelWebsocketHandler)]
        sockets = [each.ws_connection.stream.socket for each in handlers if each.ws_connection]
        at_once = [bool(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) for each in sockets]
        self.finish(json.dumps(at_once))


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    server.web_app.add_handlers(".*$", [("/probe/sockets-of-kernels", SocketsOfKernels)])
