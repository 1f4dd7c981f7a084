"""The earlier turns of a conversation, as an agent gets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..agents.base import Turn
from ..fold import Transcript, TranscriptMessage, find_message, find_run
from ..parts import from_logged, message_as_text
from ..protocol import ReasoningStep

_MAX_ATTACHED: Final = 12 * 1024 * 1024
"""The maximum length of attachments together, in code points of base64. Of older ones, an agent gets only the names."""


def earlier_turns(state: Transcript, message: TranscriptMessage, blob: Callable[[str], Any]) -> list[Turn]:
    """Return the turns on the path from the root of the conversation to `message`, oldest first, without its own.

    Args:
        state: The transcript.
        message: A message of the transcript.
        blob: Returns the content of an attachment by its SHA-256.
    """
    turns: list[Turn] = []
    attached = _Attached(blob, _MAX_ATTACHED)
    follows = message["follows"]
    while follows is not None:
        earlier = _message_at(state, follows)
        if earlier is None:
            break
        if earlier["run_id"] is not None and not earlier["steered"]:
            turns.append(_turn(state, earlier, attached))
        follows = earlier["follows"]
    turns.reverse()
    return turns


def _message_at(state: Transcript, message_or_step: str) -> TranscriptMessage | None:
    step = state["steps"].get(message_or_step)
    if step is None:
        return find_message(state, message_or_step)
    run = find_run(state, step["run_id"])
    return find_message(state, run["message_id"]) if run else None


def _turn(state: Transcript, message: TranscriptMessage, attached: _Attached) -> Turn:
    run = find_run(state, message["run_id"]) if message["run_id"] is not None else None
    steps: list[ReasoningStep] = [state["steps"][step_id].copy() for step_id in run["steps"]] if run else []
    answers = (step["content"] for step in steps if step["type"] == "final_answer")
    turn: Turn = {"prompt": message_as_text(message), "answer": next(answers, ""), "steps": steps}
    if "parts" in message:
        turn["parts"] = from_logged(message["parts"], attached.get)
    return turn


class _Attached:
    """The contents of attachments, up to a total of `room` code points of base64."""

    def __init__(self, blob: Callable[[str], Any], room: int) -> None:
        self._blob = blob
        self._room = room

    def get(self, sha256: str) -> Any:
        """Return the content with that SHA-256.

        Raises:
            KeyError: It does not exist, or there is no room left.
        """
        content = self._blob(sha256) if self._room > 0 else None  # do not read content that would not be returned
        self._room -= len(content or "")
        if content is None or self._room < 0:
            raise KeyError(sha256)
        return content
