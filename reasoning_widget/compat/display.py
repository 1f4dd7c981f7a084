"""IPython's `display(…)` and its companions, in a process that has no kernel: on their own they only print there.

For IPython 8.20 to 9. Tools have imported these functions by name, perhaps long ago, so it does not help to replace
them in their module: `IPython.core.display_functions.display`, `publish_display_data` and `clear_output` keep their
identity and get other code. What else is used of IPython is public. IPython is not imported before something is
displayed.
"""

from __future__ import annotations

import base64
import functools
import inspect
import uuid
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, Final, Protocol

from ..protocol import MimeBundle
from .imported import Seam
from .pyplot import figure_bundle

_FUNCTIONS: Final = "IPython.core.display_functions"


class Publish(Protocol):
    """Takes what is displayed, as the messages of a kernel have it."""

    def __call__(self, kind: str, content: dict[str, Any], /) -> object:
        """Take one.

        Args:
            kind: The type of the message: ``display_data``, ``update_display_data`` or ``clear_output``.
            content: Its content.
        """


Whose = Callable[[], Publish | None]


def displays_go_to(whose: Whose) -> None:
    """From now on, ask `whose` where each display goes.

    Args:
        whose: Called where something is displayed; None: IPython does with it what it always does. The first that is
            given stays.
    """
    global _whose  # noqa: PLW0603 (one for the whole process, as the seam is)
    _whose = _whose or whose
    _seam.put_in_place()


_whose: Whose | None = None


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
    """See IPython's `display`."""
    name = uuid.uuid4().hex if display_id is True else display_id
    named = {**(transient or {}), **({"display_id": name} if name else {})}
    if update and "display_id" not in named:
        raise TypeError("display_id required for update_display")
    if clear:
        publish("clear_output", {"wait": True})
    if not objects and name:
        objects, raw = ({},), True  # something that is there to be replaced
    for each in objects:
        bundle = each if raw else _forms_of(each, include, exclude)
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
    """See IPython's `publish_display_data`."""
    bundle: MimeBundle = {mime: _as_text(value) for mime, value in data.items()}
    kind = "update_display_data" if update else "display_data"
    publish(kind, {"data": bundle, "transient": dict(transient or {})})


def _clear_output(publish: Publish, wait: bool = False) -> None:
    """See IPython's `clear_output`."""
    publish("clear_output", {"wait": wait})


def _forms_of(thing: Any, include: Any, exclude: Any) -> MimeBundle:
    """What `thing` shows; nothing if it has displayed itself."""
    forms: MimeBundle = _formatter().format(thing, include=include, exclude=exclude)[0]
    return forms


@functools.cache
def _formatter() -> Any:
    from IPython.core.formatters import DisplayFormatter  # only where something is displayed

    formatter = DisplayFormatter()
    # In a kernel, matplotlib's backend registers this.
    formatter.formatters["image/png"].for_type_by_name("matplotlib.figure", "Figure", _drawn)
    return formatter


def _drawn(figure: Any) -> str:
    picture: str = figure_bundle(figure)["image/png"]
    return picture


def _as_text(value: Any) -> Any:
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


# The seam ---------------------------------------------------------------------------------------------------------

_INSTEAD: Final[Mapping[str, Callable[..., Any]]] = {
    "display": _display,
    "publish_display_data": _publish,
    "clear_output": _clear_output,
}


def _entrance(*args: Any, _instead: Any, **options: Any) -> Any:
    return _instead(*args, **options)


def _change(functions: Any) -> None:
    for name, ours in _INSTEAD.items():
        function = getattr(functions, name, None)
        if isinstance(function, FunctionType) and function.__closure__ is None:
            _give_other_code(function, ours)


def _give_other_code(function: FunctionType, ours: Callable[..., Any]) -> None:
    original = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    original.__kwdefaults__ = function.__kwdefaults__

    def by_context(*args: Any, **options: Any) -> Any:
        publish = None if _whose is None else _whose()
        return original(*args, **options) if publish is None else ours(publish, *args, **options)

    function.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]  # what `help` shows
    # In this order: another thread may be about to call it.
    function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), "_instead": by_context}
    function.__code__ = _entrance.__code__
    function.__defaults__ = None


_seam: Final = Seam({_FUNCTIONS: _change})
