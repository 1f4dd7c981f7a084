"""The Jupyter Server extension."""

from __future__ import annotations

from typing import Any

from . import api
from .nodelay import without_delay
from .service import Service
from .settings import ReasoningSettings
from .sockets import ChatSocket

_KERNEL_CONNECTION = "kernel_websocket_connection_class"
_NOT_LOGGED = "extra_log_scrub_param_keys"


class ReasoningApp(ReasoningSettings):
    """Serves conversations with agents: `c.ReasoningApp…` in ``jupyter_server_config.py``."""

    name = "reasoning_widget"
    description = "Conversations with agents, over WebSockets and REST"
    load_other_extensions = True

    service: Service

    def initialize_settings(self) -> None:
        """Share the service with the handlers, and let kernels' messages go at once."""
        self.service = Service(self)
        self.settings["reasoning"] = self.service
        self.service.notice_logouts(self.server.identity_provider)
        # What is set here goes to the server, and what the server has is here already.
        self.settings[_KERNEL_CONNECTION] = without_delay(self.settings[_KERNEL_CONNECTION])
        # A ticket is never part of an address; should someone put one there all the same, it is not logged.
        self.settings[_NOT_LOGGED] = [*self.settings.get(_NOT_LOGGED, []), "ticket"]

    def initialize_handlers(self) -> None:
        """Where the sessions are found."""
        self.handlers.append((r"/ws/chat/([^/]+)", ChatSocket))
        self.handlers.extend(api.handlers())

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        await self.service.start()

    def current_activity(self) -> int:
        """How many runs are on: a server that ends itself when nothing happens waits for them."""
        return self.service.live_runs

    async def stop_extension(self) -> None:
        """The server ends."""
        await self.service.stop()
