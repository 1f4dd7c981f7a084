"""Check the arguments of `ReasoningChat` before anything starts. Error messages say what to pass instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..agents.manager import AgentManager
from ..protocol import JSON

_LLM: Final = '`llm={"model": "qwen3:8b", "model_server": "http://localhost:11434/v1"}`'

_MEANT: Final = {
    **dict.fromkeys(
        ("model", "model_name", "model_type", "model_server", "base_url", "api_base", "api_key", "generate_cfg"),
        f"the model is configured with `llm`, such as {_LLM}",
    ),
    **dict.fromkeys(("name", "agent_name"), "the agent is chosen with `agent`, such as `agent='assistant'`"),
    **dict.fromkeys(
        ("prompt", "question", "message", "max_iterations", "reasoning"), "pass it when you ask: `chat.ask(…)`"
    ),
    **dict.fromkeys(
        ("tools", "function_list", "system", "system_message", "instructions", "system_prompt"),
        "this belongs to the agent: pass an agent that has it, such as `agent=qwen_agent.agents.Assistant(…)`",
    ),
    **dict.fromkeys(("url", "address", "host"), "the address of a server is passed as `server`"),
}
"""Hints for argument names of other libraries."""


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Reject unknown arguments.

    Args:
        given: The names of the unknown arguments.
        known: The names of the known arguments.

    Raises:
        TypeError: `given` is not empty. The message says what may have been meant.
    """
    for name in given:
        near = difflib.get_close_matches(name, known, 1)
        meant = _MEANT.get(name) or (f"did you mean `{near[0]}`?" if near else f"its arguments are {', '.join(known)}")
        raise TypeError(f"ReasoningChat has no argument `{name}`: {meant}")


def check_agents(agents: object) -> None:
    """Check that `agents` is an `AgentManager` or None.

    Raises:
        TypeError: It is not. The message says what to pass instead.
    """
    if agents is None or isinstance(agents, AgentManager):
        return
    if isinstance(agents, str):
        instead = f"To ask one agent, pass its name alone: `ReasoningChat({agents!r})`."
    else:
        instead = "Create one with `manager = AgentManager()`, and add your agents: `manager.register(name, agent)`."
    raise TypeError(f"`agents` must be an AgentManager, not {_describe_type(agents)}. {instead}")


def check_llm(llm: object) -> None:
    """Check a model configuration. Error messages do not contain its values, because they may include a key.

    Raises:
        TypeError: It is not a mapping.
        ValueError: It names no model.
    """
    if llm is None:
        return
    if not isinstance(llm, Mapping):
        raise TypeError(f"`llm` must be a model configuration, such as {_LLM}, not {_describe_type(llm)}.")
    if llm and not (llm.get("model") or llm.get("model_type")):
        raise ValueError(f"`llm` names no model: it needs at least a `model`, as in {_LLM}.")


def check_server(server: object, session_id: object, local: JSON) -> None:
    """Check the arguments of a chat whose session is on a server.

    Args:
        server: The address of the server.
        session_id: The session.
        local: The given arguments that apply to sessions in the kernel only.

    Raises:
        TypeError: An argument has the wrong type, or applies to sessions in the kernel only.
        ValueError: No session is named.
    """
    if not isinstance(server, str):
        raise TypeError(f"`server` must be the address of a Jupyter server, a string, not {_describe_type(server)}.")
    for name in local:
        instead = "; choose an agent when you ask: `chat.ask(…, agent=…)`" if name.startswith("agent") else ""
        raise TypeError(f"`{name}` is for sessions in this kernel: with `server`, the server decides it{instead}")
    if session_id is None:
        raise ValueError("name the session of the server with `session_id`; a new one is created when you ask")


def _describe_type(value: Any) -> str:
    name = value.__name__ if isinstance(value, type) else type(value).__name__
    return f"the class {name}" if isinstance(value, type) else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
