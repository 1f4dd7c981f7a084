"""An authorizer for the tests' servers."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.authorizer import Authorizer


class AsAsked(Authorizer):
    """Allows everything, unless a header of the request says that the user may only read, or do nothing."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Decide on our own resource; allow all others."""
        may = handler.request.headers.get("X-May", "read execute").split()
        return resource != "reasoning" or action in may
