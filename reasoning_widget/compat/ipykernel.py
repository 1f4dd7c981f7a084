"""Receive the comm messages of pages while a cell runs.

For ipykernel 7.4 and later 7.x, which route a page's messages on a comm to the event loop that last sent on this comm.
For a widget that was created in a cell, this is the main shell, which is busy while the cell runs. Without this module,
Stop has no effect until the cell has ended. The default route, a subshell, is restored by replacing the private method
`Comm._reply_subshell_for`. Earlier versions do not have this method, and use the default route.
"""

from __future__ import annotations

from typing import Any, Final

_METHOD: Final = "_reply_subshell_for"


def receive_in_subshell(comm: Any) -> None:
    """Deliver the messages of pages on `comm` in a subshell, where ipykernel supports this."""
    if hasattr(comm, _METHOD):
        setattr(comm, _METHOD, lambda _data, default: default)
