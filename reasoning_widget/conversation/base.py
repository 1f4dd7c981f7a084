"""What a person or a program holds on to: a conversation in this kernel, or one on a server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final, Protocol

from ..agents.models import ModelChoice
from ..answer import Answer
from ..export.log import SessionFile
from ..parts import Prompt
from ..protocol import ReasoningStep
from ..session.watcher import Readable

REFRESH_DELAY: Final = 0.05
"""Seconds that views wait after a run has ended, so that the end of its answer is on its way to the pages first."""


class PendingAnswer(Protocol):
    """A prompt that is to be sent, or was sent. Use it on the loop of the sessions only."""

    @property
    def message_id(self) -> str:
        """The id of the message; known once it was sent."""

    async def post(self) -> None:
        """Send the prompt.

        Raises:
            ValueError: It is refused.
            Disconnected: There is no connection to the server.
        """

    async def answer(self) -> Answer:
        """Wait until the run ends. Cancelling this stops the run."""

    def steps(self) -> AsyncGenerator[ReasoningStep]:
        """Yield the steps of the run as they change. Closing this before the run ends stops the run."""

    async def cancel(self) -> None:
        """Stop the run, or withdraw the prompt if it is still queued; wait a little until that is done."""

    async def close(self) -> None:
        """Read what came of it, for what the notebook saves: nobody waits for it any more."""


class Source(Readable, Protocol):
    """What a snapshot for the notebook file is made of."""

    @property
    def session_id(self) -> str:
        """The id of the session."""

    def blob(self, sha256: str) -> Any:
        """The value with that SHA-256, which is stored beside the log.

        Raises:
            KeyError: There is none.
        """


class Conversation(Protocol):
    """A conversation. Use it on the loop of the sessions, unless a method says otherwise."""

    @property
    def name(self) -> str:
        """With whom, or where, it is held: for its representation."""

    @property
    def source(self) -> Source:
        """What there is to read and save."""

    @property
    def refresh_replaces_all(self) -> bool:
        """Whether `refresh` replaces the whole of `source`."""

    @property
    def results(self) -> dict[str, object]:
        """The Python objects that tools returned, by step id."""

    def prepare(
        self, prompt: Prompt, *, agent: str | None, reasoning: bool, max_iterations: int | None, tokens: bool = False
    ) -> PendingAnswer:
        """Check a prompt that is to be sent. May be called on any thread.

        Args:
            prompt: A text or a list of parts.
            agent: The agent to ask; None for the conversation's own.
            reasoning: Whether the steps before the answer are shown.
            max_iterations: The number of model calls that the run may make.
            tokens: Whether `PendingAnswer.steps` yields a step each time it grows.

        Raises:
            ValueError: It is empty or too long, or a part of it cannot be read.
            UnknownAgentError: There is no agent with this name.
        """

    async def stop(self) -> None:
        """Stop the active run, and withdraw queued prompts."""

    async def clear(self) -> None:
        """Stop the active run, delete the conversation and start a new one."""

    async def refresh(self) -> None:
        """Bring `source` up to date.

        Raises:
            Disconnected: It cannot be read.
        """

    def changes(self) -> AsyncIterator[None]:
        """Yield each time that views of it should be refreshed, other than for those who wait for an answer."""

    def file(self) -> SessionFile:
        """All of it, as a file."""

    def model(self) -> ModelChoice:
        """Which model answers, and why. May be called on any thread.

        Raises:
            RuntimeError: That is the server's affair.
        """

    def end(self) -> None:
        """The kernel ends: close what is open, and bring `source` up to date if that takes no time.

        Raises:
            Disconnected: It cannot be read in time.
        """

    def close(self) -> None:
        """Release it. Harmless when repeated."""

    def release_agents(self) -> None:
        """Release what the agents hold, such as MCP servers. May be called on any thread, and take a moment."""
