"""An authorizer for a test's server."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.authorizer import Authorizer


class AsAsked(Authorizer):
    """Lets users do everything, unless they come with a header that says that they may only read, or nothing."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Decide on our own resource; leave the others alone."""
        may = handler.request.headers.get("X-May", "read execute").split()
        return resource != "reasoning" or action in may
