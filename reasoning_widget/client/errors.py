"""What can go wrong between a client and its server."""

from __future__ import annotations


class Disconnected(ConnectionError):
    """There is no connection, and no attempt to reconnect. The text says why."""


class NotAllowed(Disconnected, PermissionError):
    """The server refuses access: the token or ticket is missing, wrong or expired."""
