"""What a notebook saves of a chat, beside the live view: the transcript, readable with no kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..session.thread import on_loop

Bundle = dict[str, Any]


class Displayed(Protocol):
    """A display that can be replaced in place: `IPython.display.DisplayHandle`."""

    def update(self, obj: Any, **options: Any) -> None:
        """Replace what is shown."""


class SavedView:
    """A displayed bundle, refreshed when what it shows has changed.

    A cell's result can never be updated; a display with an id can, from any thread.

    Args:
        make_bundle: Makes the bundle; called on the sessions' loop.
    """

    def __init__(self, make_bundle: Callable[[], Bundle]) -> None:
        from IPython.display import display  # noqa: PLC0415 (slow to import, and only there in a kernel)

        self._make_bundle = make_bundle
        self._shown = on_loop(make_bundle)
        self._handle: Displayed | None = display(self._shown, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def refresh(self) -> None:
        """Replace what is saved, where it differs: some hosts draw the whole view anew at each update.

        Must be called on the sessions' loop.
        """
        bundle = self._make_bundle()
        if self._handle is not None and bundle != self._shown:
            self._shown = bundle
            self._handle.update(bundle, raw=True)
