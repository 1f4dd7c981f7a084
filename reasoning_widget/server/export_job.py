"""What a server and the program that writes its exports say to each other."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["json", "markdown", "html", "notebook", "table"]


class Job(msgspec.Struct):
    """What there is to do."""

    kind: Kind
    store: str | None = None
    """The file with the sessions; absent if the session comes in on standard input."""
    session_id: str = ""
    size: int = 0
    """How many bytes the session has."""
    seconds: int = 600
    """How long it may take."""
    memory: int = 0
    """How many bytes of memory it may take; as many as there are if 0."""


class Outcome(msgspec.Struct, omit_defaults=True):
    """What came of it."""

    session_id: str = ""
    status: int = 200
    """An HTTP status."""
    message: str = ""


def too_long(job: Job) -> str:
    """The message for an export that needs more memory than it may take."""
    return f"the session is too long to be written as {job.kind}: try another format"
