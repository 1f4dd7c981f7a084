"""Read the answer to a prompt from a transcript."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Final, cast

from .fold import Transcript, TranscriptRun, TranscriptStep, find_message, find_run
from .masking import mask, shortened
from .protocol import ReasoningStep, RunStatus, Usage

CANCEL_WITHIN: Final = 3.0
"""Seconds to wait for a run to be closed when nobody wants its answer any more."""

_SHOWN = 60  # characters of the text in the representation


@dataclass(frozen=True)
class Answer:
    """The result of a prompt. `print` shows its text.

    Attributes:
        text: The final answer; empty if the run ended without one.
        status: How the run ended: ``completed``, ``stopped``, ``failed``, ``interrupted`` or ``max_iterations``.
        steps: Every step, as plain data.
        usage: Tokens, as far as the model's server counts them.
        duration: Seconds from the start of the run to its end.
        error: What went wrong and what to do about it; None if nothing went wrong.
    """

    text: str
    status: RunStatus
    steps: list[ReasoningStep]
    usage: Usage
    duration: float
    error: str | None = None

    def __str__(self) -> str:
        return self.text or self.error or f"(no answer: the run was {self.status})"

    def _repr_markdown_(self) -> str:
        """Return what a notebook shows and saves: formatted, sanitized, and with keys and tokens masked."""
        from .export.markdown import text_markdown
        from .export.transcript import status_note

        parts = [text_markdown(mask(each)) for each in (self.text, self.error) if each]
        note = status_note(self.status)
        return "\n\n".join([*parts, *([f"*{note}*"] if note else [])]) or "*There is no answer.*"

    def __repr__(self) -> str:
        shown = shortened(str(self), _SHOWN)
        tokens = self.usage.get("output_tokens")
        counted = f", {tokens} tokens" if tokens is not None else ""
        return f"<Answer {shown!r}: {self.status}, {len(self.steps)} steps{counted}, {self.duration:.1f} s>"


def answer_to(state: Transcript, message_id: str) -> Answer:
    """Return the answer to a settled message."""
    run = run_of(state, message_id)
    if run is None:
        return Answer("", "stopped", [], {}, 0.0, "The prompt was withdrawn before it ran.")
    steps = steps_of(state, run)
    text = next((step["content"] for step in steps if step["type"] == "final_answer"), "")
    errors = [step["content"] for step in steps if step["type"] == "error"]
    status = "interrupted" if run["status"] == "running" else run["status"]
    return Answer(text, status, steps, run["usage"] or {}, run["duration"] or 0.0, errors[-1] if errors else None)


def is_settled(state: Transcript, message_id: str) -> bool:
    """Whether a message is settled: its run ended, it was withdrawn, or it does not exist."""
    message = find_message(state, message_id)
    if message is None or message["withdrawn"]:
        return True
    run = find_run(state, message["run_id"]) if message["run_id"] else None
    return run is not None and run["status"] != "running"


def run_of(state: Transcript, message_id: str) -> TranscriptRun | None:
    """Return the run of a message; None if it has not started."""
    return next((run for run in reversed(state["runs"]) if run["message_id"] == message_id), None)


def steps_of(state: Transcript, run: TranscriptRun) -> list[ReasoningStep]:
    """Return copies of the steps of a run, in order, as plain data."""
    return [plain_step(state["steps"][step_id]) for step_id in run["steps"]]


def plain_step(step: TranscriptStep) -> ReasoningStep:
    """Return a copy of a step as it was yielded, without the fields that only the fold uses."""
    plain = {name: copy.deepcopy(value) for name, value in step.items() if name != "seq"}
    return cast("ReasoningStep", plain)
