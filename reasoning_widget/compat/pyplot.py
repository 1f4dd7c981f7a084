"""Separate pyplot's figures by context: each tool call has its own, isolated from the person's and other calls'.

For matplotlib 3.5 to 3.11, matplotlib-inline 0.1 and 0.2, and ipympl 0.9 and 0.10. Two private parts are used:
`matplotlib._pylab_helpers.Gcf.figs`, the global dictionary of open figures, which is replaced by one that selects the
figures of the current context; and the attributes in which the backends record what to publish after a cell.
`FigureManagerBase.show` is public; in backends without windows it does nothing, or warns. This module never imports
matplotlib: it patches it if other code has imported it, or when other code does.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import re
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final

from ..host import ipython_shell
from ..protocol import MimeBundle
from .carried import carried
from .import_hook import Seam

_HELPERS: Final = "matplotlib._pylab_helpers"
_BACKENDS: Final = "matplotlib.backend_bases"
_PICTURES: Final = ("image/png", "image/jpeg", "image/svg+xml")
_WIDGET_VIEW: Final = "application/vnd.jupyter.widget-view+json"
_SVG_VARIATION: Final = re.compile(r"\b[a-z]+[0-9a-f]{10}\b|<dc:date>[^<]*</dc:date>")
"""The parts of an SVG that differ each time matplotlib writes the same drawing."""


class OpenFigures:
    """The figures of one tool call.

    Args:
        show: Called with the MIME bundle of each figure that is shown, as Jupyter would display it.
    """

    def __init__(self, show: Callable[[MimeBundle], None]) -> None:
        self.managers: OrderedDict[Any, Any] = OrderedDict()
        """The figure managers by number, as in pyplot: the current one is last."""
        self._show = show
        self._displayed: Counter[bytes] = Counter()

    def mark_displayed(self, bundle: MimeBundle) -> None:
        """Record a displayed bundle: a figure that still looks the same when the call ends is not shown again."""
        self._displayed.update(looks_of(bundle))
        view = bundle.get(_WIDGET_VIEW)
        if isinstance(view, dict):  # ipympl's image of a figure differs from ours
            for manager in list(self.managers.values()):
                if getattr(manager.canvas, "model_id", None) == view.get("model_id"):
                    self._displayed.update(looks_of(figure_bundle(manager.canvas.figure)))

    def show(self, figure: Any) -> None:
        """Show a figure, unless it is empty, or was displayed and has not changed since."""
        if len(figure.get_children()) <= 1:  # only its background
            return
        try:
            with _drawing:  # matplotlib is not thread-safe
                bundle = figure_bundle(figure)
        except Exception as error:  # noqa: BLE001 (a figure's artists may raise anything; the tool has succeeded)
            self._show({"text/plain": f"A figure could not be drawn: {type(error).__name__}: {error}"})
            return
        looks = looks_of(bundle)
        if any(self._displayed[each] > 0 for each in looks):
            self._displayed.subtract(looks)
            return
        displayed = self._displayed.copy()
        self._show(bundle)
        self._displayed = displayed  # another figure may look the same

    def close(self) -> None:
        """Show the figures that are still open, in the order of their creation, and close them."""
        if not self.managers:
            return
        try:
            for manager in sorted(self.managers.values(), key=_creation_order):
                self.show(manager.canvas.figure)
        finally:
            sys.modules[_HELPERS].Gcf.destroy_all()


_drawing = threading.RLock()
_current: ContextVar[OpenFigures | None] = ContextVar("reasoning_widget_figures", default=None)
"""The figures of the tool call in this context; None outside tool calls."""


@contextlib.contextmanager
def own_figures(show: Callable[[MimeBundle], None]) -> Iterator[OpenFigures]:
    """Isolate pyplot within the block, and in the threads that it starts: only figures that are created there exist.

    Args:
        show: Called with each figure that is shown, and at the end of the block with each that is still open.
    """
    _seam.install()
    figures = OpenFigures(show)
    with carried(_current), _using_figures(figures):
        try:
            yield figures
        finally:
            figures.close()


@contextlib.contextmanager
def persons_figures() -> Iterator[None]:
    """Within the block, let pyplot use the person's figures instead of those of the current tool call."""
    with _using_figures(None):
        yield


@contextlib.contextmanager
def _using_figures(figures: OpenFigures | None) -> Iterator[None]:
    token = _current.set(figures)
    try:
        yield
    finally:
        _current.reset(token)


