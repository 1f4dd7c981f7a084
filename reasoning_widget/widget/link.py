"""Connect a session to a comm: send its events in batches, and receive the messages of pages.

A comm broadcasts to all pages and views, and Jupyter Server drops messages above a rate. So all pages share one live
cursor, the rate is kept below the server's limit, and a page that has missed events sends `attach`.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

from ..fold import channel_text
from ..protocol import JSON, Batch, ClientMessage, Frame, encode
from ..session.dispatch import dispatch
from ..session.session import Session
from ..session.token_bucket import TokenBucket
from ..session.watcher import Watcher
from .built import read_built
from .pages import Pages

_NEEDED_BY: Final = {
    "math": re.compile(r"\$[^\s$]|\$\$|\\\(|\\\["),
    "highlight": re.compile(r"```|~~~"),
}
"""The optional JavaScript modules, and the text that needs them."""


_budget = TokenBucket(rate=600_000, burst=1_000_000)
"""Bytes for all chats of a kernel. Jupyter Server's limit is 1 MB/s, averaged over three seconds."""


def with_buffers(content: Any, buffers: Sequence[memoryview]) -> Any:
    """Return a page's message with its binary attachments inserted into its parts, in base64.

    Pages send attachments as bytes because base64 is a third longer, and Jupyter Server closes the connection of a page
    that sends more than 10 MiB at once. A part whose bytes are missing remains empty, and the session rejects it.
    """
    payload = content.get("payload") if isinstance(content, dict) else None
    parts = payload.get("message") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(parts, list):
        return content
    contents = iter(buffers)
    filled = []
    for part in parts:
        kind = next((kind for kind in ("image", "file") if isinstance(part, dict) and kind in part), None)
        data = next(contents, None) if kind else None
        filled.append(part if data is None else {**part, kind: f"{part[kind]}{b64encode(data).decode('ascii')}"})
    return {**content, "payload": {**payload, "message": filled}}


MakeSnapshot = Callable[[str | None], Awaitable[JSON]]
"""Creates the snapshot of a session, or of the message with this id, as a MIME bundle."""


async def saved_frame(payload: JSON, pages: Pages, snapshot: MakeSnapshot) -> Frame | None:
    """Return the reply to the payload of a `save` message; None if another page writes the output."""
    page, message_id = payload.get("page"), payload["message_id"]
    if page is not None and not await pages.writes(page, payload.get("ran_by")):
        return None
    data: JSON = {"message_id": message_id, "bundle": await snapshot(message_id)}
    return {"type": "saved", "data": data if page is None else {"page": page, **data}}


class CommLink:
    """Connects a session to a comm. Use it on the session's event loop.

    Args:
        session: The session.
        send: Sends one JSON message over the comm. It is only called on the event loop, which preserves the order.
        model_frame: Returns the current `model` frame, or None.
        on_pull: Called when the person requests the download of the model.
        snapshot: Creates the snapshot of the session, or of one message, for a notebook file.
    """

    def __init__(
        self,
        session: Session,
        send: Callable[[JSON], None],
        model_frame: Callable[[], Frame | None],
        on_pull: Callable[[], None],
        snapshot: MakeSnapshot,
    ) -> None:
        self._session = session
        self._send_message = send
        self._model_frame = model_frame
        self._on_pull = on_pull
        self._snapshot = snapshot
        self._loop = asyncio.get_running_loop()
        self._modules_sent: set[str] = set()
        self._pages = Pages(lambda frame: self.announce([frame]))
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled: asyncio.Handle | None = self._loop.call_soon(self._start_sending)
        self._live = Watcher(session, session.epoch, 0, self._wake)

    def close(self) -> None:
        """Stop sending."""
        self._live.close()
        if self._scheduled is not None:
            self._scheduled.cancel()
        for task in self._tasks:
            task.cancel()

    def receive(self, raw: Any) -> None:
        """Receive a page's message."""
        self.announce(dispatch(raw, "comm", self._receive))

    def _receive(self, message: ClientMessage) -> list[Frame]:
        kind, payload = message["type"], message["payload"]
        if kind == "attach":
            if "page" in payload:
                self._pages.add(payload["page"])
            self._modules_sent = set(payload.get("modules", []))
            self._start(self._catch_up(Watcher(self._session, payload["epoch"], payload["after"])))
        elif kind == "blob":
            self._start(self._send_parts(self._session.blob_frames(payload["blob"])))
        elif kind == "save":
            self._start(self._save(payload))
        elif kind == "leave":
            self._pages.remove(payload["page"])
        elif kind == "pull_model":
            self._on_pull()
        else:
            return self._session.receive(message)
        return []

    def announce(self, frames: list[Frame]) -> None:
        """Send frames other than events."""
        if frames:
            at = self._live.position
            self._send({"epoch": self._session.epoch, "after": at, "upto": at, "frames": frames})

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Events are sent without waking a task, to keep the delay of tokens small.

    def _start_sending(self) -> None:
        self._announce_model()
        self._send_live()

    def _wake(self) -> None:
        if self._scheduled is None:
            self._scheduled = self._loop.call_soon(self._send_live)

    def _send_live(self) -> None:
        self._scheduled = None
        wait = _budget.wait(self._loop.time())
        if wait > 0:
            self._scheduled = self._loop.call_later(wait, self._send_live)
        elif not self._live.up_to_date:
            self._send_new(self._live)
            if not self._live.up_to_date:
                self._wake()

    async def _catch_up(self, watcher: Watcher) -> None:
        """Send the events that a page has missed. Other pages ignore them."""
        try:
            self._announce_model()
            while not watcher.up_to_date:
                await asyncio.sleep(_budget.wait(self._loop.time()))
                self._send_new(watcher)
        finally:
            watcher.close()

    def _send_new(self, watcher: Watcher) -> None:
        batch = watcher.read()
        if batch["frames"]:
            self._send(batch)

    def _announce_model(self) -> None:
        frame = self._model_frame()
        if frame is not None:
            self.announce([frame])

    async def _save(self, payload: JSON) -> None:
        """Send a snapshot. The stream continues in the meantime."""
        saved = await saved_frame(payload, self._pages, self._snapshot)
        if saved is not None:
            self.announce([saved])

    async def _send_parts(self, frames: list[Frame]) -> None:
        """Send the parts of a value, each below the limit at which Jupyter Server drops messages."""
        for frame in frames:
            await asyncio.sleep(_budget.wait(self._loop.time()))
            self.announce([frame])

    def _send(self, batch: Batch) -> None:
        modules = self._modules_needed(batch["frames"])
        if modules:
            batch = {**batch, "frames": [*modules, *batch["frames"]]}
        _budget.spend(len(encode(batch)), self._loop.time())
        self._send_message(dict(batch))

    def _modules_needed(self, frames: list[Frame]) -> list[Frame]:
        """Return `module` frames for the optional modules that the text of `frames` needs and that were not sent."""
        missing = [name for name in _NEEDED_BY if name not in self._modules_sent]
        if not missing:
            return []
        texts = [self._markdown(frame) for frame in frames]
        needed = [name for name in missing if any(_NEEDED_BY[name].search(text) for text in texts)]
        self._modules_sent.update(needed)
        return [{"type": "module", "data": {"name": name, "source": read_built(f"{name}.js")}} for name in needed]

    def _markdown(self, frame: Frame) -> str:
        """Return the whole text of the frame's step, because the text that needs a module may be split by deltas."""
        if frame["type"] == "reasoning_step":
            return channel_text(frame["data"], "content")
        if frame["type"] == "step_delta":
            return channel_text(self._session.state["steps"].get(frame["data"]["step_id"], {}), "content")
        return ""
