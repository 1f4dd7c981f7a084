"""A disk that can be filled. Without the permission to mount one, a limit on the size of files replaces it."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SIZE = 4 * 1024 * 1024
_PAGE = 4096


class Disk:
    """A disk of a few megabytes.

    Attributes:
        folder: Where it is mounted.
        full: Whether there is no room.
        complaint: What is said, among other words, when it is full.
    """

    complaint = "the disk is full"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.full = False
        self._ballast = folder / "ballast"

    def fill(self, pid: int) -> None:
        """Fill the disk, at least for the process `pid`."""
        self.full = True
        with suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while file.write(b"x" * _PAGE):
                pass

    def empty(self, pid: int) -> None:
        """Free the space again."""
        self.full = False
        self._ballast.unlink()


class _Limits(Disk):
    """Forbid a process to enlarge files. For SQLite, this is an error like any other when it writes."""

    complaint = "disk I/O error"

    def fill(self, pid: int) -> None:
        self.full = True
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (_PAGE, resource.RLIM_INFINITY))

    def empty(self, pid: int) -> None:
        self.full = False
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Provide a disk at `folder`."""
    folder.mkdir()
    privileged = next((how for how in ([], ["sudo", "-n"]) if _mounted(how, folder)), None)
    if privileged is None:
        yield _Limits(folder)
        return
    try:
        yield Disk(folder)
    finally:
        subprocess.run([*privileged, "umount", str(folder)], check=True)


def _mounted(privileged: list[str], folder: Path) -> bool:
    mount = [*privileged, "mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=777", "none", str(folder)]
    with suppress(OSError):
        return subprocess.run(mount, check=False, capture_output=True).returncode == 0
    return False
