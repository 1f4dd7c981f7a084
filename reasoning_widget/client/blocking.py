"""`BlockingChat`: a session of a server, without ``await``. The connection runs on an event loop in a thread."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from ..answer import Answer
from ..fold import TranscriptMessage, TranscriptRequest, TranscriptRun
from ..parts import Prompt, as_message
from ..protocol import JSON, ReasoningStep
from ..session.thread import on_loop, wait
from .chat import Chat
from .following import OnRequest, Question
from .link import Connection

_T = TypeVar("_T")


class BlockingQuestion:
    """A prompt that was sent. Read its steps with ``for``, or wait for its `answer`.

    Leaving the loop early, or interrupting it with Ctrl-C, stops the run.

    Attributes:
        id: The id of the message.
    """

    def __init__(self, chat: BlockingChat, question: Question) -> None:
        self.id = question.id
        self._chat = chat
        self._question = question

    def __repr__(self) -> str:
        return repr(self._question)

    def __iter__(self) -> Iterator[ReasoningStep]:
        items = self._question.items()
        for step, request in _each(items):
            if step is not None:
                yield step
            elif request is not None and self._question.on_request is not None:
                value = self._question.on_request(request)
                if value is not None:
                    self._chat.answer(request["request_id"], value)

    def answer(self) -> Answer:
        """Wait until the run ends, and return the answer, as `Question.answer` does."""
        for _ in self:
            pass
        return on_loop(self._question.result)


class BlockingChat:
    """A session of a server, for scripts: the methods of `Chat`, without ``await``. `connect` returns it."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self.session_id = chat.session_id

    def __repr__(self) -> str:
        return repr(self._chat)

    def ask(
        self,
        prompt: Prompt,
        *,
        agent: str | None = None,
        reasoning: bool = True,
        max_iterations: int | None = None,
        tokens: bool = False,
        on_request: OnRequest | None = None,
    ) -> BlockingQuestion:
        """Send a prompt, as `Chat.ask` does. `on_request` is called in the thread that reads the steps."""
        message = as_message(prompt)

        def send() -> Question:
            return self._chat.ask(
                message,
                agent=agent,
                reasoning=reasoning,
                max_iterations=max_iterations,
                tokens=tokens,
                on_request=on_request,
            )

        return BlockingQuestion(self, on_loop(send))

    def watch(self, *, tokens: bool = False) -> Iterator[ReasoningStep]:
        """Yield each complete step of all runs from now on, as `Chat.watch` does."""
        return _each(on_loop(lambda: self._chat.watch(tokens=tokens)))

    def stop(self) -> None:
        """Stop the active run, as `Chat.stop` does."""
        wait(self._chat.stop())

    def answer(self, request_id: str, value: Any) -> None:
        """Reply to a request of the agent, as `Chat.answer` does."""
        wait(self._chat.answer(request_id, value))

    def clear(self) -> None:
        """Delete the conversation and start a new one, as `Chat.clear` does."""
        wait(self._chat.clear())

    def value(self, sha256: str) -> Any:
        """Fetch a value that is stored beside the log, as `Chat.value` does."""
        return wait(self._chat.value(sha256))

    def reconnect(self) -> None:
        """Connect again now, as `Chat.reconnect` does."""
        wait(self._chat.reconnect())

    @property
    def connection(self) -> Connection:
        """The state of the connection."""
        return self._chat.connection

    @property
    def steps(self) -> list[ReasoningStep]:
        """Every step of the conversation, in order, as plain data."""
        return self._read(lambda chat: chat.steps)

    @property
    def runs(self) -> list[TranscriptRun]:
        """Every run of the conversation, in order, as plain data; `steps` are the ids of its steps."""
        return self._read(lambda chat: chat.runs)

    @property
    def messages(self) -> list[TranscriptMessage]:
        """Every prompt of the conversation, in order, as plain data."""
        return self._read(lambda chat: chat.messages)

    @property
    def requests(self) -> list[TranscriptRequest]:
        """The open requests of agents."""
        return self._read(lambda chat: chat.requests)

    @property
    def agents(self) -> list[JSON]:
        """The agents of the server, with their `name` and `description`."""
        return self._read(lambda chat: chat.agents)

    @property
    def agent_name(self) -> str:
        """The agent that is asked by default."""
        return self._read(lambda chat: chat.agent_name)

    @property
    def waiting(self) -> int:
        """The number of our messages that the server has not acknowledged yet."""
        return self._read(lambda chat: chat.waiting)

    def _read(self, getter: Callable[[Chat], _T]) -> _T:
        return on_loop(getter, self._chat)


async def _next(items: AsyncIterator[_T]) -> tuple[_T] | None:
    """Return the next item in a tuple; None at the end, because a StopAsyncIteration cannot cross threads."""
    async for item in items:
        return (item,)
    return None


def _each(items: AsyncIterator[_T]) -> Iterator[_T]:
    """Iterate over an asynchronous iterator of the event loop from another thread."""
    try:
        while (item := wait(_next(items))) is not None:
            yield item[0]
    finally:
        if isinstance(items, AsyncGenerator):
            wait(items.aclose())
