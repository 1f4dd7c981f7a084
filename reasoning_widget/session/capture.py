"""What a tool prints and displays belongs to its step, not to whichever cell ran last."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TextIO, cast

from ..agents.carried import carried
from ..bundles import put_together
from ..compat.pyplot import OpenFigures, own_figures
from ..host import ipython_shell

MAX_CAPTURED = 100_000
"""Code points of printed text that are kept of one tool call."""


class _Capture:
    def __init__(self, on_output: Callable[[dict[str, Any]], None]) -> None:
        self._on_output = on_output
        self._lock = threading.Lock()
        self._text = ""
        self._bundle: dict[str, Any] = {}
        self.figures: OpenFigures | None = None

    def write(self, text: str) -> None:
        with self._lock:
            if len(self._text) < MAX_CAPTURED:
                self._text += text
                if len(self._text) >= MAX_CAPTURED:
                    self._text = f"{self._text[:MAX_CAPTURED]}\n… what follows was not kept"
            bundle = {**self._bundle, "text/plain": self._text}
        self._on_output(bundle)

    def display(self, bundle: dict[str, Any]) -> None:
        if self.figures is not None:
            self.figures.saw(bundle)
        rich = {mime: value for mime, value in bundle.items() if mime != "text/plain"}
        if not rich:
            self.write(f"{bundle.get('text/plain', '')}\n")
            return
        with self._lock:
            self._bundle = put_together(self._bundle, rich)
            whole = {**self._bundle, "text/plain": self._text} if self._text else dict(self._bundle)
        self._on_output(whole)


_capture: ContextVar[_Capture | None] = ContextVar("reasoning_widget_capture", default=None)


class _Router:
    """Stands for `sys.stdout` or `sys.stderr` while a tool is captured: others' output passes through."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        capture = _capture.get()
        if capture is None:
            return self._stream.write(text)
        capture.write(text)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Streams:
    """Puts the routers in place for the first capture and takes them away after the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._replaced: dict[str, tuple[_Router, TextIO]] = {}

    @contextlib.contextmanager
    def routed(self) -> Iterator[None]:
        with self._lock:
            self._users += 1
            if self._users == 1:
                for name in ("stdout", "stderr"):
                    stream = getattr(sys, name)
                    router = _Router(stream)
                    self._replaced[name] = (router, stream)
                    setattr(sys, name, cast("TextIO", router))
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    for name, (router, stream) in self._replaced.items():
                        if getattr(sys, name) is router:  # else someone redirected it meanwhile: theirs to undo
                            setattr(sys, name, stream)
                    self._replaced.clear()


_streams = _Streams()


@contextlib.contextmanager
def captured_output(on_output: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Within the block, what is printed, displayed and drawn here, and in threads that it starts, goes to `on_output`.

    Args:
        on_output: Called with a MIME bundle of all there is, each time there is more.
    """
    capture = _Capture(on_output)
    token = _capture.set(capture)
    try:
        with (
            _streams.routed(),
            carried(_capture, _displays),
            _displays(capture),
            own_figures(capture.display) as figures,
        ):
            capture.figures = figures
            yield
    finally:
        _capture.reset(token)


@contextlib.contextmanager
def _displays(capture: _Capture) -> Iterator[None]:
    """Route `display(…)` too, where there is a kernel; its hooks are the calling thread's own."""
    publisher: Any = getattr(ipython_shell(), "display_pub", None)
    if not hasattr(publisher, "register_hook"):
        yield
        return

    def take(message: dict[str, Any]) -> dict[str, Any] | None:
        if message["header"]["msg_type"] != "display_data" or _capture.get() is not capture:
            return message  # another call in this thread, in turns with this one, has a hook of its own
        capture.display(message["content"]["data"])
        return None

    publisher.register_hook(take)
    try:
        yield
    finally:
        publisher.unregister_hook(take)
