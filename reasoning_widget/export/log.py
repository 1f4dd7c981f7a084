"""A session as its log: nothing is lost."""

from __future__ import annotations

from typing import Final, TypedDict

from ..protocol import Frame

FORMAT: Final = "reasoning-widget.session"
VERSION: Final = 1


class SessionFile(TypedDict):
    """A session's log, as it is exported."""

    format: str
    version: int
    session_id: str
    epoch: str
    events: list[Frame]


def session_file(session_id: str, epoch: str, events: list[Frame]) -> SessionFile:
    """The log of a session, with what it takes to read it again."""
    return {"format": FORMAT, "version": VERSION, "session_id": session_id, "epoch": epoch, "events": events}
