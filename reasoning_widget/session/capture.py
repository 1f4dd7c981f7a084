"""Assigns what a tool prints and displays to its step, instead of the cell that ran last."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, TextIO, cast
from weakref import ref

from ..clean import clean_text
from ..compat.carried import carried
from ..compat.display import Publish, redirect_displays
from ..compat.pyplot import OpenFigures, own_figures
from ..host import ipython_shell
from ..outputs import PLAIN
from ..printed import Printed
from ..protocol import MimeBundle
from .children import Pipe, watched

_PAUSE: Final = 0.02
"""Seconds between two updates, so that a tool that prints without a pause does not cause one for each line."""
_REPLACED_PER_SECOND: Final = 64 * 1024
"""Code points. An update that only appends is cheap; one that replaces text contains all of it."""
_SOON: Final = 10.0
"""Seconds for which a tool may replace that much. After that, the rate decreases, because each update is logged."""
_LONGEST_PAUSE: Final = 10.0
"""The most seconds between two updates, unless a single one replaces more than is allowed in that time."""


@dataclass(frozen=True)
class _Output:
    """An output of a tool. Outputs are replaced, never changed."""

    bundle: MimeBundle
    display_id: str | None = None
    """The id with which it can be replaced."""


class _Capture:
    """The outputs of a tool call, in order. Each list passed to `on_outputs` is new, and its bundles never change."""

    def __init__(self, on_outputs: Callable[[list[MimeBundle]], None]) -> None:
        self._on_outputs = on_outputs
        self._lock = threading.RLock()
        self._outputs: list[_Output] = []
        self._screen: Printed | None = None
        """The text that the last output shows; None if the last output is not printed text."""
        self._clears_next = False
        """Whether the next output replaces all of them."""
        self._report_lock = threading.RLock()
        self._reported: list[MimeBundle] = []
        self._next = 0.0
        self._replaces_since: float | None = None
        """When an update first replaced something, on the monotonic clock."""
        self._timer: threading.Timer | None = None
        self._error: BaseException | None = None
        self.is_over = False
        self.figures: OpenFigures | None = None
        self.pipe = Pipe(self._print)
        self._forked = -1

    def write(self, text: str) -> None:
        """Add printed text."""
        if self._forked >= 0:
            with contextlib.suppress(OSError):  # the tool call has ended, so the pipe is closed
                os.write(self._forked, text.encode(errors="replace"))
            return
        self.pipe.drain()
        self._print(text)

    def display(self, bundle: MimeBundle, display_id: str | None = None) -> None:
        """Add a displayed output. It also replaces earlier outputs with the same id."""
        shown = _rich(bundle)
        if self._forked >= 0 or (display_id is None and shown.keys() <= {PLAIN}):
            if PLAIN in bundle:
                self.write(f"{bundle[PLAIN]}\n")
            return
        if self.figures is not None:
            self.figures.mark_displayed(bundle)
        self.pipe.drain()
        with self._lock:
            self._clear_if_due()
            self._settle()
            self._replace(display_id, shown)
            self._outputs.append(_Output(shown, display_id))
            if display_id is not None:
                _shown_by[display_id] = ref(self)
        self._changed()

    def update(self, bundle: MimeBundle, display_id: str) -> None:
        """Replace the outputs with this id; ignored if they were cleared."""
        if self._forked >= 0:
            return
        if self.figures is not None:
            self.figures.mark_displayed(bundle)
        with self._lock:
            self._replace(display_id, _rich(bundle))
        self._changed()

    def clear(self, *, wait: bool) -> None:
        """Remove all outputs: now, or with `wait` when the next one is added."""
        if self._forked >= 0:
            return
        self.pipe.drain()
        with self._lock:
            self._clears_next = True
            if not wait:
                self._clear_if_due()
        self._changed()

    def close(self) -> None:
        """Report the outputs a last time, and ignore what is added later."""
        self.pipe.close(_print_late)
        with self._lock:
            self.is_over = True
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._report()

    def begin_in_child(self) -> None:
        """In a forked process: send what it prints to the process that has the step."""
        self._forked = self.pipe.writer  # without the lock, which a thread of the parent may have held
        if self._forked >= 0:
            os.dup2(self._forked, 1)
            os.dup2(self._forked, 2)

    def _print(self, text: str) -> None:
        if not text:
            return
        with self._lock:
            self._clear_if_due()
            if self._screen is None:
                self._screen = Printed()
                self._outputs.append(_Output({PLAIN: ""}))
            self._screen.write(clean_text(text))
        self._changed()

    def _clear_if_due(self) -> None:
        if self._clears_next:
            self._clears_next, self._screen = False, None
            self._outputs.clear()

    def _replace(self, display_id: str | None, bundle: MimeBundle) -> None:
        for place, output in enumerate(self._outputs):
            if display_id is not None and output.display_id == display_id:
                self._outputs[place] = _Output(bundle, display_id)

    def _settle(self) -> None:
        """End the printed text: what is printed next is another output."""
        if self._screen is not None:
            self._outputs[-1] = _Output({PLAIN: self._screen.text()})
            self._screen = None

    def _changed(self) -> None:
        """Report the outputs: at once after a pause, otherwise a little later, with further changes."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if self.is_over or self._timer is not None:
                return
            wait = self._next - time.monotonic()
            if wait > 0:
                self._timer = threading.Timer(wait, self._report_later)
                self._timer.daemon = True
                contextvars.Context().run(self._timer.start)  # the timer belongs to no run
                return
        self._report()

    def _report_later(self) -> None:
        with self._lock:
            if self._timer is None:
                return
            self._timer = None
        try:
            self._report()
        except BaseException as error:  # noqa: BLE001 (raised in the tool, when it prints again)
            self._error = error

    def _report(self) -> None:
        with self._report_lock:
            with self._lock:
                if self._screen is not None:
                    self._outputs[-1] = _Output({PLAIN: self._screen.text()})
                outputs = [output.bundle for output in self._outputs]
            before, self._reported = self._reported, outputs
            self._next = self._next_after(before, outputs)
            if outputs != before:
                self._on_outputs(outputs)

    def _next_after(self, before: list[MimeBundle], now: list[MimeBundle]) -> float:
        """The time of the next update, on the monotonic clock."""
        time_now = time.monotonic()
        replaced = sum(_replaced(old, new) for old, new in zip(before, now, strict=False))
        if replaced and self._replaces_since is None:
            self._replaces_since = time_now
        since = time_now if self._replaces_since is None else self._replaces_since
        return time_now + pause_after(replaced, time_now - since)


