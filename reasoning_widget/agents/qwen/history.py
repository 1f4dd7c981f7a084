"""Convert earlier turns to messages for a Qwen-Agent agent: prompts, tool calls with their results, and answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ..base import Turn
from .attachments import content_for
from .steps import OWN_CALL_PREFIX

_NO_ANSWER = "(no answer)"
_NO_RESULT = "(no result: the call was stopped)"
_CALL_ID_LENGTH = 9
"""The strictest servers accept exactly nine letters and digits as the id of a call."""

_Steps = Sequence[Mapping[str, Any]]


def earlier_messages(history: list[Turn], agent: Any, name: str) -> list[Any]:
    """Return the messages that the earlier turns would have left with `agent`.

    Args:
        history: The earlier turns.
        agent: The `qwen_agent.Agent` that gets the next prompt.
        name: Its name in the steps.

    Returns:
        Messages in which each tool call is followed by its result. Calls without a result are omitted; so are
        thoughts, which servers reject, and the steps of nested agents and of other agents that were asked in the same
        conversation. Messages for agents that share a conversation name their author.
    """
    from qwen_agent import MultiAgentHub
    from qwen_agent.llm.schema import USER, Message

    members: dict[str, Any] | None = None
    if isinstance(agent, MultiAgentHub):
        members = {member.name: member for member in agent.agents}
    messages: list[Any] = []
    for turn in history:
        messages.append(Message(role=USER, content=content_for(agent, turn.get("parts") or turn["prompt"])))
        messages += _turn_of_one(turn, agent, name) if members is None else _turn_of_group(turn, members)
    return messages


def _turn_of_one(turn: Turn, agent: Any, name: str) -> list[Any]:
    """Return the messages of one turn for an agent that works alone."""
    own = [step for step in _top_level(turn["steps"]) if step.get("agent") == name]
    # Some servers reject messages with a name.
    return _agent_messages(own, turn["answer"], agent, None)


def _turn_of_group(turn: Turn, members: dict[str, Any]) -> list[Any]:
    """Return the messages of one turn for agents that share a conversation, in order, each with its author."""
    parts = [
        (name, list(steps))
        for name, steps in groupby(_top_level(turn["steps"]), key=lambda step: step.get("agent", ""))
        if name in members
    ]
    if not parts:
        return _agent_messages([], turn["answer"], None, next(iter(members)))
    messages: list[Any] = []
    for name, steps in parts[:-1]:
        messages += _agent_messages(steps, _last_text(steps), members[name], name)
    name, steps = parts[-1]
    return messages + _agent_messages(steps, turn["answer"] or _last_text(steps), members[name], name)


def _agent_messages(steps: _Steps, answer: str, agent: Any, name: str | None) -> list[Any]:
    """Return the messages of one agent."""
    from qwen_agent.agents import ReActChat
    from qwen_agent.llm.schema import ASSISTANT, FUNCTION, FunctionCall, Message

    calls = list(_calls(steps))
    if calls and isinstance(agent, ReActChat):
        return [Message(role=ASSISTANT, content=_as_react(steps, calls, answer), name=name)]
    messages: list[Any] = []
    # One after the other, even parallel calls: agents that share a conversation require this.
    for call in calls:
        extra = {"function_id": call.call_id}
        function_call = FunctionCall(name=call.name, arguments=call.arguments)
        messages += [
            Message(role=ASSISTANT, content="", name=name, function_call=function_call, extra=extra),
            Message(role=FUNCTION, content=call.result, name=call.name, extra=dict(extra)),
        ]
    return [*messages, Message(role=ASSISTANT, content=answer or _NO_ANSWER, name=name)]


class _Call(NamedTuple):
    """A tool call with its result."""

    step: Mapping[str, Any]
    """The `tool_use`."""
    call_id: str
    name: str
    arguments: str
    result: str


def _calls(steps: _Steps) -> Iterator[_Call]:
    results = {(step.get("tool") or {}).get("call_id"): step for step in steps if step["type"] == "tool_result"}
    for step in steps:
        tool = step.get("tool") or {}
        call_id = tool.get("call_id")
        known = step["type"] == "tool_use" and call_id and not call_id.startswith(OWN_CALL_PREFIX)
        result = results.pop(call_id, None) if known else None
        if result is not None:
            text = result["content"] or ("" if result.get("status") == "done" else _NO_RESULT)
            short = hashlib.sha256(str(call_id).encode()).hexdigest()[:_CALL_ID_LENGTH]
            yield _Call(step, short, tool["name"], tool.get("arguments") or "{}", text)


def _as_react(steps: _Steps, calls: list[_Call], answer: str) -> str:
    """Return the text of an agent that calls its tools in its text, with the results in between."""
    by_step = {id(call.step): call for call in calls}
    lines: list[str] = []
    for step in steps:
        if step["type"] == "thought" and step["content"]:
            lines.append(f"Thought: {step['content']}")
        elif call := by_step.get(id(step)):
            lines += [f"Action: {call.name}", f"Action Input: {call.arguments}", f"Observation: {call.result}"]
    return "\n".join([*lines, f"Final Answer: {answer or _NO_ANSWER}"])


def _top_level(steps: _Steps) -> _Steps:
    return [step for step in steps if not step.get("parent_id")]


def _last_text(steps: _Steps) -> str:
    """Return the text that an agent ended with, whether or not it was the answer of the run."""
    last = steps[-1]
    return str(last["content"]) if last["type"] in ("thought", "final_answer") else ""
