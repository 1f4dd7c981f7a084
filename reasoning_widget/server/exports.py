"""Exports sessions: short ones in a thread, long ones in a process, so that they do not slow down other requests."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import IO, Final

import msgspec
from tornado import web

from .export_job import ExportFormat, ExportJob, ExportOutcome, out_of_memory

FORMATS: Final[dict[ExportFormat, tuple[str, str]]] = {
    "json": ("json", "application/json"),
    "markdown": ("md", "text/markdown; charset=utf-8"),
    "html": ("html", "text/html; charset=utf-8"),
    "notebook": ("ipynb", "application/x-ipynb+json"),
    "table": ("csv", "text/csv; charset=utf-8"),
}
"""The file extension and MIME type of each format."""

_MAX_PROCESSES: Final = 2
_MAX_SHORT_BYTES: Final = 64 * 1024  # of a session that is exported in a thread
_GRACE_SECONDS: Final = 10  # for a process to stop at its own time limit
_TIMED_OUT: Final = (-signal.SIGTERM, -getattr(signal, "SIGALRM", signal.SIGTERM))
"""The exit statuses of a process that took too long: killed here, or by its own alarm, which Windows does not have."""


class Exports:
    """Writes exports. At most `_MAX_PROCESSES` long ones are written at a time; others wait."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "reasoning-export")
        self._slots = asyncio.Semaphore(_MAX_PROCESSES)

    def close(self) -> None:
        """Start no further exports."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def write(self, job: ExportJob, source: bytes = b"") -> tuple[str, IO[bytes]]:
        """Write an export, and return the id of the session and an open file, positioned at the start of the export.

        Args:
            job: The export to write.
            source: The session as JSON, if it is not in the store.

        Raises:
            StorageError: The session cannot be read.
            ValueError: `source` is not a session.
            HTTPError: The export failed, or exceeded its limit of time or memory.
        """
        loop = asyncio.get_running_loop()
        if max(job.size, len(source)) <= _MAX_SHORT_BYTES:
            return await loop.run_in_executor(self._thread, _export_here, job, source)
        async with self._slots:
            with contextlib.ExitStack() as on_error:
                output = on_error.enter_context(tempfile.TemporaryFile())
                with tempfile.TemporaryFile() as stdin:
                    await loop.run_in_executor(None, _fill, stdin, source)
                    status = await self._run(job, stdin, output)
                result = _result(job, output, status)
                on_error.pop_all()  # the caller closes the file
                return result

    async def _run(self, job: ExportJob, stdin: IO[bytes], output: IO[bytes]) -> int:
        """Run the export program, and return its exit status."""
        program = (
            sys.executable,
            "-P",
            "-m",
            "reasoning_widget.server.export_program",
            msgspec.json.encode(job).decode(),
        )
        process = await asyncio.create_subprocess_exec(*program, stdin=stdin, stdout=output)
        try:
            return await asyncio.wait_for(process.wait(), job.seconds + _GRACE_SECONDS)
        except TimeoutError:
            return -signal.SIGTERM
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _export_here(job: ExportJob, source: bytes) -> tuple[str, IO[bytes]]:
    """Write a short export in this process: starting another one would take longer."""
    from .export_program import export  # its imports are slow, and only needed here

    session_id, content = export(job, source)
    return session_id, BytesIO(content)


def _fill(file: IO[bytes], content: bytes) -> None:
    file.write(content)
    file.seek(0)


def _result(job: ExportJob, output: IO[bytes], status: int) -> tuple[str, IO[bytes]]:
    """Return the session's id and the file of a process's output, or raise the error that it reports."""
    output.seek(0)
    line = output.readline()
    if line.endswith(b"\n"):
        outcome = msgspec.json.decode(line, type=ExportOutcome)
        if status == 0:
            return outcome.session_id, output
        raise web.HTTPError(outcome.status, outcome.message.replace("%", "%%"))
    if status in _TIMED_OUT:
        raise web.HTTPError(503, f"the export as {job.format} took more than {job.seconds} s: try another format")
    if status < 0:  # some libraries crash when they get no memory
        raise web.HTTPError(413, out_of_memory(job))
    raise web.HTTPError(500, f"the export as {job.format} failed: the server's log says why")
