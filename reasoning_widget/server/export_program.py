"""The program that writes one export for a server, as a process: a long session takes minutes and gigabytes.

Its argument is an `ExportJob` as JSON. A session that is not in the store is read from standard input. The program
writes an `ExportOutcome` as one line of JSON, and then the export. If there is none, its exit status is 1.
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
from ..session.folded_log import transcript_of
from ..session.log import StorageError
from ..session.store import SessionReader
from .export_job import ExportFormat, ExportJob, ExportOutcome, out_of_memory


def export(job: ExportJob, source: bytes = b"") -> tuple[str, bytes]:
    """Export a session, and return its id and the export.

    Args:
        job: The export to write. Its limits are ignored.
        source: The session as JSON, if it is not in the store.

    Raises:
        StorageError: The session cannot be read.
        SessionFileError: There is no such session, or `source` is not a session.
    """
    return _from_store(job) if job.store is not None else _from_input(job, source)


def _written(export_format: ExportFormat, state: Transcript) -> bytes:
    # The imports of each format are slow, and only one format is needed.
    if export_format == "html":
        from ..export.html import to_page

        text = to_page(state)
    elif export_format == "markdown":
        from ..export.markdown import to_markdown

        text = to_markdown(state, pictures=True)
    elif export_format == "notebook":
        from ..export.notebook import to_notebook

        return msgspec.json.encode(to_notebook(state))
    else:
        from ..export.frame import to_csv

        text = to_csv(state)
    return text.encode()


def main() -> int:
    """Write the export, and return the exit status."""
    job = msgspec.json.decode(sys.argv[1], type=ExportJob)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever libraries print must not get into the export
    _limit(job)
    try:
        session_id, content = export(job, sys.stdin.buffer.read())
        return _reply(out, ExportOutcome(session_id), content)
    except MemoryError:
        return _reply(out, ExportOutcome(status=413, message=out_of_memory(job)))
    except StorageError as error:
        return _reply(out, ExportOutcome(status=503, message=str(error)))
    except SessionFileError as error:
        return _reply(out, ExportOutcome(status=400, message=str(error)))


def _reply(out: BinaryIO, outcome: ExportOutcome, content: bytes = b"") -> int:
    with out:
        out.write(msgspec.json.encode(outcome) + b"\n")
        out.write(content)
    return 0 if outcome.status == 200 else 1


def _limit(job: ExportJob) -> None:
    """Lower this process's priority, and limit its time and memory, so that exports do not starve the server."""
    if hasattr(os, "nice"):
        os.nice(5)
    if hasattr(signal, "alarm"):
        signal.alarm(job.seconds)
    if job.memory:
        with suppress(ImportError, ValueError, OSError):  # not every system supports limits
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (job.memory, job.memory))


def _from_store(job: ExportJob) -> tuple[str, bytes]:
    store = SessionReader(str(job.store))
    try:
        session_id = job.session_id
        state = transcript_of(store, session_id)
        if state is None:
            raise SessionFileError(f"there is no session {session_id}")
        if job.format == "json":
            return session_id, msgspec.json.encode(complete_file(state, store))
        shown = masked(state, store.read(session_id), partial(store.get_blob, session_id))
        return session_id, _written(job.format, shown)
    finally:
        store.close()


def _from_input(job: ExportJob, source: bytes) -> tuple[str, bytes]:
    file, _ = read_session(source)
    blobs = file.get("blobs", {})
    shown = masked(folded(file), file["events"], blobs.__getitem__)
    return file["session_id"], _written(job.format, shown)


if __name__ == "__main__":
    sys.exit(main())
