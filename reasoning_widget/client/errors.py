"""What can go wrong between a client and its server."""

from __future__ import annotations


class Disconnected(ConnectionError):
    """There is no connection, and none is being made. The text says why."""


class NotAllowed(Disconnected, PermissionError):
    """The server does not let us in: no token or ticket, a wrong one, or one that has ended."""
