"""A watcher is a cursor that reads a session's log forward, at its own pace.

A slow watcher costs only a few integers, and delays neither the agent nor other watchers. What it missed is merged when
it reads again, because the whole text of a step is in the state of the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from ..fold import Place, Transcript, is_open, texts_of
from ..protocol import Batch, Frame, encode
from .folded_log import LoggedStep, delta_frame

MAX_BATCH_BYTES = 256 * 1024
"""The approximate size of a batch, in bytes of JSON."""


class Readable(Protocol):
    """The part of a session that can be read: its log and its transcript."""

    @property
    def epoch(self) -> str:
        """The id of its log."""

    @property
    def state(self) -> Transcript:
        """Its transcript, with open steps. Do not change it."""

    @property
    def open_steps(self) -> Mapping[str, LoggedStep]:
        """The last logged snapshots of its open steps, by step id."""

    def events_after(self, after: int) -> Iterator[Frame]:
        """The events after `after`, without snapshots that later ones supersede."""


class Watched(Readable, Protocol):
    """A session that can be watched."""

    def session_frame(self) -> Frame:
        """The current `session` frame."""

    def add_watcher(self, watcher: Watcher) -> None:
        """Notify `watcher` of changes."""

    def remove_watcher(self, watcher: Watcher) -> None:
        """Notify `watcher` no longer."""


class Watcher:
    """Reads the events of a session, and how its open steps grow. Close it when done.

    Args:
        session: The session.
        epoch: The log that `after` belongs to. If the session has another log, that is read from its beginning.
        after: The last known event; None to read only new events and the steps that are open.
        on_news: Called whenever there may be something to `read`, as an alternative to awaiting `changed`.
    """

    def __init__(
        self,
        session: Watched,
        epoch: str | None = None,
        after: int | None = 0,
        on_news: Callable[[], None] = lambda: None,
    ) -> None:
        self._session = session
        self._on_news = on_news
        self._event = asyncio.Event()
        self._event.set()
        self._epoch = session.epoch
        last_seq = session.state["last_seq"]
        self._from_now = 0
        if after is None:
            self._from_now = last_seq
            bases = (logged.base for logged in session.open_steps.values())
            self.position = min(bases, default=last_seq + 1) - 1
        elif epoch in (None, session.epoch) and after <= last_seq:
            self.position = after
        else:
            self.position = 0
        self._session_sent = False
        self._sent: dict[tuple[str, Place], tuple[int, int]] = {}
        session.add_watcher(self)

    def close(self) -> None:
        """Stop watching."""
        self._session.remove_watcher(self)

    def copy(self) -> Watcher:
        """Return another watcher, at the same position."""
        other = Watcher(self._session, self._epoch, self.position)
        other._session_sent = self._session_sent
        other._sent = dict(self._sent)
        return other

    def notify(self) -> None:
        """Note that the session has changed. Called by the session."""
        self._event.set()
        self._on_news()

    @property
    def up_to_date(self) -> bool:
        """Whether there is nothing new to `read`."""
        return not self._event.is_set()

    async def changed(self) -> None:
        """Wait until there may be something new to `read`."""
        await self._event.wait()

    def read(self) -> Batch:
        """Return what is new, or its beginning if it is longer than about `MAX_BATCH_BYTES`.

        The first batch, and the first one after a clear, begins with `session`. Read until the watcher is `up_to_date`.
        """
        session = self._session
        if session.epoch != self._epoch:
            self._epoch, self.position, self._session_sent, self._from_now = session.epoch, 0, False, 0
            self._sent.clear()
        after = self.position
        frames: list[Frame] = []
        if not self._session_sent:
            self._session_sent = True
            frames.append(session.session_frame())
        size = 0
        for frame in session.events_after(after):
            size += len(encode(frame))
            if size > MAX_BATCH_BYTES and self.position > after:
                return self._batch(after, frames)
            if frame["seq"] > self._from_now or _is_open_step(frame):
                frames.append(frame)
            self.position = frame["seq"]
        self.position = session.state["last_seq"]
        frames.extend(self._deltas())
        self._event.clear()
        return self._batch(after, frames)

    def _batch(self, after: int, frames: list[Frame]) -> Batch:
        return {"epoch": self._epoch, "after": after, "upto": self.position, "frames": frames}

    def _deltas(self) -> list[Frame]:
        """Return a delta for each text of an open step that has grown since the last batch."""
        deltas: list[Frame] = []
        known = self._sent
        self._sent = {}
        for step_id, logged in self._session.open_steps.items():
            step = self._session.state["steps"][step_id]
            for place, text in texts_of(step).items():
                base, sent = known.get((step_id, place), (0, 0))
                if base != logged.base:
                    sent = logged.lengths.get(place, 0)
                self._sent[step_id, place] = (logged.base, len(text))
                if len(text) > sent:
                    deltas.append(delta_frame(step_id, place, logged.base, sent, text[sent:]))
        return deltas


def _is_open_step(frame: Frame) -> bool:
    return frame["type"] == "reasoning_step" and is_open(frame["data"])
