"""The command `reasoning-widget` as a process, in a pipe and in a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

COMMAND = [sys.executable, "-c", "from reasoning_widget.cli import main; main()"]
_PATH = str(Path(__file__).resolve().parents[1])


def run(*arguments, cwd, **environment):
    """Run the command until it exits, in pipes."""
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": _PATH, **environment},
        stdin=subprocess.DEVNULL,
        check=False,
    )


class Terminal:
    """Within the block, the command runs in its own terminal.

    Attributes:
        text: The output so far.
    """

    def __init__(self, *arguments, cwd, **environment):
        self.text = ""
        self._parent, child = pty.openpty()
        self._process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=child,
            stdout=child,
            stderr=child,
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": _PATH, "TERM": "xterm-256color", **environment},
            start_new_session=True,
        )
        os.close(child)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._parent)

    def until(self, shown):
        """Read until this text was shown."""
        while shown not in self.text:
            assert self._read(), f"it ended and had shown {self.text!r}"

    def type(self, keys):
        os.write(self._parent, keys.encode())

    def interrupt(self):
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self):
        """Read to the end, and return the exit code."""
        while self._read():
            pass
        return self._process.wait()

    def _read(self):
        with contextlib.suppress(OSError):  # the other end has been closed
            block = os.read(self._parent, 65536)
            self.text += block.decode(errors="replace")
            return bool(block)
        return False