def keep_open_figures() -> None:
    """Keep the person's open figures open while a page's message is handled.

    IPython triggers `post_execute` after each comm message too, upon which the inline backend publishes and closes all
    open figures, even while the person's cell is still drawing in them.
    """
    shell = ipython_shell()
    if shell is None or _HELPERS not in sys.modules:
        return
    _seam.install()
    thread = threading.get_ident()
    token = _current.set(OpenFigures(lambda _: None))
    wanted = [(holder, name, getattr(holder, name)) for holder, name in _publication_state()]

    def end() -> None:  # registered last, so called after the backends' callbacks
        if threading.get_ident() == thread:
            shell.events.unregister("post_execute", end)
            _current.reset(token)
            for holder, name, value in wanted:
                setattr(holder, name, value)

    shell.events.register("post_execute", end)


def _publication_state() -> Iterator[tuple[Any, str]]:
    """Yield the attributes in which the notebook backends record which figures to publish after a cell."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    interactive = sys.modules.get("ipympl.backend_nbagg")
    for holder in (getattr(inline, "show", None), getattr(interactive, "_Backend_ipympl", None)):
        for name in ("_to_draw", "_to_show", "_draw_called"):
            if hasattr(holder, name):
                yield holder, name


def figure_bundle(figure: Any) -> MimeBundle:
    """Draw a figure as Jupyter would display it: in the formats that the person has chosen, or as PNG outside IPython.

    Raises:
        Exception: The figure cannot be drawn. Any exception may be raised.
    """
    formatters = getattr(getattr(ipython_shell(), "display_formatter", None), "formatters", {})
    bundle: MimeBundle = {"text/plain": repr(figure)}
    for mime in _PICTURES:
        if mime in formatters:
            with contextlib.suppress(KeyError):
                drawn = formatters[mime].lookup(figure)(figure)
                data = drawn[0] if isinstance(drawn, tuple) else drawn
                if data is not None:
                    bundle[mime] = base64.b64encode(data).decode("ascii") if isinstance(data, bytes) else data
    if len(bundle) == 1:
        written = io.BytesIO()
        figure.savefig(written, format="png", bbox_inches="tight")
        bundle["image/png"] = base64.b64encode(written.getvalue()).decode("ascii")
    return bundle


def _creation_order(manager: Any) -> float:
    number = manager.num
    return number if isinstance(number, int | float) else float("inf")


def looks_of(bundle: MimeBundle) -> set[bytes]:
    """Return hashes of a bundle's pictures that are equal whenever the same figure is drawn."""
    texts = (value for mime, value in bundle.items() if mime.startswith(_PICTURES) and isinstance(value, str))
    return {hashlib.sha256(_SVG_VARIATION.sub("", text.strip()).encode()).digest() for text in texts}


# The seam ---------------------------------------------------------------------------------------------------------


class _FiguresByContext:
    """Replaces `Gcf.figs`: a dictionary that selects the figures of the current context.

    Args:
        others: The original dictionary, which is used outside tool calls.
    """

    def __init__(self, others: OrderedDict[Any, Any]) -> None:
        self.others = others

    def _selected(self) -> OrderedDict[Any, Any]:
        figures = _current.get()
        return self.others if figures is None else figures.managers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selected(), name)

    def __getitem__(self, number: Any) -> Any:
        return self._selected()[number]

    def __setitem__(self, number: Any, manager: Any) -> None:
        self._selected()[number] = manager

    def __delitem__(self, number: Any) -> None:
        del self._selected()[number]

    def __contains__(self, number: object) -> bool:
        return number in self._selected()

    def __iter__(self) -> Iterator[Any]:
        yield from self._selected()

    def __reversed__(self) -> Iterator[Any]:
        yield from reversed(self._selected())

    def __len__(self) -> int:
        return len(self._selected())

    def __eq__(self, other: object) -> bool:
        return self._selected() == other

    __hash__ = None  # type: ignore[assignment]  # dictionaries are not hashable

    def __repr__(self) -> str:
        return repr(self._selected())


def _patch_gcf(helpers: Any) -> None:
    figs = getattr(helpers.Gcf, "figs", None)
    if isinstance(figs, OrderedDict):
        helpers.Gcf.figs = _FiguresByContext(figs)


def _patch_show(backends: Any) -> None:
    original = backends.FigureManagerBase.show

    def show(self: Any) -> Any:
        """Show a tool's figure in its step and close it; call the original method outside tool calls."""
        figures = _current.get()
        if figures is None:
            return original(self)
        figures.show(self.canvas.figure)
        sys.modules[_HELPERS].Gcf.destroy(self)
        return None

    backends.FigureManagerBase.show = show


_seam: Final = Seam({_HELPERS: _patch_gcf, _BACKENDS: _patch_show})
