"""Deleting what is too old, and taking what was deleted off the disk: a little at a time, in between all else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final

from ..session.store import SessionStore

_AT_A_TIME: Final = 100  # sessions that expire before others have their turn
_SLICE: Final = 0.004  # seconds for which what was deleted is taken off the disk, and the pause after it
_PAUSE: Final = 0.02


async def tidy(
    store: SessionStore, age: float, keep: Callable[[], Collection[str]], on_expired: Callable[[str], None]
) -> None:
    """Do all there is to do.

    Args:
        store: The sessions.
        age: Seconds after which a session in which nobody has spoken is deleted; 0 keeps them forever.
        keep: Called for the ids of those that are in use.
        on_expired: Called with the id of each that was deleted.

    Raises:
        StorageError: The store cannot be read or written.
    """
    while age > 0 and (expired := store.expire(time.time() - age, keep=set(keep()), limit=_AT_A_TIME)):
        for session_id in expired:
            on_expired(session_id)
        await asyncio.sleep(_PAUSE)
    while store.purge(_SLICE):  # noqa: ASYNC110 (there is nothing to be told by)
        await asyncio.sleep(_PAUSE)
