"""Outputs of cells: a live view, and a snapshot of the transcript that is readable without a kernel."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ..export.log import SESSION_MIME
from ..host import running_marimo, running_page
from .snapshots import Bundle

if TYPE_CHECKING:
    from anywidget import AnyWidget

_log = logging.getLogger(__name__)

VIEW_MIME: Final = "application/vnd.jupyter.widget-view+json"
"""The type of a widget's live view."""


class SavedOutput:
    """An output that is displayed once, and refreshed when the transcript has changed.

    It is a display with an id, because a cell's result cannot be updated.

    If the snapshot cannot be created, the error is logged, the live view is shown, and the run continues.

    Args:
        live: Creates the widget of the live view; called once, when it is first needed.
        wants_live: Whether to show the live view. Without a page, it would only hide the snapshot in the file.
        make_snapshot: Creates the snapshot; called on any thread.
    """

    def __init__(
        self, live: Callable[[], AnyWidget], wants_live: Callable[[], bool], make_snapshot: Callable[[], Bundle]
    ) -> None:
        self._live = cache(live)
        self._wants_live = wants_live
        self._make_snapshot = make_snapshot
        self._shown: Bundle = {}
        self._handle: Any = None
        self._ran_by: str | None = None
        self._lock = threading.Lock()

    def show(self) -> None:
        """Display the output in the running cell. If this is interrupted, the output can still be refreshed."""
        marimo = running_marimo()
        if marimo is not None:  # its files contain no outputs
            marimo.output.append(self._live())
            return
        from IPython.display import DisplayHandle  # slow to import, and only there in a kernel

        self._ran_by = running_page()
        if self._wants_live():
            self._live()  # created here, because widgets belong to the thread of the cells
        bundle = self._bundle()
        self._shown = bundle or self._live_view() or {"text/plain": "(the chat could not be saved)"}
        self._handle = DisplayHandle()  # type: ignore[no-untyped-call]
        self._handle.display(self._shown, raw=True)

    def refresh(self) -> None:
        """Update the output if the snapshot has changed, because some hosts redraw the view at each update.

        This may take seconds: do not call it on the sessions' event loop while runs are active.
        """
        with self._lock:
            bundle = self._bundle()
            if self._handle is not None and bundle is not None and bundle != self._shown:
                self._shown = bundle
                self._handle.update(bundle, raw=True)

    def _live_view(self) -> Bundle:
        if not self._wants_live():
            return {}
        return {VIEW_MIME: {"version_major": 2, "version_minor": 0, "model_id": self._live().model_id}}

    def _bundle(self) -> Bundle | None:
        """Return the live view and the snapshot; None if the snapshot cannot be created.

        With our JupyterLab extension, the live view is not saved in the file. The extension finds the widget by the
        model id in the snapshot, and if several people share a notebook, the page that writes the output by `ran_by`.
        """
        try:
            snapshot = self._make_snapshot()
            live = self._live_view()
            if live and SESSION_MIME in snapshot:
                ids = {"model_id": live[VIEW_MIME]["model_id"], "ran_by": self._ran_by}
                given = {name: value for name, value in ids.items() if value}
                snapshot[SESSION_MIME] = {**snapshot[SESSION_MIME], **given}
        except Exception:  # noqa: BLE001 (any failure is logged, and must not end the run)
            _log.exception("reasoning-widget: the snapshot of a chat could not be created")
            return None
        return {**live, **snapshot}
