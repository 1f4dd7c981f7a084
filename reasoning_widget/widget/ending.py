"""What is saved when the kernel ends in order: the chats that are open close their runs and refresh what is shown."""

from __future__ import annotations

import atexit
import contextlib
import weakref
from typing import Final, Protocol

from ..session.thread import on_loop, session_loop


class Ending(Protocol):
    """What ends with the kernel: a chat."""

    def end(self) -> None:
        """Close what is open, and refresh what is saved. Called on the loop of the sessions."""


_open: Final[weakref.WeakSet[Ending]] = weakref.WeakSet()
_registered = False


def refresh_at_the_end(chat: Ending) -> None:
    """Have `chat` end in order with the process, before the loop of its session does."""
    global _registered  # noqa: PLW0603 (one hook a process)
    session_loop()  # its own end is registered first, so that it comes last
    _open.add(chat)
    if not _registered:
        _registered = True
        atexit.register(_end)


def _end() -> None:
    for chat in list(_open):
        with contextlib.suppress(RuntimeError):  # it was closed
            on_loop(chat.end)
