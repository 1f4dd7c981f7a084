"""What a notebook saves of a chat, beside the live view: the transcript, readable with no kernel."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ..export.log import SESSION_MIME
from ..host import running_marimo, running_page
from .saving import Bundle

if TYPE_CHECKING:
    from anywidget import AnyWidget

_log = logging.getLogger(__name__)

VIEW_MIME: Final = "application/vnd.jupyter.widget-view+json"
"""The type of a widget's live view."""


class SavedView:
    """A bundle that is displayed once, and refreshed when what it shows has changed.

    A cell's result can never be updated; a display with an id can, from any thread.

    Nothing that goes wrong with the transcript is the reader's affair: the live view is shown, and the run goes on.

    Args:
        live: The widget of the live view; called when it is first needed.
        wants_live: Whether it is. Where no page is, it would only hide the transcript from whoever reads the file.
        make_forms: Makes what is saved beside it, on whichever thread.
    """

    def __init__(
        self, live: Callable[[], AnyWidget], wants_live: Callable[[], bool], make_forms: Callable[[], Bundle]
    ) -> None:
        self._live = cache(live)
        self._wants_live = wants_live
        self._make_forms = make_forms
        self._shown: Bundle = {}
        self._handle: Any = None
        self._ran_by: str | None = None
        self._one_at_a_time = threading.Lock()

    def show(self) -> None:
        """Display it in the cell that runs. An interrupt in the middle of it leaves a view that can be refreshed."""
        marimo = running_marimo()
        if marimo is not None:  # whose files hold no outputs: there is nothing to save
            marimo.output.append(self._live())
            return
        from IPython.display import DisplayHandle  # slow to import, and only there in a kernel

        self._ran_by = running_page()
        if self._wants_live():
            self._live()  # made here: widgets belong to the thread of the cells
        bundle = self._bundle()
        self._shown = bundle or self._live_view() or {"text/plain": "(the chat could not be saved)"}
        self._handle = DisplayHandle()  # type: ignore[no-untyped-call]
        self._handle.display(self._shown, raw=True)

    def refresh(self) -> None:
        """Replace what is saved, where it differs: some hosts draw the whole view anew at each update.

        It takes a while: call it on the sessions' loop only when that has nothing else to do.
        """
        with self._one_at_a_time:
            bundle = self._bundle()
            if self._handle is not None and bundle is not None and bundle != self._shown:
                self._shown = bundle
                self._handle.update(bundle, raw=True)

    def _live_view(self) -> Bundle:
        if not self._wants_live():
            return {}
        return {VIEW_MIME: {"version_major": 2, "version_minor": 0, "model_id": self._live().model_id}}

    def _bundle(self) -> Bundle | None:
        """The live view and what is saved beside it; None where that cannot be made.

        JupyterLab keeps the live view out of the file where our extension is: it finds the model by what is saved, and
        the page that writes the output where several people work in one notebook.
        """
        try:
            forms = self._make_forms()
            live = self._live_view()
            if live and SESSION_MIME in forms:
                shown = {"model_id": live[VIEW_MIME]["model_id"], "ran_by": self._ran_by}
                forms[SESSION_MIME] = {**forms[SESSION_MIME], **{name: value for name, value in shown.items() if value}}
        except Exception:  # noqa: BLE001 (whatever it is, it is logged)
            _log.exception("reasoning-widget: what the notebook keeps of a chat could not be made")
            return None
        return {**live, **forms}
