"""Limits the memory that is held by incoming messages which have begun and not ended."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from ..compat.tornado import CountingConnection

MAX_INCOMING_BYTES: Final = 64 * 1024 * 1024
"""The limit for all connections together: four of the longest messages."""

_TRY_AGAIN_LATER: Final = 1013


class IncomingLimit:
    """The memory that the connections of a server hold for messages that have not ended.

    Above the limit, the connection that has been silent for the longest time is closed: a client that still sends is
    not disturbed by clients that have stopped.

    Args:
        limit: The limit for all connections together, in bytes.
    """

    def __init__(self, limit: int = MAX_INCOMING_BYTES) -> None:
        self._limit = limit
        self._sizes: OrderedDict[CountingConnection, int] = OrderedDict()
        self._total = 0

    @property
    def total(self) -> int:
        """The bytes that are held."""
        return self._total

    def add(self, connection: CountingConnection, size: int) -> None:
        """Count bytes of a message that has not ended, and close connections while there are too many."""
        self._sizes[connection] = self._sizes.get(connection, 0) + size
        self._sizes.move_to_end(connection)
        self._total += size
        while self._total > self._limit:
            stalled = next(iter(self._sizes))
            self.remove(stalled)
            stalled.refuse(_TRY_AGAIN_LATER, "too many unfinished messages: send it again later")

    def remove(self, connection: CountingConnection) -> None:
        """Forget the bytes of a connection: its message has ended, or never will. Harmless when repeated."""
        self._total -= self._sizes.pop(connection, 0)
