"""Exports: a short one is written in a thread, a long one by a process of its own, so that it slows nobody down."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import IO, Final

import msgspec
from tornado import web

from .export_job import Job, Outcome, too_long

FORMATS: Final = {
    "json": ("json", "application/json"),
    "markdown": ("md", "text/markdown; charset=utf-8"),
    "html": ("html", "text/html; charset=utf-8"),
    "notebook": ("ipynb", "application/x-ipynb+json"),
    "table": ("csv", "text/csv; charset=utf-8"),
}
"""The ending and the type of a file, by its format."""

_AT_ONCE: Final = 2
_SHORT: Final = 64 * 1024  # bytes of a session
_PATIENCE: Final = 10  # seconds that a process may take beyond its limit
_TOO_SLOW: Final = (-signal.SIGTERM, -getattr(signal, "SIGALRM", signal.SIGTERM))
"""The status of a process that took too long: ended here, or by its own alarm, which Windows does not have."""


class Exports:
    """Makes exports, `_AT_ONCE` at a time; others wait their turn."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "reasoning-export")
        self._room = asyncio.Semaphore(_AT_ONCE)

    def close(self) -> None:
        """Begin no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def make(self, job: Job, source: bytes = b"") -> tuple[str, IO[bytes]]:
        """The id of the session, and a file that stands where the export begins.

        Args:
            job: What there is to do.
            source: The session, where it is in no store.

        Raises:
            StorageError: The session cannot be read.
            ValueError: It is none.
            HTTPError: It cannot be done, or takes too long, or too much memory.
        """
        loop = asyncio.get_running_loop()
        if max(job.size, len(source)) <= _SHORT:
            return await loop.run_in_executor(self._thread, _short, job, source)
        async with self._room:
            given = await loop.run_in_executor(None, _file_of, source)
            made = tempfile.TemporaryFile()  # noqa: SIM115 (whoever sends it closes it)
            try:
                with given:
                    status = await self._run(job, given, made)
                return _outcome(job, made, status)
            except BaseException:
                made.close()
                raise

    async def _run(self, job: Job, given: IO[bytes], made: IO[bytes]) -> int:
        program = (
            sys.executable,
            "-P",
            "-m",
            "reasoning_widget.server.export_program",
            msgspec.json.encode(job).decode(),
        )
        process = await asyncio.create_subprocess_exec(*program, stdin=given, stdout=made)
        try:
            return await asyncio.wait_for(process.wait(), job.seconds + _PATIENCE)
        except TimeoutError:
            return -signal.SIGTERM
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _short(job: Job, source: bytes) -> tuple[str, IO[bytes]]:
    """A short export, made here: a process takes longer to begin."""
    from .export_program import export  # all that it imports is only needed here

    session_id, content = export(job, source)
    return session_id, BytesIO(content)


def _file_of(content: bytes) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    file.write(content)
    file.seek(0)
    return file


def _outcome(job: Job, made: IO[bytes], status: int) -> tuple[str, IO[bytes]]:
    made.seek(0)
    line = made.readline()
    if line.endswith(b"\n"):
        outcome = msgspec.json.decode(line, type=Outcome)
        if status == 0:
            return outcome.session_id, made
        made.close()
        raise web.HTTPError(outcome.status, outcome.message.replace("%", "%%"))
    if status in _TOO_SLOW:
        raise web.HTTPError(503, f"the export as {job.kind} took more than {job.seconds} s: try another format")
    if status < 0:  # some libraries crash where they get no memory
        raise web.HTTPError(413, too_long(job))
    raise web.HTTPError(500, f"the export as {job.kind} failed: the server's log says why")
