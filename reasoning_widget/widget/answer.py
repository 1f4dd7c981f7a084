"""What `ask` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..protocol import RunStatus, Usage

_SHOWN = 60  # characters of the text in the representation


@dataclass(frozen=True)
class Answer:
    """What came of a question. `print` shows its text.

    Attributes:
        text: The final answer; empty if the run ended without one.
        status: How the run ended; ``completed`` is the good one.
        steps: Every step, as plain data.
        usage: Tokens, as far as the model's server counted them.
        duration: Seconds from the run's start to its end.
        error: What went wrong and what to do about it; None if nothing did.
    """

    text: str
    status: RunStatus
    steps: list[dict[str, Any]]
    usage: Usage
    duration: float
    error: str | None = None

    def __str__(self) -> str:
        return self.text or self.error or f"(no answer: the run was {self.status})"

    def __repr__(self) -> str:
        shown = str(self)
        if len(shown) > _SHOWN:
            shown = f"{shown[:_SHOWN]}…"
        tokens = self.usage.get("output_tokens")
        counted = f", {tokens} tokens" if tokens is not None else ""
        return f"<Answer {shown!r}: {self.status}, {len(self.steps)} steps{counted}, {self.duration:.1f} s>"
