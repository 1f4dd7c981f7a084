"""The program that writes one export for a server, in a process of its own: a long session takes minutes and gigabytes.

What there is to do is its argument; a session that somebody else has comes in on standard input. Out goes a line of
JSON that says whose session it is, and the export; where there is none, the line says why, and the exit status is 1.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from functools import partial
from typing import BinaryIO

import msgspec

from ..export.log import complete_file
from ..export.reading import SessionFileError, read_session
from ..export.saved import folded, masked
from ..fold import Transcript
from ..session.log import StorageError
from ..session.record import transcript_of
from ..session.store import SessionReader
from .export_job import Job, Kind, Outcome, too_long


def export(job: Job, source: bytes = b"") -> tuple[str, bytes]:
    """The id of the session, and the export.

    Args:
        job: What there is to do. Its limits are not looked at.
        source: The session, where it is in no store.

    Raises:
        StorageError: The session cannot be read.
        SessionFileError: It is none.
    """
    return _from_store(job) if job.store is not None else _from_input(job, source)


def _written(kind: Kind, state: Transcript) -> bytes:
    # Each takes its time to be imported, and only one is needed.
    if kind == "html":
        from ..export.html import to_page

        text = to_page(state)
    elif kind == "markdown":
        from ..export.markdown import to_markdown

        text = to_markdown(state, pictures=True)
    elif kind == "notebook":
        from ..export.notebook import to_notebook

        return msgspec.json.encode(to_notebook(state))
    else:
        from ..export.frame import to_csv

        text = to_csv(state)
    return text.encode()


def main() -> int:
    """Do it."""
    job = msgspec.json.decode(sys.argv[1], type=Job)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed is no part of it
    _limit(job)
    try:
        session_id, content = export(job, sys.stdin.buffer.read())
        return _say(out, Outcome(session_id), content)
    except MemoryError:
        return _say(out, Outcome(status=413, message=too_long(job)))
    except StorageError as error:
        return _say(out, Outcome(status=503, message=str(error)))
    except SessionFileError as error:
        return _say(out, Outcome(status=400, message=str(error)))


def _say(out: BinaryIO, outcome: Outcome, content: bytes = b"") -> int:
    with out:
        out.write(msgspec.json.encode(outcome) + b"\n")
        out.write(content)
    return 0 if outcome.status == 200 else 1


def _limit(job: Job) -> None:
    """What a page can ask for must not starve the server: it comes first, and there is an end."""
    if hasattr(os, "nice"):
        os.nice(5)
    if hasattr(signal, "alarm"):
        signal.alarm(job.seconds)
    if job.memory:
        with suppress(ImportError, ValueError, OSError):  # where the system knows no limits
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (job.memory, job.memory))


def _from_store(job: Job) -> tuple[str, bytes]:
    store = SessionReader(str(job.store))
    try:
        session_id = job.session_id
        state = transcript_of(store, session_id)
        if state is None:
            raise SessionFileError(f"there is no session {session_id}")
        if job.kind == "json":
            return session_id, msgspec.json.encode(complete_file(state, store))
        shown = masked(state, store.read(session_id), partial(store.get_blob, session_id))
        return session_id, _written(job.kind, shown)
    finally:
        store.close()


def _from_input(job: Job, source: bytes) -> tuple[str, bytes]:
    file, _ = read_session(source)
    blobs = file.get("blobs", {})
    shown = masked(folded(file), file["events"], blobs.__getitem__)
    return file["session_id"], _written(job.kind, shown)


if __name__ == "__main__":
    sys.exit(main())
