"""Reading along: the steps that have changed, each as it is now, at the reader's own pace."""

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
"""What has changed, and its id."""

Item = tuple[ReasoningStep, None] | tuple[None, TranscriptRequest]
"""A step of a run, or what its agent asks the person."""

OnRequest = Callable[[TranscriptRequest], Any]
"""Given a request of the agent, returns the answer (or an awaitable of it); None to leave it to somebody else."""


class Followed(Protocol):
    """What is read: a session of a server."""

    @property
    def state(self) -> Transcript:
        """Its transcript. Only to be read."""

    @property
    def followers(self) -> WeakSet[Following]:
        """Those that are notified of changes."""

    def is_whole(self, step_id: str) -> bool:
        """Whether all values of a step are here."""

    def check(self) -> None:
        """Make sure that something may still come.

        Raises:
            Disconnected: The connection was given up.
        """

    async def answer(self, request_id: str, value: Any) -> None:
        """Reply to a request of the agent."""

    async def cancel(self, question: Question) -> None:
        """Stop the run of a prompt, or withdraw the prompt if it is still queued."""


class Following:
    """Collects what changes. A slow reader finds each thing once, as it is when it reads: nothing piles up."""

    def __init__(self, chat: Followed) -> None:
        self._chat = chat
        self._changes: dict[Change, None] = {}
        self._event = asyncio.Event()
        chat.followers.add(self)

    def wake(self) -> None:
        """Something else has changed: the log begins anew, or the connection was given up."""
        self._event.set()

    def note(self, change: Change) -> None:
        """Something has changed."""
        self._changes.pop(change, None)  # the newest change is the last
        self._changes[change] = None
        self._event.set()

    def take(self) -> list[Change]:
        """What has changed since the last call, but for what comes behind a step of which a value is still missing."""
        changes: list[Change] = []
        for kind, name in list(self._changes):
            if kind == "step" and not self._chat.is_whole(name):
                break
            changes.append((kind, name))
            del self._changes[kind, name]
        self._event.clear()
        return changes

    async def changed(self) -> None:
        """Wait for something to take.

        Raises:
            Disconnected: Nothing more will come by itself.
        """
        if not self._event.is_set():
            self._chat.check()
            await self._event.wait()
        if not self._changes:
            self._chat.check()


async def watched_steps(following: Following, chat: Followed, *, tokens: bool) -> AsyncIterator[ReasoningStep]:
    """The steps of all runs, as they change."""
    while True:
        await following.changed()
        for kind, step_id in following.take():
            step = chat.state["steps"].get(step_id) if kind == "step" else None
            if step is not None and (tokens or not is_open(step)):
                yield plain_step(step)


class Question:
    """A prompt that was sent. Read its steps with ``async for``, or wait for its `answer`.

    Leaving the loop early, or cancelling the task that waits, stops the run. `Disconnected` is raised if the connection
    is lost for good. After `Chat.reconnect`, continue to read the same object: the prompt is asked only once.

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
        self._known = False  # whether it has been in the log
        self._epoch: str | None = None  # the log that it was accepted into

    def __repr__(self) -> str:
        return f"<Question {self.id}: {'settled' if self.settled else 'open'}>"

    @property
    def settled(self) -> bool:
        """Whether the run has ended, or will never start."""
        if self._error is not None or self._forgotten:
            return True
        state = self._chat.state
        self._known = self._known or find_message(state, self.id) is not None
        return self._known and is_settled(state, self.id) and self._whole

    @property
    def _whole(self) -> bool:
        run = run_of(self._chat.state, self.id)
        return run is None or all(map(self._chat.is_whole, run["steps"]))

    @property
    def _forgotten(self) -> bool:
        return self._epoch not in (None, self._chat.state["epoch"])

    def accepted(self) -> None:
        """The server has it."""
        self._epoch = self._chat.state["epoch"]

    def refused(self, error: ProtocolError) -> None:
        """The server will not have it."""
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
            ProtocolError: The server did not accept the prompt; the text says why.
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
        """What came of it, once it is settled."""
        if self._forgotten:
            return Answer("", "stopped", [], {}, 0.0, "The conversation was cleared before the answer was there.")
        return answer_to(self._chat.state, self.id)

    async def items(self) -> AsyncGenerator[Item]:
        """The steps and the requests of this question's run, as they come."""
        left = True
        try:
            while True:
                settled = self.settled
                for item in self._taken():
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

    def _taken(self) -> list[Item]:
        state = self._chat.state
        changes = self._following.take()
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
        """Stop the run, or take the message back; wait a little for that to be done."""
        try:
            async with asyncio.timeout(CANCEL_WITHIN):
                await self._chat.cancel(self)
                while not self.settled:
                    await self._following.changed()
                    self._following.take()
        except (TimeoutError, ConnectionError, ProtocolError):
            pass  # it was asked for; whether it is done cannot be known now
