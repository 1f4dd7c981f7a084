"""What the processes that a tool starts print belongs to the tool's step.

A process inherits this one's output, which is nobody's in particular. Instead it is given the end of a pipe, unless the
tool says itself where its output goes: by `subprocess`, `asyncio` and `os.system` when it is started, and by a fork in
the child. Where pipes cannot be read without waiting (Windows), everything is as in plain Python, and so is what takes
another way: `os.posix_spawn`, and processes that `multiprocessing` starts by "spawn" or "forkserver".
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

_STDOUT, _STDERR = 4, 5  # where they stand among the arguments of `Popen`
_CHUNK: Final = 64 * 1024


class Pipe:
    """Takes what processes print. It is opened when the first of them needs it.

    Args:
        take: Called with what was printed, from any thread.
    """

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._lock = threading.RLock()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._reader = -1
        self.writer = -1
        """The end to write to, a file descriptor; -1 if it is not open."""
        self._closed = self._ended = False

    def opened(self) -> int:
        """The end to write to, a file descriptor; -1 if there can be none."""
        with self._lock:
            if self.writer < 0 and not self._closed and CAN_READ_PIPES:
                self._reader, self.writer = os.pipe()
                os.set_blocking(self._reader, False)
                thread = threading.Thread(target=self._follow, name="reasoning-printed", daemon=True)
                contextvars.Context().run(thread.start)  # it belongs to no run
            return self.writer

    def drain(self) -> None:
        """Take what was printed until now: what a process has said before it ended comes before what is said next."""
        with self._lock:
            while self._reader >= 0 and not self._ended:
                try:
                    data = os.read(self._reader, _CHUNK)
                except BlockingIOError:
                    return
                self._ended = not data
                text = self._decoder.decode(data, final=self._ended)
                if text:
                    self._take(text)

    def close(self, take: Callable[[str], None]) -> None:
        """Take what was printed until now. What processes that go on print later goes to `take`."""
        with self._lock:
            self.drain()
            self._take = take
            self._closed = True
            if self.writer >= 0:
                os.close(self.writer)
                self.writer = -1

    def _follow(self) -> None:
        """In a thread of its own: take what comes, until no process has the other end any more."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        while not self._ended:
            poll.poll()
            with contextlib.suppress(BaseException):  # the run was stopped, and nobody takes it
                self.drain()
        with self._lock:
            os.close(self._reader)
            self._reader = -1


@contextlib.contextmanager
def watched(pipe: Callable[[], Pipe | None]) -> Iterator[None]:
    """Within the block, processes that are started where `pipe` says one print into it."""
    _watching.begin(pipe)
    try:
        yield
    finally:
        _watching.end()


class _Watching:
    """The patches, in place while anyone watches."""

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
    """Whether a process would print where this one does."""
    if isinstance(output, int):
        return output in (1, 2)
    return output is None or any(output is each for each in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__))


_watching = _Watching()
