"""The messages between a server and the program that writes its exports."""

from __future__ import annotations

from typing import Literal

import msgspec

ExportFormat = Literal["json", "markdown", "html", "notebook", "table"]


class ExportJob(msgspec.Struct):
    """An export to write."""

    format: ExportFormat
    store: str | None = None
    """The file with the sessions; None if the session is on standard input."""
    session_id: str = ""
    size: int = 0
    """The size of the session, in bytes."""
    seconds: int = 600
    """The time limit."""
    memory: int = 0
    """The limit of the process's address space, in bytes; 0 for none."""


class ExportOutcome(msgspec.Struct, omit_defaults=True):
    """The result of an export."""

    session_id: str = ""
    status: int = 200
    """The HTTP status of the response."""
    message: str = ""
    """Why there is no export, if there is none."""


def out_of_memory(job: ExportJob) -> str:
    """Return the message for an export that exceeds its memory limit."""
    return f"the session is too long to be exported as {job.format}: try another format"
