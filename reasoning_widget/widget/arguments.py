"""What `ReasoningChat` was given, checked before anything begins: a mistake is told in words, where it was made."""

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
        f"which model answers is said by `llm`, such as {_LLM}",
    ),
    **dict.fromkeys(("name", "agent_name"), "which agent answers is said by `agent`, such as `agent='assistant'`"),
    **dict.fromkeys(
        ("prompt", "question", "message", "max_iterations", "reasoning"), "that is said when you ask: `chat.ask(…)`"
    ),
    **dict.fromkeys(
        ("tools", "function_list", "system", "system_message", "instructions", "system_prompt"),
        "that is the agent's affair: pass an agent that has it, such as `agent=qwen_agent.agents.Assistant(…)`",
    ),
    **dict.fromkeys(("url", "address", "host"), "the address of a server is said by `server`"),
}
"""What others call something else, and what it is here."""


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse arguments that there are not.

    Args:
        given: The names of arguments that nothing is known of.
        known: The names of those that there are.

    Raises:
        TypeError: There is such a name; the text says what may have been meant.
    """
    for name in given:
        near = difflib.get_close_matches(name, known, 1)
        meant = _MEANT.get(name) or (f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}")
        raise TypeError(f"ReasoningChat has no argument `{name}`: {meant}")


def check_agents(agents: object) -> None:
    """Make sure that names can be looked up in it.

    Raises:
        TypeError: They cannot; the text says what to pass instead.
    """
    if agents is None or isinstance(agents, AgentManager):
        return
    if isinstance(agents, str):
        instead = f"To ask one agent pass its name alone: `ReasoningChat({agents!r})`."
    else:
        instead = "Make one, `manager = AgentManager()`, and add what you have: `manager.register(name, agent)`."
    raise TypeError(f"`agents` is an AgentManager, in which names are looked up, not {_kind(agents)}. {instead}")


def check_llm(llm: object) -> None:
    """Make sure that it is a model configuration. Its values, among which there may be a key, are not told.

    Raises:
        TypeError: It is none.
        ValueError: It names no model.
    """
    if llm is None:
        return
    if not isinstance(llm, Mapping):
        raise TypeError(f"`llm` is a model configuration, such as {_LLM}, not {_kind(llm)}.")
    if llm and not (llm.get("model") or llm.get("model_type")):
        raise ValueError(f"`llm` names no model: it needs at least a `model`, as in {_LLM}.")


def check_server(server: object, session_id: object, own: JSON) -> None:
    """Make sure that a session of a server is named whole, and that nothing is asked of it that the server decides.

    Args:
        server: Its address.
        session_id: The session.
        own: What was given of that which is for the kernel's own sessions.

    Raises:
        TypeError: Something has the wrong type, or is for the kernel's own sessions.
        ValueError: No session is named.
    """
    if not isinstance(server, str):
        raise TypeError(f"`server` is the address of a Jupyter server, a text, not {_kind(server)}.")
    for name in own:
        instead = "; choose an agent when you ask: `chat.ask(…, agent=…)`" if name.startswith("agent") else ""
        raise TypeError(f"`{name}` is for sessions of this kernel: with `server` the server decides it{instead}")
    if session_id is None:
        raise ValueError("name the session of the server with `session_id`; one that is not there begins when you ask")


def _kind(value: Any) -> str:
    name = value.__name__ if isinstance(value, type) else type(value).__name__
    return f"the class {name}" if isinstance(value, type) else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
