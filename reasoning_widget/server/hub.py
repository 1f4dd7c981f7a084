"""Sends the frames of sessions to sockets. Each frame is encoded once for all peers that are up to date.

These peers share one cursor, their `Feed`. A peer that does not read what it is sent leaves the feed with a cursor of
its own, so that the others do not wait for it. It catches up when it reads again, and then returns to the feed. In the
meantime, only the messages that were already being sent are held in memory for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from ..fold import is_open
from ..outputs import with_version_1_output
from ..protocol import PROTOCOL_VERSION, Author, Frame, ProtocolError, encode
from ..session.log import StorageError
from ..session.session import EndReason, Session
from ..session.watcher import Watcher


class Peer(Protocol):
    """The client at the other end of a socket."""

    @property
    def stalled(self) -> bool:
        """Whether earlier messages are still being sent."""

    def send(self, messages: Sequence[bytes]) -> None:
        """Send text messages, without waiting until they are sent. Ignored if the connection is closed."""

    async def drained(self) -> None:
        """Wait until all messages are sent, or the connection is closed."""

    def end(self, reason: EndReason) -> None:
        """Close the connection, because the session has ended."""


class Feed:
    """The peers that see a session in the same way.

    Args:
        session: The session.
        growing: Whether they see steps grow; otherwise they get each step once, when it is closed.
        protocol: The version of the protocol that they understand.
        on_sent: Called with the number of messages that were sent, and their size in bytes.
    """

    def __init__(self, session: Session, *, growing: bool, protocol: int, on_sent: Callable[[int, int], None]) -> None:
        self._session = session
        self._growing = growing
        self._protocol = protocol
        self._on_sent = on_sent
        self._scheduled: asyncio.Handle | None = None
        self._live = Watcher(session, session.epoch, None, self._schedule)
        self._live.read()
        self._peers: set[Peer] = set()
        self._catching_up: dict[Peer, asyncio.Task[None]] = {}

    @property
    def empty(self) -> bool:
        """Whether the feed has no peers."""
        return not self._peers and not self._catching_up

    def add(self, peer: Peer, epoch: str | None, after: int | None, author: Author | None = None) -> None:
        """Send `peer` the events after event `after` of the log `epoch`, and all later ones; see `Hub.follow`."""
        self.remove(peer)
        self._catch_up(peer, Watcher(self._session, epoch, after), author)

    def remove(self, peer: Peer) -> None:
        """Send `peer` nothing more. Harmless when repeated."""
        self._peers.discard(peer)
        task = self._catching_up.pop(peer, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """Remove all peers, and stop watching the session."""
        for peer in [*self._peers, *self._catching_up]:
            self.remove(peer)
        if self._scheduled is not None:
            self._scheduled.cancel()
        self._live.close()

    def _schedule(self) -> None:
        """Send what is new in the next turn of the event loop: by then there may be more of it."""
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_soon(self._send_news)

    def _send_news(self) -> None:
        self._scheduled = None
        try:
            self._flush()
        except StorageError as error:
            for peer in [*self._peers, *self._catching_up]:
                self.remove(peer)
                _end_after_error(peer, error)
        if self._session.ended is not None:
            for peer in [*self._peers, *self._catching_up]:
                self.remove(peer)
                peer.end(self._session.ended)

    def _flush(self) -> None:
        """Send what is new to all peers that are up to date; a peer that is stalled catches up on its own."""
        while not self._live.up_to_date and self._session.ended is None:
            for peer in [peer for peer in self._peers if peer.stalled]:
                self._peers.discard(peer)
                self._catch_up(peer, self._live.copy())
            messages = self._messages(self._live)
            for peer in self._peers:
                peer.send(messages)
            self._count(messages, len(self._peers))

    def _catch_up(self, peer: Peer, watcher: Watcher, author: Author | None = None) -> None:
        """Send `peer` what it has missed, at its own pace, before it joins the others."""

        async def catch_up() -> None:
            try:
                while True:
                    await peer.drained()
                    self._flush()  # otherwise the peer would get these frames again when it joins
                    messages = self._messages(watcher, author)
                    peer.send(messages)
                    self._count(messages, 1)
                    if watcher.up_to_date:
                        break
            except StorageError as error:
                del self._catching_up[peer]
                _end_after_error(peer, error)
                return
            del self._catching_up[peer]
            self._peers.add(peer)

        task = asyncio.get_running_loop().create_task(catch_up())
        task.add_done_callback(lambda _: watcher.close())  # even if it is cancelled before it begins
        self._catching_up[peer] = task

    def _messages(self, watcher: Watcher, author: Author | None = None) -> list[bytes]:
        frames = (self._in_version(frame) for frame in watcher.read()["frames"] if self._is_shown(frame))
        return [encode(_with_author(frame, author)) for frame in frames]

    def _is_shown(self, frame: Frame) -> bool:
        if frame["type"] == "reasoning_step":
            logged = frame["data"]
            return (self._growing or not is_open(logged)) and self._session.is_shown(logged, growing=self._growing)
        if frame["type"] == "step_delta":
            step = self._session.state["steps"][frame["data"]["step_id"]]
            # In version 1, a step has only one output: with several, the peer gets them when the step is closed.
            is_known = self._protocol > 1 or frame["data"]["channel"] != "output" or len(step["outputs"]) == 1
            return self._growing and is_known and self._session.is_shown(step, growing=True)
        return True

    def _in_version(self, frame: Frame) -> Frame:
        """Return the frame in the peers' version of the protocol."""
        if self._protocol > 1:
            return frame
        if frame["type"] == "session":
            return {**frame, "data": {**frame["data"], "protocol": 1}}
        return {**frame, "data": with_version_1_output(frame["data"])} if "outputs" in frame["data"] else frame

    def _count(self, messages: Sequence[bytes], peers: int) -> None:
        if messages and peers:
            self._on_sent(len(messages) * peers, sum(map(len, messages)) * peers)


