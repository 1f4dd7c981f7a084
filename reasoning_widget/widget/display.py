"""What a notebook saves of a chat, beside the live view: the transcript, readable with no kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..session.session import Session
from ..session.thread import on_loop

Bundle = dict[str, Any]


class SavedView:
    """A bundle that is displayed once, and refreshed when what it shows has changed.

    A cell's result can never be updated; a display with an id can, from any thread.

    Args:
        make_bundle: Makes the bundle; called on the sessions' loop.
    """

    def __init__(self, make_bundle: Callable[[], Bundle]) -> None:
        self._make_bundle = make_bundle
        self._handle: Any = None
        self._shown: Bundle = {}

    def show(self) -> None:
        """Display it in the cell that runs. An interrupt in the middle of it leaves a view that can be refreshed."""
        from IPython.display import DisplayHandle  # noqa: PLC0415 (slow to import, and only there in a kernel)

        self._shown = on_loop(self._make_bundle)
        self._handle = DisplayHandle()  # type: ignore[no-untyped-call]
        self._handle.display(self._shown, raw=True)

    def refresh(self) -> None:
        """Replace what is saved, where it differs: some hosts draw the whole view anew at each update.

        Must be called on the sessions' loop.
        """
        bundle = self._make_bundle()
        if self._handle is not None and bundle != self._shown:
            self._shown = bundle
            self._handle.update(bundle, raw=True)


def saved_forms(session: Session, message_id: str | None) -> Bundle:
    """What a notebook keeps of the session, or of one message, beside the live view. On the sessions' loop."""
    from ..export.html import to_html  # noqa: PLC0415 (only needed once something is shown)
    from ..export.log import SESSION_MIME, newest_events, session_file  # noqa: PLC0415
    from ..export.markdown import to_markdown  # noqa: PLC0415

    state = session.state
    events = newest_events(state, session.events_after(0), message_id)
    return {
        SESSION_MIME: session_file(session.session_id, session.epoch, events, message_id=message_id),
        "text/html": to_html(state, message_id),
        "text/markdown": to_markdown(state, message_id),
    }
