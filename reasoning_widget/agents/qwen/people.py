"""Ask people who take part in a group chat: for their message, and for the next speaker.

Qwen-Agent itself ends the conversation at a person's turn, and reads the next speaker from standard input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..base import RunContext
from ..exceptions import AgentError

_MAX_TRIES: Final = 3
"""How often a person may name an agent that does not exist."""


def ask_for_message(run: RunContext, name: str | None) -> str:
    """Ask the person called `name` for their message, and wait for it.

    Raises:
        AgentError: Nobody can answer, or nobody did.
        Stopped: The run ended while waiting.
    """
    return _ask(run, f"{name}, it is your turn. What do you say?" if name else "It is your turn. What do you say?")


def ask_for_speaker(run: RunContext, agents: Sequence[Any]) -> Any:
    """Ask the person which of the agents speaks next, wait, and return that agent.

    Raises:
        AgentError: Nobody can answer, or nobody chose one of the agents.
        Stopped: The run ended while waiting.
    """
    by_name = {agent.name: agent for agent in agents}
    question = "Who speaks next?"
    for _ in range(_MAX_TRIES):
        chosen = _ask(run, question, list(by_name)).strip()
        if chosen in by_name:
            return by_name[chosen]
        question = f"There is no `{chosen}` here. Who speaks next?"
    raise AgentError(f"No next speaker was chosen. Ask again, and choose one of: {', '.join(by_name)}.")


def _ask(run: RunContext, question: str, options: list[str] | None = None) -> str:
    request: dict[str, Any] = {"kind": "question", "prompt": question}
    if options is not None:
        request["options"] = options
    try:
        answer = run.ask(request)
    except RuntimeError as error:
        raise AgentError(
            f'The agent asked a person, "{question}", but nobody can answer here. Use a chat (`ReasoningChat`), or '
            "remove the person from the conversation."
        ) from error
    if answer is None:
        raise AgentError(f'The agent asked a person, "{question}", and nobody answered. Ask again.')
    return str(answer)
