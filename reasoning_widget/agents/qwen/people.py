"""People among the agents of a conversation: when it is their turn, and when they choose who speaks, they are asked.

Qwen-Agent breaks off where a person is to speak, and reads from standard input who is to be next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..base import RunContext
from ..exceptions import AgentError

_TRIES: Final = 3
"""How often somebody is asked who names an agent that is not there."""


def words_of(run: RunContext, name: str | None) -> str:
    """What a person says whose turn it is. Waits for it.

    Raises:
        AgentError: Nobody can answer, or nobody did.
        Stopped: The run ended while waiting.
    """
    return _ask(run, f"{name}, it is your turn. What do you say?" if name else "It is your turn. What do you say?")


def next_speaker(run: RunContext, agents: Sequence[Any]) -> Any:
    """The agent that the person chooses to speak next. Waits for it.

    Raises:
        AgentError: Nobody can answer, or nobody has chosen one of them.
        Stopped: The run ended while waiting.
    """
    by_name = {agent.name: agent for agent in agents}
    question = "Who speaks next?"
    for _ in range(_TRIES):
        chosen = _ask(run, question, list(by_name)).strip()
        if chosen in by_name:
            return by_name[chosen]
        question = f"There is no `{chosen}` here. Who speaks next?"
    raise AgentError(f"Nobody was chosen to speak next. There are: {', '.join(by_name)}. Ask again, and choose one.")


def _ask(run: RunContext, question: str, options: list[str] | None = None) -> str:
    request: dict[str, Any] = {"kind": "question", "prompt": question}
    if options is not None:
        request["options"] = options
    try:
        answer = run.ask(request)
    except RuntimeError as error:
        raise AgentError(
            f'The agent asks a person, "{question}", and nobody can answer here. Ask it in a chat (`ReasoningChat`), '
            "or take the person out of the conversation."
        ) from error
    if answer is None:
        raise AgentError(f'The agent has asked, "{question}", and nobody answered. Ask it again.')
    return str(answer)
