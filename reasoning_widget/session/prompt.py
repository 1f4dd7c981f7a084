"""A prompt as a client sends it, and as it is logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from ..agents.base import DEFAULT_MAX_ITERATIONS
from ..clean import clean_text
from ..fold import TranscriptMessage
from ..masking import shortened
from ..parts import to_logged
from ..protocol import JSON, Author, ProtocolError

_TITLE_LENGTH: Final = 80  # code points


@dataclass(frozen=True)
class Prompt:
    """A valid prompt, and how to answer it."""

    content: str
    """Its text, or the names of its attachments if it has no text."""
    parts: list[JSON] | None
    """Its parts as they are logged; None if it is only a text."""
    agent_name: str
    enable_reasoning: bool
    max_iterations: int
    follows: str | None
    """The message or step that it refers to, if the client names one."""
    steer: bool
    """Whether the active run may take it, instead of a run of its own."""

    def message_data(self, message_id: str, timestamp: float, follows: str | None, author: Author | None) -> JSON:
        """Return the data of its `user_message` event.

        Args:
            message_id: Its id.
            timestamp: When it was accepted, in seconds since the epoch.
            follows: The message or step that it follows; None for the first.
            author: Who wrote it; None if users are not distinguished.
        """
        data: JSON = {"id": message_id, "content": self.content}
        if self.parts is not None:
            data["parts"] = self.parts
        data |= {"timestamp": timestamp, "follows": follows, **self._asked}
        return data if author is None else {**data, "author": author}

    @property
    def _asked(self) -> JSON:
        """The agent that is asked, and its options."""
        return {
            "agent_name": self.agent_name,
            "enable_reasoning": self.enable_reasoning,
            "max_iterations": self.max_iterations,
        }

    def is_logged_as(self, message: TranscriptMessage) -> bool:
        """Return whether `message` is this prompt, sent earlier. `steer` is not logged, and so not compared."""
        return (
            self.content == message["content"]
            and self.parts == message.get("parts")
            and self.follows in (None, message["follows"])
            and all(message.get(name, value) == value for name, value in self._asked.items())
        )


def read_prompt(message_id: str, payload: JSON) -> tuple[Prompt, dict[str, Any]]:
    """Return the prompt in the payload of a `chat` message, and the contents of its attachments by their SHA-256.

    Raises:
        ProtocolError: The prompt cannot be accepted.
    """
    try:
        said = to_logged(_cleaned(payload["message"]))
    except ProtocolError as error:
        error.id = message_id
        raise
    prompt = Prompt(
        content=said.content,
        parts=cast("list[JSON] | None", said.parts),
        agent_name=clean_text(payload["agent_name"]),
        enable_reasoning=payload.get("enable_reasoning", True),
        max_iterations=payload.get("max_iterations", DEFAULT_MAX_ITERATIONS),
        follows=payload.get("follows"),
        steer=payload.get("steer", False),
    )
    if prompt.max_iterations < 1:
        raise ProtocolError("bad_message", "`max_iterations` must be at least 1", message_id)
    return prompt, said.blobs


def logged_prompt(message: TranscriptMessage) -> Prompt | None:
    """Return the prompt of a `user_message` event, to be asked exactly as it was sent.

    Returns:
        None if the event lacks the agent or its options, because an earlier version logged it.
    """
    try:
        return Prompt(
            content=message["content"],
            parts=message.get("parts"),
            agent_name=message["agent_name"],
            enable_reasoning=message["enable_reasoning"],
            max_iterations=message["max_iterations"],
            follows=message["follows"],
            steer=False,
        )
    except KeyError:
        return None


def title_of(text: str) -> str:
    """Return a session's title: `text` on one line, with secrets masked, and shortened if it is long."""
    return shortened(" ".join(text.split()), _TITLE_LENGTH)


def _cleaned(message: str | list[JSON]) -> str | list[Any]:
    """Return `message` without characters that UTF-8 cannot encode, and of its parts only the fields that are texts."""
    if isinstance(message, str):
        return clean_text(message)
    return [{name: clean_text(value) for name, value in part.items() if isinstance(value, str)} for part in message]
