"""Deletes expired sessions, and removes deleted data from the disk, in short slices between other work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final

from ..session.store import SessionStore

_SESSIONS_PER_SLICE: Final = 100
_PURGE_SECONDS: Final = 0.004  # the length of a slice
_PAUSE_SECONDS: Final = 0.02  # between two slices


async def clean_up(
    store: SessionStore, max_age: float, in_use: Callable[[], Collection[str]], on_expired: Callable[[str], None]
) -> None:
    """Delete all expired sessions, and remove all deleted data from the disk.

    Args:
        store: The sessions.
        max_age: Seconds after its last message until a session is deleted; 0 keeps sessions forever.
        in_use: Returns the ids of the sessions that are in use, and are kept.
        on_expired: Called with the id of each deleted session.

    Raises:
        StorageError: The store cannot be read or written.
    """
    while max_age > 0 and (
        expired := store.expire(time.time() - max_age, keep=set(in_use()), limit=_SESSIONS_PER_SLICE)
    ):
        for session_id in expired:
            on_expired(session_id)
        await asyncio.sleep(_PAUSE_SECONDS)
    remaining = True
    while remaining:
        remaining = store.purge(_PURGE_SECONDS)
        await asyncio.sleep(_PAUSE_SECONDS)
