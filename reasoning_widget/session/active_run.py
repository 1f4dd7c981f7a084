"""The active run of a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..agents.exceptions import MaxIterationsReached, Stopped
from ..fold import Transcript, TranscriptMessage, find_run
from ..parts import from_logged, message_as_text
from ..protocol import JSON, PLAIN_STEP_TYPES, Raised, RunStatus, StepStatus, Usage
from .history import earlier_turns
from .prompt import Prompt
from .runner import RunHandle, RunSpec
from .steps import RunSteps

_STATUS_OF_OPEN_STEPS: dict[RunStatus, StepStatus] = {
    "completed": "done",
    "stopped": "stopped",
    "interrupted": "stopped",
    "max_iterations": "done",
}
"""The status with which the open steps of a run are closed, by the run's own status; `failed` for any other."""


class ActiveRun:
    """A run from its start to its last step.

    Args:
        run_id: Its id.
        message_id: The prompt that it answers.
        prompt: That prompt.
        clock: The time, in seconds since the epoch.
        put_blob: Stores a value that is too long for its step, by its SHA-256.

    Attributes:
        started: When it began, in seconds since the epoch.
        steps: Its steps as they are logged.
        handle: Stops it; None until the runner has started it.
        stopping: Whether it was asked to stop.
    """

    def __init__(
        self,
        run_id: str,
        message_id: str,
        prompt: Prompt,
        *,
        clock: Callable[[], float],
        put_blob: Callable[[str, Any], None],
    ) -> None:
        self.run_id = run_id
        self.message_id = message_id
        self.started = clock()
        self.steps = RunSteps(run_id, prompt.agent_name, clock, put_blob)
        self.handle: RunHandle | None = None
        self.stopping = False
        self._prompt = prompt
        self._clock = clock
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def started_data(self) -> JSON:
        """The data of its `run_started` event."""
        return {
            "run_id": self.run_id,
            "message_id": self.message_id,
            "agent_name": self._prompt.agent_name,
            "enable_reasoning": self._prompt.enable_reasoning,
            "timestamp": self.started,
        }

    def finished_data(self, status: RunStatus, usage: Usage) -> JSON:
        """Return the data of its `run_finished` event.

        Args:
            status: How it ended.
            usage: The tokens of its model calls.
        """
        duration = max(0.0, self._clock() - self.started)
        return {"run_id": self.run_id, "status": status, "usage": usage, "duration": duration}

    def stop(self) -> None:
        """Ask the agent to stop. Steps that it has already yielded are still passed on."""
        if self.handle is not None:
            self.handle.stop()

    def close_at(self, deadline: asyncio.TimerHandle) -> None:
        """Remember the timer that closes it if it does not stop in time."""
        self._deadline = deadline

    def cancel_deadline(self) -> None:
        """Cancel the timer of `close_at`."""
        if self._deadline is not None:
            self._deadline.cancel()

    def status_after(self, error: BaseException | None, state: Transcript) -> RunStatus:
        """Return its status after its agent has ended.

        Args:
            error: What the agent raised, if anything.
            state: The transcript.
        """
        if self.stopping or isinstance(error, Stopped | asyncio.CancelledError):
            return "stopped"
        if error is None:
            return "failed" if self._ended_in_error(state) else "completed"
        return "max_iterations" if isinstance(error, MaxIterationsReached) else "failed"

    def closing_steps(self, status: RunStatus, *, error: str, raised: Raised | None, abandoned: bool) -> list[JSON]:
        """Return the last snapshots of its open steps, and an `error` step if there was an error.

        Args:
            status: How it ended.
            error: The text of the error; empty if there was none. A stopped run does not report it.
            raised: Where the exception was raised.
            abandoned: Whether the agent may still be working.
        """
        snapshots = self.steps.close(_STATUS_OF_OPEN_STEPS.get(status, "failed"), abandoned=abandoned)
        if error and status in ("failed", "max_iterations"):
            snapshots.append(self.steps.error(error, raised))
        return snapshots

    def _ended_in_error(self, state: Transcript) -> bool:
        """Return whether the agent yielded an `error` step, and no answer after it."""
        run = find_run(state, self.run_id)
        steps = [state["steps"][step_id] for step_id in run["steps"]] if run else []
        outcomes = [step["type"] for step in steps if "parent_id" not in step and step["type"] in PLAIN_STEP_TYPES]
        return outcomes[-1:] == ["error"]


def run_spec(
    run_id: str, message: TranscriptMessage, prompt: Prompt, state: Transcript, blob: Callable[[str], Any]
) -> RunSpec:
    """Return the task of a run.

    Args:
        run_id: Its id.
        message: The prompt as it is logged.
        prompt: The prompt.
        state: The transcript.
        blob: Returns the content of an attachment by its SHA-256, or raises `KeyError`.
    """
    return RunSpec(
        run_id=run_id,
        agent_name=prompt.agent_name,
        prompt=message_as_text(message),
        parts=from_logged(message.get("parts", ()), blob),
        max_iterations=prompt.max_iterations,
        history=earlier_turns(state, message, blob),
    )