def pause_after(replaced: int, seconds: float) -> float:
    """The seconds until the next update.

    Args:
        replaced: How much the last update replaced, in code points.
        seconds: The time since an update first replaced something, in seconds.
    """
    at_first = replaced / _REPLACED_PER_SECOND
    later = at_first * max(1.0, seconds / _SOON)
    return max(_PAUSE, at_first, min(later, _LONGEST_PAUSE))


def _replaced(old: MimeBundle, new: MimeBundle) -> int:
    """How much an update replaces in an output, in code points; 0 if its text only grew."""
    if old is new or (old.keys() == new.keys() == {PLAIN} and new[PLAIN].startswith(old[PLAIN])):
        return 0
    return sum(len(value) for value in new.values() if isinstance(value, str))


def _print_late(text: str) -> None:
    """Print what a child process prints after its tool call has ended, as this process prints."""
    sys.stdout.write(text)


def _rich(bundle: MimeBundle) -> MimeBundle:
    """Return a bundle without its plain text, if it has other formats."""
    return {mime: value for mime, value in bundle.items() if mime != PLAIN} or dict(bundle)


_shown_by: dict[str, ref[_Capture]] = {}
"""The capture that last displayed an output, by the output's id."""


def _update(capture: _Capture, bundle: MimeBundle, display_id: str) -> None:
    """Replace an output in the step that displayed it; if that step has ended, display the new output here."""
    shown_by = _shown_by[display_id]()
    if shown_by is None or shown_by.is_over:
        capture.display(bundle, display_id)
    else:
        shown_by.update(bundle, display_id)


_capture: ContextVar[_Capture | None] = ContextVar("reasoning_widget_capture", default=None)


def _prints_into() -> Pipe | None:
    """The pipe for a child process that is started in this context; None outside a tool call."""
    capture = _capture.get()
    return None if capture is None else capture.pipe


def _before_fork() -> None:
    capture = _capture.get()
    if capture is not None:
        capture.pipe.opened()


def _after_fork_in_child() -> None:
    capture = _capture.get()
    if capture is not None:
        capture.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)


