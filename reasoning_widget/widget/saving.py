"""What a notebook keeps of a session beside the live view. It is made of what changed, off the loop of the stream."""

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

_SHORT: Final = 100
"""How many characters of a question say what it is about."""


@cache
def maker() -> ThreadPoolExecutor:
    """The one thread of a kernel that makes what is saved while runs go on."""
    return ThreadPoolExecutor(1, thread_name_prefix="reasoning-saving")


class _News(NamedTuple):
    """What has happened in a session since it was last looked at."""

    whole: bool
    """All of it: what was known before no longer counts."""
    epoch: str
    events: list[Frame]
    open_steps: dict[str, TranscriptStep]
    """The steps that are open, as they are now."""


class _Copy:
    """A session's transcript, which another thread reads while the session goes on."""

    def __init__(self, session_id: str) -> None:
        self.events: dict[int, Frame] = {}
        """By `seq`, without snapshots that later ones supersede."""
        self._session_id = session_id
        self._start("")

    def take(self, news: _News) -> None:
        if news.whole:
            self._start(news.epoch)
        for event in news.events:
            seq = event["seq"]
            if event["type"] == "reasoning_step":
                known = self.state["steps"].get(step_key(event["data"], seq))
                if known is not None:
                    self.events.pop(known["seq"], None)
            self.events[seq] = event
            receive(self.state, event)
        self.state["steps"].update(news.open_steps)

    def _start(self, epoch: str) -> None:
        self.events.clear()
        self.state: Transcript = new_transcript()
        self.state["session_id"], self.state["epoch"] = self._session_id, epoch


class _Part(NamedTuple):
    """One question and what came of it, in each form."""

    exchange: Exchange
    html: str
    markdown: str
    plain: str


class Saving:
    """Makes what a notebook keeps of a session beside the live view.

    `take` notes what is new, on the sessions' loop, in a moment; `forms` makes what is kept of it, on whichever thread.
    What has not changed since is not made again.

    Args:
        session: The session.
        wanted: Whether anything is to be kept.
        whole: Whether the session is read anew each time, so that what was known before no longer counts.
    """

    def __init__(self, session: Source, *, wanted: bool, whole: bool = False) -> None:
        self._session = session
        self._whole = whole
        self._wanted = wanted
        self._saver: Saver | None = None
        self._epoch: str | None = None
        self._position = 0
        self._news: deque[_News] = deque()
        self._copy = _Copy(session.session_id)
        self._parts: dict[str, _Part] = {}
        self._one_at_a_time = threading.Lock()

    def take(self) -> None:
        """Note what is new. Must be called on the sessions' loop."""
        if not self._wanted:
            return
        session = self._session
        whole = self._whole or session.epoch != self._epoch
        open_steps = {step_id: session.state["steps"][step_id].copy() for step_id in session.open_steps}
        events = list(session.events_after(0 if whole else self._position))
        if events or open_steps or whole:
            self._news.append(_News(whole, session.epoch, events, open_steps))
        self._epoch, self._position = session.epoch, session.state["last_seq"]

    def forms(self, about: str, message_id: str | None) -> Bundle:
        """The transcript, or what is about one message of it, in each form, as of the last `take`.

        Args:
            about: What the chat is, in a line.
            message_id: The one message.
        """
        from ..export.log import SESSION_MIME, session_file

        if not self._wanted:
            nothing = session_file(self._session.session_id, self._session.epoch, [], message_id=message_id)
            nothing["saved"] = False
            return {SESSION_MIME: nothing, "text/plain": f"{about.strip('<>')} (not saved: save=False)"}
        with self._one_at_a_time:
            return self._make(about, message_id)

    def _make(self, about: str, message_id: str | None) -> Bundle:
        from ..export import saved
        from ..export.log import SESSION_MIME
        from ..export.transcript import exchanges

        while self._news:
            self._copy.take(self._news.popleft())
        if self._saver is None:
            limits = saved.SavedTranscript(config=traitlets_config())
            self._saver = saved.Saver(limits, lambda sha256: on_loop(self._session.blob, sha256))
        file = self._saver.file(self._copy.state, self._copy.events.values(), message_id)
        kept = saved.folded(file)  # so that no form holds what another one masks or cuts
        parts = [self._part(kept, exchange) for exchange in exchanges(kept)]
        if message_id is None:  # what is no longer there is forgotten
            self._parts = {_name(part.exchange): part for part in parts}
        line = _in_a_line(about, kept)
        head, foot = _frame()
        markdown = "\n\n".join(part.markdown for part in parts)
        plain = "\n\n".join([line, *(part.plain for part in parts)])
        return {
            SESSION_MIME: file,
            "text/html": f"{line}\n{head}{''.join(part.html for part in parts)}{foot}",
            "text/markdown": f"{markdown}\n" if markdown else "",
            "text/plain": plain,
        }

    def _part(self, kept: Transcript, exchange: Exchange) -> _Part:
        name = _name(exchange)
        known = self._parts.get(name)
        if known is None or known.exchange != exchange:
            known = self._parts[name] = _made(kept, exchange)
        return known


def _name(exchange: Exchange) -> str:
    return str(exchange.message["id"] if exchange.message else exchange.run and exchange.run["run_id"])


def _made(kept: Transcript, exchange: Exchange) -> _Part:
    from ..export.html import to_html
    from ..export.markdown import to_markdown, to_plain

    alone: Transcript = {
        **kept,
        "messages": [message for message in (exchange.message, *exchange.asides) if message is not None],
        "runs": [exchange.run] if exchange.run is not None else [],
        "requests": {request["request_id"]: request for request in exchange.requests},
    }
    head, foot = _frame()
    html = to_html(alone).removeprefix(head).removesuffix(foot)
    return _Part(exchange, html, to_markdown(alone).removesuffix("\n"), to_plain(alone))


@cache
def _frame() -> tuple[str, str]:
    """What stands before and behind the exchanges in a page."""
    from ..export.html import to_html

    foot = "</div>"
    return to_html(new_transcript()).removesuffix(foot), foot


def _in_a_line(about: str, state: Transcript) -> str:
    """What a transcript is about, without markup.

    It stands first in each form, for JupyterLab shows the first line of an output that is collapsed as it is written.
    """
    asked = [message["content"] for message in state["messages"] if message["run_id"] is not None]
    if not asked or not state["runs"]:
        return about.strip("<>")
    more = f" (and {len(asked) - 1} more)" if len(asked) > 1 else ""
    return f"Chat with {_short(str(state['runs'][-1]['agent_name']))}: {_short(asked[0])}{more}"


def _short(text: str) -> str:
    """A text that is no markup in a page, and no formula that is too costly to draw."""
    from ..export.transcript import plain_text
    from ..markdown.tex import is_costly

    line = " ".join(plain_text(text).replace("<", "\u2039").split())
    short = line if len(line) <= _SHORT else f"{line[: _SHORT - 1]}…"
    return short.replace("\\", "\u29f5") if is_costly(short) else short
