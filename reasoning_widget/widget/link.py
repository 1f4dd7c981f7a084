"""The session's end of a comm: what happens goes out as batches, what the pages send comes in.

A comm is a broadcast to every page and view, and Jupyter Server drops what comes too fast. So all pages share one
live cursor, what goes out is kept below the server's limits, and who has missed something sends `attach`.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

from ..fold import channel_text
from ..protocol import JSON, Batch, ClientMessage, Frame, encode
from ..session.budget import Budget
from ..session.dispatch import dispatch
from ..session.session import Session
from ..session.watcher import Watcher
from .built import read_built
from .pages import Pages

_NEEDED_BY: Final = {
    "math": re.compile(r"\$[^\s$]|\$\$|\\\(|\\\["),
    "highlight": re.compile(r"```|~~~"),
}
"""The optional JavaScript modules, and the text that needs them."""


_budget = Budget(rate=600_000, burst=1_000_000)
"""In bytes, for all the chats of a kernel: Jupyter Server's limit is 1 MB/s, over three seconds."""


def keep_messages_off_the_cell(comm: Any) -> None:
    """Let what pages send over `comm` arrive while a cell runs.

    ipykernel 7.4 sends a page's comm messages back to the loop that last sent on that comm; for a widget made in a
    cell that is the main shell, which the cell holds, so that Stop would wait for the cell's end. The default route,
    a subshell, is the one we want. Elsewhere the attribute does not exist and nothing is to be done.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, default: default  # noqa: SLF001 (there is no public way)


def with_buffers(content: Any, buffers: Sequence[memoryview]) -> Any:
    """A page's message, with the attachments that came beside it as bytes put into its parts.

    In base64 they are a third longer, and Jupyter Server ends the connection of a page that sends it more than 10 MiB
    at once. A part whose bytes are missing stays empty: the session refuses it.
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


async def saved_for(wish: JSON, pages: Pages, forms: Callable[[str | None], Awaitable[JSON]]) -> Frame | None:
    """What answers the payload of a `save`; None where another page writes the output."""
    page, message_id = wish.get("page"), wish["message_id"]
    if page is not None and not await pages.writes(page, wish.get("ran_by")):
        return None
    data: JSON = {"message_id": message_id, "bundle": await forms(message_id)}
    return {"type": "saved", "data": data if page is None else {"page": page, **data}}


class CommLink:
    """Connects `session` to a comm. Lives on the session's loop.

    Args:
        session: What the comm shows.
        send: Sends one JSON message over the comm; called from the loop's thread only, which keeps the order.
        model_frame: The `model` frame as of now, or None.
        on_pull: Called when the person wants the model's weights.
        forms: Makes what a notebook should keep of the session, or of one message.
    """

    def __init__(
        self,
        session: Session,
        send: Callable[[JSON], None],
        model_frame: Callable[[], Frame | None],
        on_pull: Callable[[], None],
        forms: Callable[[str | None], Awaitable[JSON]],
    ) -> None:
        self._session = session
        self._send_message = send
        self._model_frame = model_frame
        self._on_pull = on_pull
        self._forms = forms
        self._loop = asyncio.get_running_loop()
        self._modules_sent: set[str] = set()
        self._pages = Pages(lambda frame: self.announce([frame]))
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn: asyncio.Handle | None = self._loop.call_soon(self._begin)
        self._live = Watcher(session, session.epoch, 0, self._wake)

    def close(self) -> None:
        """Send nothing more."""
        self._live.close()
        if self._turn is not None:
            self._turn.cancel()
        for task in self._tasks:
            task.cancel()

    def receive(self, raw: Any) -> None:
        """Take a message that a page sent."""
        self.announce(dispatch(raw, "comm", self._receive))

    def _receive(self, message: ClientMessage) -> list[Frame]:
        kind, payload = message["type"], message["payload"]
        if kind == "attach":
            if "page" in payload:
                self._pages.here(payload["page"])
            self._modules_sent = set(payload.get("modules", []))
            self._start(self._catch_up(Watcher(self._session, payload["epoch"], payload["after"])))
        elif kind == "blob":
            self._start(self._send_slowly(self._session.blob_frames(payload["blob"])))
        elif kind == "save":
            self._start(self._save(payload))
        elif kind == "leave":
            self._pages.gone(payload["page"])
        elif kind == "pull_model":
            self._on_pull()
        else:
            return self._session.receive(message)
        return []

    def announce(self, frames: list[Frame]) -> None:
        """Send frames that are no events."""
        if frames:
            at = self._live.position
            self._send({"epoch": self._session.epoch, "after": at, "upto": at, "frames": frames})

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What happens is sent as it happens: a token passes here on its way, so no task is woken for it

    def _begin(self) -> None:
        self._announce_model()
        self._take_turn()

    def _wake(self) -> None:
        if self._turn is None:
            self._turn = self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        wait = _budget.wait(self._loop.time())
        if wait > 0:
            self._turn = self._loop.call_later(wait, self._take_turn)
        elif not self._live.up_to_date:
            self._send_new(self._live)
            if not self._live.up_to_date:
                self._wake()

    async def _catch_up(self, watcher: Watcher) -> None:
        """Send what a page has missed; the others fold it harmlessly."""
        try:
            self._announce_model()
            while not watcher.up_to_date:
                await asyncio.sleep(_budget.wait(self._loop.time()))
                self._send_new(watcher)
        finally:
            watcher.close()

    def _send_new(self, watcher: Watcher) -> None:
        batch = watcher.take()
        if batch["frames"]:
            self._send(batch)

    def _announce_model(self) -> None:
        frame = self._model_frame()
        if frame is not None:
            self.announce([frame])

    async def _save(self, wish: JSON) -> None:
        """Send what a notebook should keep; meanwhile the stream goes on."""
        saved = await saved_for(wish, self._pages, self._forms)
        if saved is not None:
            self.announce([saved])

    async def _send_slowly(self, frames: list[Frame]) -> None:
        """Send the parts of a value: Jupyter Server drops a message that exceeds its limit by itself."""
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
        """`module` frames for what the text of `frames` is the first to need on this comm."""
        missing = [name for name in _NEEDED_BY if name not in self._modules_sent]
        if not missing:
            return []
        texts = [self._markdown(frame) for frame in frames]
        needed = [name for name in missing if any(_NEEDED_BY[name].search(text) for text in texts)]
        self._modules_sent.update(needed)
        return [{"type": "module", "data": {"name": name, "source": read_built(f"{name}.js")}} for name in needed]

    def _markdown(self, frame: Frame) -> str:
        """The text of the step a frame is about, whole: what needs a module may be split between two deltas."""
        if frame["type"] == "reasoning_step":
            return channel_text(frame["data"], "content")
        if frame["type"] == "step_delta":
            return channel_text(self._session.state["steps"].get(frame["data"]["step_id"], {}), "content")
        return ""
