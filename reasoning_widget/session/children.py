"""Assigns what the child processes of a tool print to the tool's step.

A child process would inherit the standard output of this process, which belongs to no step. Instead it writes to a
pipe, unless the tool redirects its output. This covers `subprocess`, `asyncio`, `os.system` and forks. It does not
cover `os.posix_spawn`, the start methods "spawn" and "forkserver" of `multiprocessing`, and systems on which pipes
cannot be polled (Windows): there, output goes where it goes in plain Python.
"""

from __future__ import annotations

import codecs
import contextlib
import contextvars
import functools
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..compat.patched import Function, Patch

CAN_READ_PIPES: Final = hasattr(select, "poll")

_STDOUT, _STDERR = 4, 5  # their positions in the arguments of `Popen`
_CHUNK: Final = 64 * 1024


class Pipe:
    """Receives what child processes print. It is opened when the first of them starts.

    Args:
        on_text: Called with printed text, in any thread.

    Attributes:
        writer: The file descriptor to write to; -1 if it is not open.
    """

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text = on_text
        self._lock = threading.RLock()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._reader = -1
        self.writer = -1
        self._closed = self._ended = False

    def opened(self) -> int:
        """Open it if necessary, and return the file descriptor to write to; -1 if it is closed or not supported."""
        with self._lock:
            if self.writer < 0 and not self._closed and CAN_READ_PIPES:
                self._reader, self.writer = os.pipe()
                os.set_blocking(self._reader, False)
                thread = threading.Thread(target=self._follow, name="reasoning-printed", daemon=True)
                contextvars.Context().run(thread.start)  # the thread belongs to no run
            return self.writer

    def drain(self) -> None:
        """Pass on everything printed so far, so that it comes before what the tool prints next."""
        with self._lock:
            while self._reader >= 0 and not self._ended:
                try:
                    data = os.read(self._reader, _CHUNK)
                except BlockingIOError:
                    return
                self._ended = not data
                text = self._decoder.decode(data, final=self._ended)
                if text:
                    self._on_text(text)

    def close(self, on_late_text: Callable[[str], None]) -> None:
        """Pass on everything printed so far. Processes that are still running print to `on_late_text` from now on."""
        with self._lock:
            self.drain()
            self._on_text = on_late_text
            self._closed = True
            if self.writer >= 0:
                os.close(self.writer)
                self.writer = -1

    def _follow(self) -> None:
        """Pass on what is printed, in a separate thread, until no process has the pipe open for writing."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        while not self._ended:
            poll.poll()
            with contextlib.suppress(BaseException):  # the run was stopped: the text is dropped
                self.drain()
        with self._lock:
            os.close(self._reader)
            self._reader = -1


@contextlib.contextmanager
def watched(pipe: Callable[[], Pipe | None]) -> Iterator[None]:
    """Within the block, child processes print to the pipe that `pipe` returns where they start, if it returns one."""
    _watching.begin(pipe)
    try:
        yield
    finally:
        _watching.end()


class _Watching:
    """The patches, applied while at least one tool is watched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._pipe: Callable[[], Pipe | None] = lambda: None
        self._popen = Patch(subprocess.Popen, {"__init__": self._starting})
        self._system: Any = None

    def begin(self, pipe: Callable[[], Pipe | None]) -> None:
        with self._lock:
            self._users += 1
            self._pipe = pipe
            if self._users == 1 and CAN_READ_PIPES:
                self._popen.apply()
                self._system = os.system
                os.system = self._system_call

    def end(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and CAN_READ_PIPES:
                self._popen.remove()
                if os.system == self._system_call:
                    os.system = self._system

    def _starting(self, _: type, original: Function) -> Function:
        @functools.wraps(original)
        def init(popen: Any, *args: Any, **kwargs: Any) -> Any:
            pipe = self._pipe()
            writer = pipe.opened() if pipe is not None else -1
            if writer < 0:
                return original(popen, *args, **kwargs)
            given = list(args)
            for place, name in ((_STDOUT, "stdout"), (_STDERR, "stderr")):
                if place < len(given):
                    given[place] = writer if _is_ours(given[place]) else given[place]
                elif _is_ours(kwargs.get(name)):
                    kwargs[name] = writer
            return original(popen, *given, **kwargs)

        return init

    def _system_call(self, command: Any) -> int:
        if self._pipe() is None:
            status: int = self._system(command)
            return status
        code = subprocess.call(command, shell=True)  # noqa: S602 (that is what `os.system` does)
        return code << 8 if code >= 0 else -code


def _is_ours(output: Any) -> bool:
    """Whether a child process with this `stdout` or `stderr` would print where this process prints."""
    if isinstance(output, int):
        return output in (1, 2)
    return output is None or any(output is each for each in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__))


_watching = _Watching()
