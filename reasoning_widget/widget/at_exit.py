"""When the kernel exits normally, open chats close their runs and refresh their outputs."""

from __future__ import annotations

import atexit
import contextlib
import weakref
from functools import cache
from typing import Final, Protocol

from ..session.thread import on_loop, session_loop


class ClosedAtExit(Protocol):
    """An object that is closed when the kernel exits, such as a chat."""

    def end(self) -> None:
        """Close the active run, and refresh the outputs. Called on the sessions' event loop."""


_open: Final[weakref.WeakSet[ClosedAtExit]] = weakref.WeakSet()


def close_at_exit(chat: ClosedAtExit) -> None:
    """Call `chat.end` when the process exits, before the sessions' event loop is closed."""
    _open.add(chat)
    _register_exit_handler()


@cache
def _register_exit_handler() -> None:
    session_loop()  # registers its own exit handler first, so that it is called last
    atexit.register(_close_all)


def _close_all() -> None:
    for chat in list(_open):
        with contextlib.suppress(RuntimeError):  # it is closed already
            on_loop(chat.end)
