"""What a tool prints and displays belongs to its step, not to whichever cell ran last."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TextIO, cast

from ..agents.carried import carried
from ..compat.pyplot import OpenFigures, own_figures
from ..host import ipython_shell
from ..outputs import PLAIN, is_printed
from ..protocol import MimeBundle

MAX_CAPTURED = 100_000
"""Code points of printed text that are kept of one tool call."""


class _Capture:
    """What a tool call shows, in order. Each list that is handed on is a new one, and its bundles never change."""

    def __init__(self, on_outputs: Callable[[list[MimeBundle]], None]) -> None:
        self._on_outputs = on_outputs
        self._lock = threading.Lock()
        self._outputs: list[MimeBundle] = []
        self._printed = 0
        self.figures: OpenFigures | None = None

    def write(self, text: str) -> None:
        """Something was printed."""
        with self._lock:
            if self._printed >= MAX_CAPTURED:
                return
            self._printed += len(text)
            if self._printed >= MAX_CAPTURED:
                text = f"{text[: len(text) - (self._printed - MAX_CAPTURED)]}\n… what follows was not kept"
            last = self._outputs[-1] if self._outputs else {}
            if is_printed(last):
                self._outputs[-1] = {PLAIN: last[PLAIN] + text}
            else:
                self._outputs.append({PLAIN: text})
            outputs = list(self._outputs)
        self._on_outputs(outputs)

    def display(self, bundle: MimeBundle) -> None:
        """Something was displayed."""
        if self.figures is not None:
            self.figures.saw(bundle)
        rich = {mime: value for mime, value in bundle.items() if mime != PLAIN}
        if not rich:
            self.write(f"{bundle.get(PLAIN, '')}\n")
            return
        with self._lock:
            self._outputs.append(rich)
            outputs = list(self._outputs)
        self._on_outputs(outputs)


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
def captured_output(on_outputs: Callable[[list[MimeBundle]], None]) -> Iterator[None]:
    """Within the block, what is printed, displayed and drawn here, and in threads that it starts, goes to `on_outputs`.

    Args:
        on_outputs: Called with all there is, in order, each time it has changed.
    """
    capture = _Capture(on_outputs)
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
