"""Capture IPython's `display(…)` and related functions in a process without a kernel, where they would only print.

For IPython 8.20 to 9. Tools may already have imported these functions by name, so replacing them in their module is
not enough: `IPython.core.display_functions.display`, `publish_display_data` and `clear_output` keep their identity, and
their code objects are replaced. Everything else that is used of IPython is public. IPython is imported only when
something is displayed.
"""

from __future__ import annotations

import base64
import functools
import inspect
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final, Protocol

from ..protocol import MimeBundle
from .import_hook import Seam
from .pyplot import figure_bundle

_FUNCTIONS: Final = "IPython.core.display_functions"


class Publish(Protocol):
    """Receives display messages in the format of the kernel's messages."""

    def __call__(self, kind: str, content: dict[str, Any], /) -> object:
        """Receive one message.

        Args:
            kind: The type of the message: ``display_data``, ``update_display_data`` or ``clear_output``.
            content: Its content.
        """


FindPublisher = Callable[[], Publish | None]
"""Returns the receiver of the current context's displays; None: IPython handles them as usual."""


def redirect_displays(find_publisher: FindPublisher) -> None:
    """Send each display of this process to the receiver that `find_publisher` returns for it.

    Args:
        find_publisher: Called for each display. Later calls of `redirect_displays` do not replace it.
    """
    _redirection.find_publisher = _redirection.find_publisher or find_publisher
    _seam.install()


@dataclass
class _Redirection:
    """The process-wide redirection of displays."""

    find_publisher: FindPublisher | None = None


_redirection: Final = _Redirection()


def _display(
    publish: Publish,
    *objects: Any,
    include: Any = None,
    exclude: Any = None,
    transient: Mapping[str, Any] | None = None,
    display_id: str | bool | None = None,
    raw: bool = False,
    clear: bool = False,
    update: bool = False,
    **_: Any,
) -> Any:
    """Replace IPython's `display`: send each object to `publish`."""
    name = uuid.uuid4().hex if display_id is True else display_id
    named = {**(transient or {}), **({"display_id": name} if name else {})}
    if update and "display_id" not in named:
        raise TypeError("display_id required for update_display")
    if clear:
        publish("clear_output", {"wait": True})
    if not objects and name:
        objects, raw = ({},), True  # an empty output, to be updated later
    for each in objects:
        bundle = each if raw else _format(each, include, exclude)
        if bundle or raw:
            _publish(publish, bundle, transient=named, update=update)
    if not name:
        return None
    from IPython.display import DisplayHandle  # only where something is displayed

    return DisplayHandle(name)  # type: ignore[no-untyped-call]


def _publish(
    publish: Publish,
    data: Mapping[str, Any],
    *_: Any,
    transient: Mapping[str, Any] | None = None,
    update: bool = False,
    **__: Any,
) -> None:
    """Replace IPython's `publish_display_data`: send the bundle to `publish`."""
    bundle: MimeBundle = {mime: _text_or_base64(value) for mime, value in data.items()}
    kind = "update_display_data" if update else "display_data"
    publish(kind, {"data": bundle, "transient": dict(transient or {})})


def _clear_output(publish: Publish, wait: bool = False) -> None:
    """Replace IPython's `clear_output`: send the request to `publish`."""
    publish("clear_output", {"wait": wait})


def _format(thing: Any, include: Any, exclude: Any) -> MimeBundle:
    """Return the MIME bundle of `thing`; empty if the object displayed itself."""
    bundle: MimeBundle = _formatter().format(thing, include=include, exclude=exclude)[0]
    return bundle


@functools.cache
def _formatter() -> Any:
    from IPython.core.formatters import DisplayFormatter  # only where something is displayed

    formatter = DisplayFormatter()
    # In a kernel, matplotlib's inline backend registers this formatter.
    formatter.formatters["image/png"].for_type_by_name("matplotlib.figure", "Figure", _figure_png)
    return formatter


def _figure_png(figure: Any) -> str:
    picture: str = figure_bundle(figure)["image/png"]
    return picture


def _text_or_base64(value: Any) -> Any:
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


# The seam ---------------------------------------------------------------------------------------------------------

_REPLACEMENTS: Final[Mapping[str, Callable[..., Any]]] = {
    "display": _display,
    "publish_display_data": _publish,
    "clear_output": _clear_output,
}


def _trampoline(*args: Any, _replacement: Any, **options: Any) -> Any:
    return _replacement(*args, **options)


def _patch_functions(functions: Any) -> None:
    for name, replacement in _REPLACEMENTS.items():
        function = getattr(functions, name, None)
        if isinstance(function, FunctionType) and function.__closure__ is None:
            _replace_code(function, replacement)


def _replace_code(function: FunctionType, replacement: Callable[..., Any]) -> None:
    original = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    original.__kwdefaults__ = function.__kwdefaults__

    def dispatch(*args: Any, **options: Any) -> Any:
        publish = _redirection.find_publisher() if _redirection.find_publisher is not None else None
        return original(*args, **options) if publish is None else replacement(publish, *args, **options)

    function.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]  # what `help` shows
    # The order matters, because another thread may call the function in between.
    function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), "_replacement": dispatch}
    function.__code__ = _trampoline.__code__
    function.__defaults__ = None


_seam: Final = Seam({_FUNCTIONS: _patch_functions})
