"""The Jupyter Server extension."""

from __future__ import annotations

from typing import Any

from ..compat.jupyter_server import hide_in_log, on_logout, send_kernel_messages_at_once
from . import api
from .service import Service
from .settings import ReasoningSettings
from .sockets import ChatSocket


class ReasoningApp(ReasoningSettings):
    """Serves conversations with agents. Configured with `c.ReasoningApp…` in ``jupyter_server_config.py``."""

    name = "reasoning_widget"
    description = "Conversations with agents, over WebSockets and REST"
    load_other_extensions = True

    service: Service

    def initialize_settings(self) -> None:
        """Create the service, and prepare the server for it."""
        self.service = Service(self)
        self.settings["reasoning"] = self.service
        on_logout(self.server.identity_provider, self.service.end_login)
        # The settings are the web application's, which are updated from them.
        send_kernel_messages_at_once(self.settings)
        hide_in_log(self.settings, "ticket")  # a ticket does not belong in an address, but somebody may put one there

    def initialize_handlers(self) -> None:
        """Add the routes of the WebSocket and of the REST interface."""
        self.handlers.append((r"/ws/chat/([^/]+)", ChatSocket))
        self.handlers.extend(api.handlers())

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        await self.service.start()

    def current_activity(self) -> int:
        """Return the number of active runs, so that a server does not shut down for inactivity during a run."""
        return self.service.live_runs

    async def stop_extension(self) -> None:
        """Stop the service, because the server shuts down."""
        await self.service.stop()
