"""Create snapshots of a session for notebook files: incrementally, and in a thread that does not delay the stream."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..conversation.base import Source
from ..fold import Transcript, TranscriptStep, new_transcript, receive, step_key
from ..host import traitlets_config
from ..protocol import Frame
from ..session.thread import on_loop

if TYPE_CHECKING:
    from ..export.saved import Saver
    from ..export.transcript import Exchange

Bundle = dict[str, Any]

_MAX_HEADING: Final = 100
"""The maximum length of a prompt's text in a heading, in characters."""


@cache
def snapshot_executor() -> ThreadPoolExecutor:
    """Return the executor with the kernel's one thread for snapshots."""
    return ThreadPoolExecutor(1, thread_name_prefix="reasoning-saving")


class _Changes(NamedTuple):
    """The changes of a session since the last ones."""

    replaces_all: bool
    """Whether these are all events, so that the earlier ones are obsolete."""
    epoch: str
    events: list[Frame]
    open_steps: dict[str, TranscriptStep]
    """The open steps in their current state."""


class _Copy:
    """A copy of a session's transcript that another thread can read while the session changes."""

    def __init__(self, session_id: str) -> None:
        self.events: dict[int, Frame] = {}
        """The events by `seq`, without steps that later ones replace."""
        self._session_id = session_id
        self._start("")

    def apply(self, changes: _Changes) -> None:
        if changes.replaces_all:
            self._start(changes.epoch)
        for event in changes.events:
            seq = event["seq"]
            if event["type"] == "reasoning_step":
                known = self.state["steps"].get(step_key(event["data"], seq))
                if known is not None:
                    self.events.pop(known["seq"], None)
            self.events[seq] = event
            receive(self.state, event)
        self.state["steps"].update(changes.open_steps)

    def _start(self, epoch: str) -> None:
        self.events.clear()
        self.state: Transcript = new_transcript()
        self.state["session_id"], self.state["epoch"] = self._session_id, epoch


class _Part(NamedTuple):
    """A prompt and its run in each format."""

    exchange: Exchange
    html: str
    markdown: str
    plain: str


class Snapshots:
    """Creates snapshots of a session.

    `note_changes` is quick and must be called on the sessions' event loop; `bundle` creates the snapshot, and may be
    called on any thread. Parts that have not changed are reused.

    Args:
        session: The session.
        enabled: Whether the notebook file keeps the transcript.
        replaces_all: Whether a refresh replaces the whole session, so that earlier events are obsolete.
    """

    def __init__(self, session: Source, *, enabled: bool, replaces_all: bool = False) -> None:
        self._session = session
        self._replaces_all = replaces_all
        self._enabled = enabled
        self._saver: Saver | None = None
        self._epoch: str | None = None
        self._position = 0
        self._changes: deque[_Changes] = deque()
        self._copy = _Copy(session.session_id)
        self._parts: dict[str, _Part] = {}
        self._lock = threading.Lock()

    def note_changes(self) -> None:
        """Copy the changes since the last call. Must be called on the sessions' event loop."""
        if not self._enabled:
            return
        session = self._session
        replaces_all = self._replaces_all or session.epoch != self._epoch
        open_steps = {step_id: session.state["steps"][step_id].copy() for step_id in session.open_steps}
        events = list(session.events_after(0 if replaces_all else self._position))
        if events or open_steps or replaces_all:
            self._changes.append(_Changes(replaces_all, session.epoch, events, open_steps))
        self._epoch, self._position = session.epoch, session.state["last_seq"]

    def bundle(self, description: str, message_id: str | None) -> Bundle:
        """Return the snapshot of the transcript, or of one message, in each format, as of the last `note_changes`.

        Args:
            description: A description of the chat, in one line.
            message_id: The id of the message; None for the whole transcript.
        """
        from ..export.log import SESSION_MIME, session_file

        if not self._enabled:
            nothing = session_file(self._session.session_id, self._session.epoch, [], message_id=message_id)
            nothing["saved"] = False
            return {SESSION_MIME: nothing, "text/plain": f"{description.strip('<>')} (not saved: save=False)"}
        with self._lock:
            return self._create(description, message_id)

    def _create(self, description: str, message_id: str | None) -> Bundle:
        from ..export import saved
        from ..export.log import SESSION_MIME
        from ..export.transcript import exchanges

        while self._changes:
            self._copy.apply(self._changes.popleft())
        if self._saver is None:
            limits = saved.SavedTranscript(config=traitlets_config())
            self._saver = saved.Saver(limits, lambda sha256: on_loop(self._session.blob, sha256))
        file = self._saver.file(self._copy.state, self._copy.events.values(), message_id)
        transcript = saved.folded(file)  # so that no format contains what another one masks or cuts
        parts = [self._part(transcript, exchange) for exchange in exchanges(transcript)]
        if message_id is None:
            self._parts = {_name(part.exchange): part for part in parts}
        line = _heading(description, transcript)
        head, foot = _frame()
        markdown = "\n\n".join(part.markdown for part in parts)
        plain = "\n\n".join([line, *(part.plain for part in parts)])
        return {
            SESSION_MIME: file,
            "text/html": f"{line}\n{head}{''.join(part.html for part in parts)}{foot}",
            "text/markdown": f"{markdown}\n" if markdown else "",
            "text/plain": plain,
        }

    def _part(self, transcript: Transcript, exchange: Exchange) -> _Part:
        name = _name(exchange)
        known = self._parts.get(name)
        if known is None or known.exchange != exchange:
            known = self._parts[name] = _create_part(transcript, exchange)
        return known


def _name(exchange: Exchange) -> str:
    return str(exchange.message["id"] if exchange.message else exchange.run and exchange.run["run_id"])


def _create_part(transcript: Transcript, exchange: Exchange) -> _Part:
    from ..export.html import to_html
    from ..export.markdown import to_markdown, to_plain

    alone: Transcript = {
        **transcript,
        "messages": [message for message in (exchange.message, *exchange.asides) if message is not None],
        "runs": [exchange.run] if exchange.run is not None else [],
        "requests": {request["request_id"]: request for request in exchange.requests},
    }
    head, foot = _frame()
    html = to_html(alone).removeprefix(head).removesuffix(foot)
    return _Part(exchange, html, to_markdown(alone).removesuffix("\n"), to_plain(alone))


@cache
def _frame() -> tuple[str, str]:
    """Return the HTML before and after the exchanges of a transcript."""
    from ..export.html import to_html

    foot = "</div>"
    return to_html(new_transcript()).removesuffix(foot), foot


def _heading(description: str, state: Transcript) -> str:
    """Describe a transcript in one line without markup.

    This is the first line of each format, because JupyterLab shows the source of the first line of a collapsed output.
    """
    asked = [message["content"] for message in state["messages"] if message["run_id"] is not None]
    if not asked or not state["runs"]:
        return description.strip("<>")
    more = f" (and {len(asked) - 1} more)" if len(asked) > 1 else ""
    return f"Chat with {_shorten(str(state['runs'][-1]['agent_name']))}: {_shorten(asked[0])}{more}"


def _shorten(text: str) -> str:
    """Shorten a text to one line without HTML markup and without formulas that are too costly to draw."""
    from ..export.transcript import plain_text
    from ..markdown.tex import is_costly

    line = " ".join(plain_text(text).replace("<", "\u2039").split())
    short = line if len(line) <= _MAX_HEADING else f"{line[: _MAX_HEADING - 1]}…"
    return short.replace("\\", "\u29f5") if is_costly(short) else short
