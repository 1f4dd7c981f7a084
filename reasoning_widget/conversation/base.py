"""The interface of conversations, whether their session is in this kernel or on a server."""

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
"""Seconds from the end of a run to the refresh of its views, so that the pages get the end of the answer first."""


class PendingAnswer(Protocol):
    """A prompt and its future answer. Use it on the sessions' event loop only."""

    @property
    def message_id(self) -> str:
        """The id of the message. Available once the prompt is sent."""

    async def post(self) -> None:
        """Send the prompt.

        Raises:
            ValueError: The prompt is rejected.
            Disconnected: There is no connection to the server.
        """

    async def answer(self) -> Answer:
        """Wait until the run ends. Cancelling this stops the run."""

    def steps(self) -> AsyncGenerator[ReasoningStep]:
        """Yield the steps of the run as they change. Closing this before the run ends stops the run."""

    async def cancel(self) -> None:
        """Stop the run, or withdraw the prompt if it is still queued, and wait up to a few seconds for that."""

    async def close(self) -> None:
        """Stop waiting for the answer, and bring the conversation's snapshot up to date."""


class Source(Readable, Protocol):
    """The data from which snapshots for notebook files are made."""

    @property
    def session_id(self) -> str:
        """The id of the session."""

    def blob(self, sha256: str) -> Any:
        """Return a value that is stored beside the log.

        Raises:
            KeyError: There is no value with this SHA-256.
        """


class Conversation(Protocol):
    """A conversation. Use it on the sessions' event loop, unless a method says otherwise."""

    @property
    def name(self) -> str:
        """The agent's name, or the address of the session, for the `repr`."""

    @property
    def source(self) -> Source:
        """The session's data, for reading and saving."""

    @property
    def refresh_replaces_all(self) -> bool:
        """Whether `refresh` replaces all data of `source`."""

    @property
    def results(self) -> dict[str, object]:
        """The Python objects that tools returned, by step id."""

    def prepare(
        self, prompt: Prompt, *, agent: str | None, reasoning: bool, max_iterations: int | None, tokens: bool = False
    ) -> PendingAnswer:
        """Check a prompt before it is sent. May be called on any thread.

        Args:
            prompt: A text or a list of parts.
            agent: The agent to ask; None for the conversation's default.
            reasoning: Whether the steps before the answer are shown.
            max_iterations: The number of model calls that the run may make.
            tokens: Whether `PendingAnswer.steps` yields a step each time it grows.

        Raises:
            ValueError: The prompt is empty or too long, or a part of it cannot be read.
            UnknownAgentError: There is no agent with this name.
        """

    async def stop(self) -> None:
        """Stop the active run, and withdraw queued prompts."""

    async def clear(self) -> None:
        """Stop the active run, delete the conversation and start a new one."""

    async def refresh(self) -> None:
        """Bring `source` up to date.

        Raises:
            Disconnected: The session cannot be read.
        """

    def changes(self) -> AsyncIterator[None]:
        """Yield whenever the views should be refreshed, except for answers that a `PendingAnswer` waits for."""

    def file(self) -> SessionFile:
        """Return the whole conversation in the format of a saved session."""

    def model(self) -> ModelChoice:
        """Return which model answers, and why. May be called on any thread.

        Raises:
            RuntimeError: The session is on a server, which chooses the model.
        """

    def end(self) -> None:
        """Prepare for the kernel's exit: close the active run, or bring `source` up to date if that is quick.

        Raises:
            Disconnected: The session cannot be read in time.
        """

    def close(self) -> None:
        """Close the conversation. Repeated calls have no effect."""

    def release_agents(self) -> None:
        """Release the resources of the agents, such as MCP servers. May be called on any thread, and may block."""
