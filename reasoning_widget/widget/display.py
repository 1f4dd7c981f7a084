"""What a notebook saves of a chat, beside the live view: the transcript, readable with no kernel."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..host import traitlets_config
from ..session.session import Session
from ..session.thread import on_loop

if TYPE_CHECKING:
    from ..export.saved import Saver
    from .reading import ServerSession

_log = logging.getLogger(__name__)

Bundle = dict[str, Any]


class SavedView:
    """A bundle that is displayed once, and refreshed when what it shows has changed.

    A cell's result can never be updated; a display with an id can, from any thread.

    Nothing that goes wrong with the transcript is the reader's affair: the live view is shown, and the run goes on.

    Args:
        live: The live view.
        make_forms: Makes what is saved beside it; called on the sessions' loop.
    """

    def __init__(self, live: Bundle, make_forms: Callable[[], Bundle]) -> None:
        self._shown = self._live = live
        self._make_forms = make_forms
        self._handle: Any = None

    def show(self) -> None:
        """Display it in the cell that runs. An interrupt in the middle of it leaves a view that can be refreshed."""
        from IPython.display import DisplayHandle  # noqa: PLC0415 (slow to import, and only there in a kernel)

        bundle = on_loop(self._bundle)
        self._shown = bundle or self._live
        self._handle = DisplayHandle()  # type: ignore[no-untyped-call]
        self._handle.display(self._shown, raw=True)

    def refresh(self) -> None:
        """Replace what is saved, where it differs: some hosts draw the whole view anew at each update.

        Must be called on the sessions' loop.
        """
        bundle = self._bundle()
        if self._handle is not None and bundle is not None and bundle != self._shown:
            self._shown = bundle
            self._handle.update(bundle, raw=True)

    def _bundle(self) -> Bundle | None:
        """The live view and what is saved beside it; None where that cannot be made."""
        try:
            return {**self._live, **self._make_forms()}
        except Exception:  # noqa: BLE001 (whatever it is, it is logged)
            _log.exception("reasoning-widget: what the notebook keeps of a chat could not be made")
            return None


class Saving:
    """Makes what a notebook keeps of a session beside the live view.

    Args:
        session: The session.
        wanted: Whether anything is to be kept.
    """

    def __init__(self, session: Session | ServerSession, *, wanted: bool) -> None:
        self._session = session
        self._wanted = wanted
        self._saver: Saver | None = None

    def forms(self, about: str, message_id: str | None) -> Bundle:
        """The transcript, or what is about one message of it, in each form. Must be called on the sessions' loop.

        Args:
            about: What the chat is, in a line.
            message_id: The one message.
        """
        from ..export.log import SESSION_MIME, session_file  # noqa: PLC0415 (only needed once something is shown)

        if not self._wanted:
            nothing = session_file(self._session.session_id, self._session.epoch, [], message_id=message_id)
            nothing["saved"] = False
            return {SESSION_MIME: nothing, "text/plain": f"{about} (not saved: save=False)"}
        from ..export import saved  # noqa: PLC0415
        from ..export.html import to_html  # noqa: PLC0415
        from ..export.markdown import to_markdown, to_plain  # noqa: PLC0415

        if self._saver is None:
            limits = saved.SavedTranscript(config=traitlets_config())
            self._saver = saved.Saver(limits, self._session.blob)
        file = self._saver.file(self._session.state, self._session.events_after(0), message_id)
        kept = saved.folded(file)  # so that no form holds what another one masks or cuts
        return {
            SESSION_MIME: file,
            "text/html": to_html(kept),
            "text/markdown": to_markdown(kept),
            "text/plain": f"{about}\n\n{to_plain(kept)}".strip(),
        }
