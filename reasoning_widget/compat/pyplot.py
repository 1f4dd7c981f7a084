"""pyplot's figures, by context: each tool call has its own, and sees neither the person's nor another call's.

For matplotlib 3.5 to 3.11, matplotlib-inline 0.1 and 0.2, and ipympl 0.9 and 0.10. What is private there:
`matplotlib._pylab_helpers.Gcf.figs`, the one dictionary of all open figures, which is replaced by one that looks up
whose figures are meant; and where the backends keep what they publish after a cell. `FigureManagerBase.show` is public;
backends without windows do nothing in it, or warn. matplotlib is never imported here: the seam is put in place when
someone else has imported it, or does so later.
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
"""What differs each time matplotlib writes the same drawing."""


class OpenFigures:
    """The figures of one tool call.

    Args:
        show: Takes each figure that is shown, as Jupyter would display it.
    """

    def __init__(self, show: Callable[[MimeBundle], None]) -> None:
        self.managers: OrderedDict[Any, Any] = OrderedDict()
        """As pyplot keeps them: by number, the current one last."""
        self._show = show
        self._displayed: Counter[bytes] = Counter()

    def mark_displayed(self, bundle: MimeBundle) -> None:
        """This was displayed: a figure that still looks like it when the call ends is not shown again."""
        self._displayed.update(looks_of(bundle))
        view = bundle.get(_WIDGET_VIEW)
        if isinstance(view, dict):  # ipympl's picture of it is another than ours
            for manager in list(self.managers.values()):
                if getattr(manager.canvas, "model_id", None) == view.get("model_id"):
                    self._displayed.update(looks_of(figure_bundle(manager.canvas.figure)))

    def show(self, figure: Any) -> None:
        """Show a figure, unless it was displayed and has not changed since. One with nothing in it is not shown."""
        if len(figure.get_children()) <= 1:  # its background
            return
        try:
            with _drawing:  # matplotlib was not made for threads
                bundle = figure_bundle(figure)
        except Exception as error:  # noqa: BLE001 (whatever it is, the tool has done its work)
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
        """Show what is still open, in the order in which it was begun, and close it."""
        if not self.managers:
            return
        try:
            for manager in sorted(self.managers.values(), key=_creation_order):
                self.show(manager.canvas.figure)
        finally:
            sys.modules[_HELPERS].Gcf.destroy_all()


_drawing = threading.RLock()
_current: ContextVar[OpenFigures | None] = ContextVar("reasoning_widget_figures", default=None)
"""None: the person's, or the program's."""


@contextlib.contextmanager
def own_figures(show: Callable[[MimeBundle], None]) -> Iterator[OpenFigures]:
    """Within the block, and in the threads that it starts, pyplot has no figures but those that are begun there.

    Args:
        show: Takes what is shown, and at the end of the block what is still open.
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
    """Within the block, pyplot has the person's figures, not those of the tool call that this is."""
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
    """Call this while a message of a page is handled: the figures that the person has open stay open.

    IPython runs what it runs after each cell after each message, too, and the inline backend then publishes and closes
    all open figures, also while the person's cell is still drawing in them.
    """
    shell = ipython_shell()
    if shell is None or _HELPERS not in sys.modules:
        return
    _seam.install()
    thread = threading.get_ident()
    token = _current.set(OpenFigures(lambda _: None))
    wanted = [(holder, name, getattr(holder, name)) for holder, name in _publication_state()]

    def end() -> None:  # it comes last, after those who publish
        if threading.get_ident() == thread:
            shell.events.unregister("post_execute", end)
            _current.reset(token)
            for holder, name, value in wanted:
                setattr(holder, name, value)

    shell.events.register("post_execute", end)


def _publication_state() -> Iterator[tuple[Any, str]]:
    """Where the backends for notebooks keep which figures they publish after a cell, and whether there are any."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    interactive = sys.modules.get("ipympl.backend_nbagg")
    for holder in (getattr(inline, "show", None), getattr(interactive, "_Backend_ipympl", None)):
        for name in ("_to_draw", "_to_show", "_draw_called"):
            if hasattr(holder, name):
                yield holder, name


def figure_bundle(figure: Any) -> MimeBundle:
    """A figure as Jupyter would display it, in the formats that the person has chosen; as PNG elsewhere.

    Raises:
        Exception: Anything, if it cannot be drawn.
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
    """What can be compared of the pictures in a bundle: the same figure, drawn twice, has the same."""
    texts = (value for mime, value in bundle.items() if mime.startswith(_PICTURES) and isinstance(value, str))
    return {hashlib.sha256(_SVG_VARIATION.sub("", text.strip()).encode()).digest() for text in texts}


# The seam ---------------------------------------------------------------------------------------------------------


class _FiguresByContext:
    """Stands for `Gcf.figs`: the figures of whoever asks.

    Args:
        others: The dictionary that it replaces, for all who have none of their own.
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

    __hash__ = None  # type: ignore[assignment]  # as any dictionary

    def __repr__(self) -> str:
        return repr(self._selected())


def _patch_gcf(helpers: Any) -> None:
    figs = getattr(helpers.Gcf, "figs", None)
    if isinstance(figs, OrderedDict):
        helpers.Gcf.figs = _FiguresByContext(figs)


def _patch_show(backends: Any) -> None:
    original = backends.FigureManagerBase.show

    def show(self: Any) -> Any:
        """See `FigureManagerBase.show`; what a tool shows so is shown in its step, and closed."""
        figures = _current.get()
        if figures is None:
            return original(self)
        figures.show(self.canvas.figure)
        sys.modules[_HELPERS].Gcf.destroy(self)
        return None

    backends.FigureManagerBase.show = show


_seam: Final = Seam({_HELPERS: _patch_gcf, _BACKENDS: _patch_show})
