"""Exceptions that end a run: raised by agents, or in them."""

from __future__ import annotations


class Stopped(Exception):
    """Raised in an agent or a tool when its run was stopped. Let it propagate."""


class AgentError(Exception):
    """Raise this when the agent cannot continue. The text is shown as it is, so say what the person can do."""


class MaxIterationsReached(AgentError):
    """Raise this when the run has used up its model calls without a final answer.

    Args:
        max_iterations: The number of model calls that were allowed.
    """

    def __init__(self, max_iterations: int) -> None:
        super().__init__(
            f"Stopped after {max_iterations} model calls without a final answer. "
            "Ask it to continue, or allow more with `max_iterations`."
        )
