"""A conversation whose session is on a server.

The page connects to the server itself. The kernel has its own connection, for prompts from code, and to know when to
refresh the snapshot in the notebook.
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
    """A `Conversation` whose session is on a server.

    Methods that need the server raise `Disconnected` if there is no connection, or `NotAllowed`.

    Args:
        server: The server's address.
        session_id: The id of the session.
        token: The server's token.
        ticket: A ticket for the session, instead of the token.

    Raises:
        ValueError: The address or the ticket is malformed.
    """

    refresh_replaces_all = True

    def __init__(self, server: str, session_id: str, *, token: str | None, ticket: str | None) -> None:
        self.address = Address.of(server, token, ticket)
        self.source = ServerSession(self.address, session_id)
        self.results: dict[str, object] = {}  # tools' objects stay on the server
        self._connecting = connect(server, session_id, token=token, ticket=ticket)
        self._exit_stack = contextlib.AsyncExitStack()
        self._connect_lock = asyncio.Lock()
        self._chat: Chat | None = None
        self._prompt_sent = asyncio.Event()  # set to reconnect after the connection was given up
        self._closing: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The session and its server, for the `repr`."""
        return f"session {self.source.session_id} at {self.address.base}"

    async def _connected(self) -> Chat:
        """Return the kernel's own connection. It is opened when first needed, and again after it was given up."""
        async with self._connect_lock:
            if self._chat is None:
                self._chat = await self._exit_stack.enter_async_context(self._connecting)
            elif self._chat.connection.given_up:
                await self._chat.reconnect()
        return self._chat

    async def ask(self, message: str | list[Part], **options: Any) -> Question:
        """Send a prompt, with the options of `Chat.ask`."""
        chat = await self._connected()
        self._prompt_sent.set()
        return chat.ask(message, **options)

    async def cancel(self, question: Question) -> None:
        """Stop the run of a prompt, or withdraw the prompt if it is still queued."""
        await (await self._connected()).cancel(question)

    def prepare(
        self, prompt: Prompt, *, agent: str | None, reasoning: bool, max_iterations: int | None, tokens: bool = False
    ) -> RemoteAnswer:
        """Check a prompt as described in `Conversation.prepare`, except for its agent, which the server checks."""
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
            Disconnected: The session cannot be read. The message says why.
        """
        await self.source.read()

    async def changes(self) -> AsyncIterator[None]:
        """Yield after connecting, and whenever a run begins or ends. `source` is refreshed first."""
        while True:
            self._prompt_sent.clear()
            try:
                following = Following(await self._connected())
                while True:
                    await self.refresh()
                    yield
                    while not any(kind == "run" for kind, _ in following.pop_changes()):
                        await following.changed()
                    await asyncio.sleep(REFRESH_DELAY)
            except (Disconnected, ProtocolError):
                await self._prompt_sent.wait()  # the page reports the failure; the next prompt from code retries

    def file(self) -> SessionFile:
        """Return the whole conversation in the format of a saved session."""
        return self.source.file

    def model(self) -> ModelChoice:
        """Raise an error, because the server chooses the model.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError("the server chooses the model for its agents: see its `ReasoningApp.llm`")

    def end(self) -> None:
        """Read the session a last time before the kernel exits, if that is quick. The session continues without it.

        Raises:
            Disconnected: The session cannot be read in time. The message says why.
        """
        self.source.read_at_exit()

    def close(self) -> None:
        """Close the kernel's own connection."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._exit_stack.aclose())

    def release_agents(self) -> None:
        """Do nothing: the agents belong to the server."""


class RemoteAnswer:
    """A `PendingAnswer` of a session on a server."""

    def __init__(self, conversation: RemoteConversation, message: str | list[Part], options: dict[str, Any]) -> None:
        self._conversation = conversation
        self._message = message
        self._options = options
        self._question: Question | None = None

    @property
    def message_id(self) -> str:
        """The id of the message. Available once the prompt is sent."""
        return self._sent.id

    @property
    def _sent(self) -> Question:
        if self._question is None:
            raise RuntimeError("the prompt has not been sent")
        return self._question

    async def post(self) -> None:
        """Send the prompt.

        Raises:
            ProtocolError: The prompt is rejected. The message says why.
            Disconnected: There is no connection to the server.
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
        """Stop the run, or withdraw the prompt if it is still queued, and wait up to 3 s for that."""
        if self._question is None or self._question.settled:
            return
        with contextlib.suppress(TimeoutError, Disconnected, ProtocolError):
            async with asyncio.timeout(CANCEL_WITHIN):
                await self._conversation.cancel(self._question)

    async def close(self) -> None:
        """Read the session, so that the notebook saves the answer."""
        with contextlib.suppress(Disconnected):  # the caller got this error already
            await self._conversation.refresh()
