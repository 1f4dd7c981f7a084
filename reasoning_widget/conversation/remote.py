"""A conversation whose session is on a server.

The page talks to the server itself. The kernel has a connection of its own, for what is asked from code, and to know
when to refresh what the notebook saves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ..agents.models import ModelChoice
from ..answer import CANCEL_WITHIN, Answer
from ..client import Chat, Disconnected, Question, connect
from ..client.address import Address
from ..client.following import Following
from ..export.log import SessionFile
from ..parts import Prompt, as_message
from ..protocol import Part, ProtocolError, ReasoningStep
from .base import REFRESH_DELAY
from .server_session import ServerSession


class RemoteConversation:
    """A conversation whose session is on a server; see `Conversation`.

    Whatever needs the server raises `Disconnected` where there is no connection, or `NotAllowed`.

    Args:
        server: The server's address.
        session_id: The session.
        token: The server's token.
        ticket: A ticket for the session, instead of the token.

    Raises:
        ValueError: The address is invalid, or the ticket is none.
    """

    refresh_replaces_all = True

    def __init__(self, server: str, session_id: str, *, token: str | None, ticket: str | None) -> None:
        self.address = Address.of(server, token, ticket)
        self.source = ServerSession(self.address, session_id)
        self.results: dict[str, object] = {}  # what tools returned stays on the server
        self._connecting = connect(server, session_id, token=token, ticket=ticket)
        self._exit_stack = contextlib.AsyncExitStack()
        self._connect_lock = asyncio.Lock()
        self._chat: Chat | None = None
        self._prompt_sent = asyncio.Event()  # for something, after the connection was given up
        self._closing: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Where it is held."""
        return f"session {self.source.session_id} at {self.address.base}"

    async def _connected(self) -> Chat:
        """The kernel's own connection, made when it is first needed, and again when it was given up."""
        async with self._connect_lock:
            if self._chat is None:
                self._chat = await self._exit_stack.enter_async_context(self._connecting)
            elif self._chat.connection.given_up:
                await self._chat.reconnect()
        return self._chat

    async def ask(self, message: str | list[Part], **options: Any) -> Question:
        """Send a prompt; see `Chat.ask`."""
        chat = await self._connected()
        self._prompt_sent.set()
        return chat.ask(message, **options)

    async def cancel(self, question: Question) -> None:
        """Stop the run of a prompt, or withdraw the prompt; see `Chat.cancel`."""
        await (await self._connected()).cancel(question)

    def prepare(
        self, prompt: Prompt, *, agent: str | None, reasoning: bool, max_iterations: int | None, tokens: bool = False
    ) -> RemoteAnswer:
        """See `Conversation.prepare`. Which agents there are is known to the server."""
        options: dict[str, Any] = {
            "agent": agent,
            "reasoning": reasoning,
            "max_iterations": max_iterations,
            "tokens": tokens,
        }
        return RemoteAnswer(self, as_message(prompt), options)

    async def stop(self) -> None:
        """Stop the active run, and withdraw queued prompts."""
        await (await self._connected()).stop()

    async def clear(self) -> None:
        """Stop the active run, delete the conversation and start a new one, for everybody."""
        await (await self._connected()).clear()

    async def refresh(self) -> None:
        """Read the session from the server.

        Raises:
            Disconnected: It cannot be read; the text says why.
        """
        await self.source.read()

    async def changes(self) -> AsyncIterator[None]:
        """Yield when the kernel has connected, and whenever a run begins or ends. `source` is up to date then."""
        while True:
            self._prompt_sent.clear()
            try:
                following = Following(await self._connected())
                while True:
                    await self.refresh()
                    yield
                    while not any(kind == "run" for kind, _ in following.take()):
                        await following.changed()
                    await asyncio.sleep(REFRESH_DELAY)
            except (Disconnected, ProtocolError):
                await self._prompt_sent.wait()  # the page reports the failure; the next prompt from code retries

    def file(self) -> SessionFile:
        """All of it, as a file."""
        return self.source.file

    def model(self) -> ModelChoice:
        """The server's affair.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError("the server chooses the model for its agents: see its `ReasoningApp.llm`")

    def end(self) -> None:
        """Read the session once more, if that takes no time: the kernel ends. The session goes on without it.

        Raises:
            Disconnected: It cannot be read in time; the text says why.
        """
        self.source.read_at_exit()

    def close(self) -> None:
        """Close the kernel's own connection."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._exit_stack.aclose())

    def release_agents(self) -> None:
        """Nothing is to be done: they are the server's."""


class RemoteAnswer:
    """A prompt to a session on a server; see `PendingAnswer`."""

    def __init__(self, conversation: RemoteConversation, message: str | list[Part], options: dict[str, Any]) -> None:
        self._conversation = conversation
        self._message = message
        self._options = options
        self._question: Question | None = None

    @property
    def message_id(self) -> str:
        """The id of the message; known once it was sent."""
        return self._sent.id

    @property
    def _sent(self) -> Question:
        if self._question is None:
            raise RuntimeError("the prompt was not sent")
        return self._question

    async def post(self) -> None:
        """Send the prompt.

        Raises:
            ProtocolError: It is refused; the text says why.
            Disconnected: There is no connection.
        """
        self._question = await self._conversation.ask(self._message, **self._options)

    async def answer(self) -> Answer:
        """Wait until the run ends. Cancelling this stops the run."""
        return await self._sent.answer()

    async def steps(self) -> AsyncGenerator[ReasoningStep]:
        """Yield the steps of the run as they change. Closing this before the run ends stops the run."""
        items = self._sent.items()
        try:
            async for step, _ in items:
                if step is not None:
                    yield step
        finally:
            await items.aclose()

    async def cancel(self) -> None:
        """Stop the run, or withdraw the prompt if it is still queued; wait a little until that is done."""
        if self._question is None or self._question.settled:
            return
        with contextlib.suppress(TimeoutError, Disconnected, ProtocolError):
            async with asyncio.timeout(CANCEL_WITHIN):
                await self._conversation.cancel(self._question)

    async def close(self) -> None:
        """Read the session, for what the notebook saves."""
        with contextlib.suppress(Disconnected):  # whoever asked was told of it
            await self._conversation.refresh()