def _with_author(frame: Frame, author: Author | None) -> Frame:
    """Add the author of the peer's messages to a `session` frame."""
    if frame["type"] != "session" or author is None:
        return frame
    return {**frame, "data": {**frame["data"], "author": author}}


def _end_after_error(peer: Peer, error: StorageError) -> None:
    """Close a peer's connection, because the session cannot be read; an `error` frame says why."""
    peer.send([encode(ProtocolError("storage_failed", str(error)).frame())])
    peer.end("failed")


class Hub:
    """The feeds of a server.

    Args:
        on_sent: Called with the number of messages that were sent, and their size in bytes.
    """

    def __init__(self, on_sent: Callable[[int, int], None] = lambda _messages, _bytes: None) -> None:
        self._on_sent = on_sent
        self._feeds: dict[_FeedKey, Feed] = {}
        self._followed: dict[Peer, _FeedKey] = {}

    def follow(
        self,
        peer: Peer,
        session: Session,
        *,
        growing: bool,
        protocol: int = PROTOCOL_VERSION,
        epoch: str | None,
        after: int | None,
        author: Author | None = None,
    ) -> None:
        """Send `peer` the frames of a session. A peer follows one session at a time.

        Args:
            peer: The receiver.
            session: The session.
            growing: Whether the peer sees steps grow; otherwise it gets each step once, when it is closed.
            protocol: The version of the protocol that the peer understands.
            epoch: The log that the peer knows; None if it knows none.
            after: The last event that the peer has; None for nothing before now. See `Watcher`.
            author: The author of the messages that the peer sends.
        """
        key = _FeedKey(session, growing, protocol)
        if self._followed.get(peer, key) != key:
            self.leave(peer)
        feed = self._feeds.get(key)
        if feed is None:
            feed = Feed(session, growing=growing, protocol=protocol, on_sent=self._on_sent)
            self._feeds[key] = feed
        self._followed[peer] = key
        feed.add(peer, epoch, after, author)

    def leave(self, peer: Peer) -> None:
        """Send `peer` nothing more. Ignored if it follows no session."""
        key = self._followed.pop(peer, None)
        feed = self._feeds.get(key) if key is not None else None
        if key is None or feed is None:
            return
        feed.remove(peer)
        if feed.empty:
            del self._feeds[key]
            feed.close()

    def close(self) -> None:
        """Send nothing more to anyone."""
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()
        self._followed.clear()


class _FeedKey(NamedTuple):
    """What the peers of a feed have in common."""

    session: Session
    growing: bool
    protocol: int
