"""Follow a session: the changed steps in their current state, at the reader's own pace."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Literal, Protocol
from weakref import WeakSet

from ..answer import CANCEL_WITHIN, Answer, answer_to, is_settled, plain_step, run_of
from ..fold import Transcript, TranscriptRequest, find_message, is_open
from ..protocol import ProtocolError, ReasoningStep
from .errors import Disconnected

Kind = Literal["message", "run", "step", "request"]
Change = tuple[Kind, str]
"""The kind and the id of a changed object."""

Item = tuple[ReasoningStep, None] | tuple[None, TranscriptRequest]
"""A step or a request of a run."""

OnRequest = Callable[[TranscriptRequest], Any]
"""Receives a request of the agent, and returns the reply or an awaitable of it; None leaves it to another client."""


class Followed(Protocol):
    """A session of a server that can be followed."""

    @property
    def state(self) -> Transcript:
        """The transcript. Do not modify it."""

    @property
    def followers(self) -> WeakSet[Following]:
        """The objects to notify of changes."""

    def is_whole(self, step_id: str) -> bool:
        """Whether all values of a step have arrived."""

    def check(self) -> None:
        """Check that more events may arrive.

        Raises:
            Disconnected: The connection was given up.
        """

    async def answer(self, request_id: str, value: Any) -> None:
        """Reply to a request of the agent."""

    async def cancel(self, question: Question) -> None:
        """Stop the run of a prompt, or withdraw the prompt if it is still queued."""


class Following:
    """The changes of a session that were not read yet. Each object is listed once, however often it changed."""

    def __init__(self, chat: Followed) -> None:
        self._chat = chat
        self._changes: dict[Change, None] = {}
        self._event = asyncio.Event()
        chat.followers.add(self)

    def wake(self) -> None:
        """Wake the reader for another reason, such as a new log or a connection that was given up."""
        self._event.set()

    def add(self, change: Change) -> None:
        """Add a change, as the newest."""
        self._changes.pop(change, None)  # the newest change is the last
        self._changes[change] = None
        self._event.set()

    def pop_changes(self) -> list[Change]:
        """Return the changes since the last call, up to the first step that still lacks a value."""
        changes: list[Change] = []
        for kind, name in list(self._changes):
            if kind == "step" and not self._chat.is_whole(name):
                break
            changes.append((kind, name))
            del self._changes[kind, name]
        self._event.clear()
        return changes

    async def changed(self) -> None:
        """Wait for changes.

        Raises:
            Disconnected: The connection was given up.
        """
        if not self._event.is_set():
            self._chat.check()
            await self._event.wait()
        if not self._changes:
            self._chat.check()


async def watched_steps(following: Following, chat: Followed, *, tokens: bool) -> AsyncIterator[ReasoningStep]:
    """Yield the steps of all runs as they change."""
    while True:
        await following.changed()
        for kind, step_id in following.pop_changes():
            step = chat.state["steps"].get(step_id) if kind == "step" else None
            if step is not None and (tokens or not is_open(step)):
                yield plain_step(step)


class Question:
    """A prompt that was sent. Read its steps with ``async for``, or wait for its `answer`.

    Leaving the loop early, or cancelling the waiting task, stops the run. `Disconnected` is raised if the connection is
    lost for good. After `Chat.reconnect`, continue to read the same object: the prompt is not sent again.

    Attributes:
        id: The id of the message.
    """

    def __init__(self, chat: Followed, message_id: str, *, tokens: bool, on_request: OnRequest | None) -> None:
        self.id = message_id
        self._error: ProtocolError | None = None
        self._chat = chat
        self._tokens = tokens
        self.on_request = on_request
        self._following = Following(chat)
        self._was_logged = False
        self._epoch: str | None = None  # the id of the log that accepted the prompt

    def __repr__(self) -> str:
        return f"<Question {self.id}: {'settled' if self.settled else 'open'}>"

    @property
    def settled(self) -> bool:
        """Whether the run has ended, or will never start."""
        if self._error is not None or self._was_cleared:
            return True
        state = self._chat.state
        self._was_logged = self._was_logged or find_message(state, self.id) is not None
        return self._was_logged and is_settled(state, self.id) and self._has_all_values

    @property
    def _has_all_values(self) -> bool:
        run = run_of(self._chat.state, self.id)
        return run is None or all(map(self._chat.is_whole, run["steps"]))

    @property
    def _was_cleared(self) -> bool:
        return self._epoch not in (None, self._chat.state["epoch"])

    def on_accepted(self) -> None:
        """Note that the server has accepted the prompt."""
        self._epoch = self._chat.state["epoch"]

    def on_rejected(self, error: ProtocolError) -> None:
        """Note that the server has rejected the prompt."""
        self._error = error
        self._following.wake()

    def __aiter__(self) -> AsyncIterator[ReasoningStep]:
        return self._steps()

    async def _steps(self) -> AsyncIterator[ReasoningStep]:
        items = self.items()
        try:
            async for step, request in items:
                if step is not None:
                    yield step
                elif request is not None and self.on_request is not None:
                    value = self.on_request(request)
                    if inspect.isawaitable(value):
                        value = await value
                    if value is not None:
                        await self._chat.answer(request["request_id"], value)
        finally:
            await items.aclose()

    async def answer(self) -> Answer:
        """Wait until the run ends.

        Returns:
            The answer, even if the run failed; check its `status` and `error`.

        Raises:
            ProtocolError: The server rejected the prompt. The message says why.
            Disconnected: The connection was lost for good.
        """
        steps = self._steps()
        try:
            async for _ in steps:
                pass
        finally:
            await steps.aclose()  # type: ignore[attr-defined] # it is a generator
        return self.result()

    def result(self) -> Answer:
        """Return the answer, once the prompt is `settled`."""
        if self._was_cleared:
            return Answer("", "stopped", [], {}, 0.0, "The conversation was cleared before the answer was complete.")
        return answer_to(self._chat.state, self.id)

    async def items(self) -> AsyncGenerator[Item]:
        """Yield the steps and requests of the prompt's run as they change."""
        left = True
        try:
            while True:
                settled = self.settled
                for item in self._changed_items():
                    yield item
                if self._error is not None:
                    raise self._error
                if settled:
                    break
                await self._following.changed()
            left = False
        except (Disconnected, ProtocolError):
            left = False
            raise
        finally:
            if left:
                await self._cancel()

    def _changed_items(self) -> list[Item]:
        state = self._chat.state
        changes = self._following.pop_changes()
        run = run_of(state, self.id)
        items: list[Item] = []
        for kind, name in changes if run is not None else []:
            step = state["steps"].get(name) if kind == "step" else None
            request = state["requests"].get(name) if kind == "request" else None
            concerned = step or request
            if run is None or concerned is None or concerned.get("run_id") != run["run_id"]:
                continue
            if step is not None and (self._tokens or not is_open(step)):
                items.append((plain_step(step), None))
            elif request is not None and request["closed"] is None:
                items.append((None, request.copy()))
        return items

    async def _cancel(self) -> None:
        """Stop the run, or withdraw the prompt, and wait up to `CANCEL_WITHIN` seconds for that."""
        try:
            async with asyncio.timeout(CANCEL_WITHIN):
                await self._chat.cancel(self)
                while not self.settled:
                    await self._following.changed()
                    self._following.pop_changes()
        except (TimeoutError, ConnectionError, ProtocolError):
            pass  # the request was sent; its effect cannot be known now