class _Router:
    """Replaces `sys.stdout` or `sys.stderr` while a tool is captured. Other output goes to the original stream."""

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

    @property
    def buffer(self) -> Any:
        return _Bytes(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Routed:
    """Replaces the method `write` of a stream."""

    def __init__(self, write: Callable[[str], int]) -> None:
        self._write = write

    def __call__(self, text: str) -> int:
        capture = _capture.get()
        if capture is None:
            return self._write(text)
        capture.write(text)
        return len(text)


class _Bytes:
    """The `buffer` of a router."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        capture = _capture.get()
        if capture is None:
            return self._stream.buffer.write(data)
        capture.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream.buffer, name)


class _Streams:
    """Installs the routers for the first capture, and removes them after the last.

    The stream objects are changed, too, because others may hold references to them, such as the handlers of `logging`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._undo = contextlib.ExitStack()

    @contextlib.contextmanager
    def routed(self) -> Iterator[None]:
        with self._lock:
            self._users += 1
            if self._users == 1:
                for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
                    if stream is not None:
                        self._route(stream)
                for name in ("stdout", "stderr"):
                    if getattr(sys, name) is not None:
                        self._replace(name)
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._undo.close()

    def _route(self, stream: Any) -> None:
        """Route what is written to the stream object itself."""
        own = getattr(stream, "__dict__", {}).get("write")
        if isinstance(own, _Routed):
            return
        routed = _Routed(stream.write)

        def undo() -> None:
            if vars(stream).get("write") is not routed:
                return  # it was replaced meanwhile
            if own is None:
                del stream.write
            else:
                stream.write = own

        with contextlib.suppress(AttributeError):  # some streams cannot be changed
            stream.write = routed
            self._undo.callback(undo)

    def _replace(self, name: str) -> None:
        stream = getattr(sys, name)
        router = _Router(stream)

        def undo() -> None:
            if getattr(sys, name) is router:  # otherwise it was redirected meanwhile
                setattr(sys, name, stream)

        setattr(sys, name, cast("TextIO", router))
        self._undo.callback(undo)


_streams = _Streams()


@contextlib.contextmanager
def captured_output(on_outputs: Callable[[list[MimeBundle]], None]) -> Iterator[None]:
    """Within the block, capture what is printed, displayed and drawn in this context and in threads that it starts.

    Args:
        on_outputs: Called with all outputs, in order, each time they have changed.
    """
    if _hooks() is None:
        redirect_displays(_publish)
    capture = _Capture(on_outputs)
    token = _capture.set(capture)
    try:
        with (
            _streams.routed(),
            carried(_capture, _displays),
            _displays(capture),
            watched(_prints_into),
        ):
            try:
                with own_figures(capture.display) as capture.figures:
                    yield
            finally:
                capture.close()
    finally:
        _capture.reset(token)


@contextlib.contextmanager
def nothing_cleared() -> Iterator[None]:
    """Within the block, code in this thread cannot clear the output of the cell, which shows the transcript."""

    def hook(message: dict[str, Any]) -> dict[str, Any] | None:
        is_ours = message["header"]["msg_type"] == "clear_output" and _capture.get() is None
        return None if is_ours else message

    with _hooked(hook):
        yield


@contextlib.contextmanager
def _displays(capture: _Capture) -> Iterator[None]:
    """Within the block, capture `display(…)`, its updates and `clear_output`, if there is a kernel."""

    def hook(message: dict[str, Any]) -> dict[str, Any] | None:
        if _capture.get() is not capture:
            return message  # it belongs to a concurrent call in this thread, which has its own hook
        return None if _shown(capture, message["header"]["msg_type"], message["content"]) else message

    with _hooked(hook):
        yield


def _publish() -> Publish | None:
    """The function that receives displays where there is no kernel; None outside a tool call."""
    capture = _capture.get()
    return None if capture is None or _hooks() is not None else functools.partial(_shown, capture)


def _shown(capture: _Capture, kind: str, content: dict[str, Any]) -> bool:
    """Pass the message of a display to `capture`; False if it does not belong to a tool call."""
    display_id = content.get("transient", {}).get("display_id")
    if kind == "display_data":
        capture.display(content["data"], display_id)
    elif kind == "clear_output":
        capture.clear(wait=content["wait"])
    elif kind == "update_display_data" and display_id in _shown_by:
        _update(capture, content["data"], display_id)
    else:
        return False
    return True


@contextlib.contextmanager
def _hooked(hook: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Iterator[None]:
    """Within the block, pass the display messages of this thread through `hook`, if there is a kernel."""
    publisher = _hooks()
    if publisher is None:
        yield
        return
    publisher.register_hook(hook)
    try:
        yield
    finally:
        publisher.unregister_hook(hook)


def _hooks() -> Any:
    """The kernel's display publisher, which accepts hooks; None if there is no kernel."""
    publisher: Any = getattr(ipython_shell(), "display_pub", None)
    return publisher if hasattr(publisher, "register_hook") else None
