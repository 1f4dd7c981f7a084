"""Kernel messages without delay.

A kernel's small messages, such as the tokens a widget shows, are held back by Nagle's algorithm until the browser's
delayed acknowledgement of the one before: by up to 40 ms. Jupyter Server does not turn the algorithm off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_server.services.kernels.connection.base import BaseKernelWebsocketConnection


def without_delay(connection: type[BaseKernelWebsocketConnection]) -> type[BaseKernelWebsocketConnection]:
    """A subclass of the server's class of kernel connections whose sockets send at once."""

    def connect(self: Any) -> Any:
        self.websocket_handler.set_nodelay(True)
        return connection.connect(self)  # type: ignore[no-untyped-call]

    return type(connection.__name__, (connection,), {"connect": connect})
