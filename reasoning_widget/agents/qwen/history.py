"""What a Qwen-Agent agent is told of the earlier turns: questions, tool calls with their results, and answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ..base import Turn
from .attachments import content_for
from .steps import OWN_CALL

_NO_ANSWER = "(no answer)"
_NO_RESULT = "(no result: the call was stopped)"
_CALL_ID_LENGTH = 9
"""Letters and digits: what the strictest servers take as the id of a call."""

_Steps = Sequence[Mapping[str, Any]]


def earlier_messages(history: list[Turn], agent: Any, name: str) -> list[Any]:
    """The earlier turns as messages that `agent` would have made and been given.

    Args:
        history: The earlier turns.
        agent: The `qwen_agent.Agent` that is asked.
        name: What its steps call it.

    Returns:
        Messages in which each tool call is followed by its result; a call that has none is left out. So are thoughts,
        which servers refuse, and the steps of nested agents and of others that were asked in the same conversation.
        Agents that share a conversation are told who said what.
    """
    from qwen_agent import MultiAgentHub
    from qwen_agent.llm.schema import USER, Message

    members: dict[str, Any] | None = None
    if isinstance(agent, MultiAgentHub):
        members = {member.name: member for member in agent.agents}
    messages: list[Any] = []
    for turn in history:
        messages.append(Message(role=USER, content=content_for(agent, turn.get("parts") or turn["prompt"])))
        messages += _alone(turn, agent, name) if members is None else _together(turn, members)
    return messages


def _alone(turn: Turn, agent: Any, name: str) -> list[Any]:
    """A turn of an agent that works by itself."""
    own = [step for step in _top_level(turn["steps"]) if step.get("agent") == name]
    # A name in a message is one more thing that servers refuse.
    return _spoken(own, turn["answer"], agent, None)


def _together(turn: Turn, members: dict[str, Any]) -> list[Any]:
    """A turn of agents that share a conversation: what each of them said, in order."""
    parts = [
        (name, list(steps))
        for name, steps in groupby(_top_level(turn["steps"]), key=lambda step: step.get("agent", ""))
        if name in members
    ]
    if not parts:
        return _spoken([], turn["answer"], None, next(iter(members)))
    messages: list[Any] = []
    for name, steps in parts[:-1]:
        messages += _spoken(steps, _last_words(steps), members[name], name)
    name, steps = parts[-1]
    return messages + _spoken(steps, turn["answer"] or _last_words(steps), members[name], name)


def _spoken(steps: _Steps, answer: str, agent: Any, name: str | None) -> list[Any]:
    """What one agent did and said."""
    from qwen_agent.agents import ReActChat
    from qwen_agent.llm.schema import ASSISTANT, FUNCTION, FunctionCall, Message

    calls = list(_calls(steps))
    if calls and isinstance(agent, ReActChat):
        return [Message(role=ASSISTANT, content=_as_react(steps, calls, answer), name=name)]
    messages: list[Any] = []
    # One after the other, even those that the model made together: agents that share a conversation insist on it.
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
    """Its `tool_use`."""
    call_id: str
    name: str
    arguments: str
    result: str


def _calls(steps: _Steps) -> Iterator[_Call]:
    results = {(step.get("tool") or {}).get("call_id"): step for step in steps if step["type"] == "tool_result"}
    for step in steps:
        tool = step.get("tool") or {}
        call_id = tool.get("call_id")
        known = step["type"] == "tool_use" and call_id and not call_id.startswith(OWN_CALL)
        result = results.pop(call_id, None) if known else None
        if result is not None:
            text = result["content"] or ("" if result.get("status") == "done" else _NO_RESULT)
            short = hashlib.sha256(str(call_id).encode()).hexdigest()[:_CALL_ID_LENGTH]
            yield _Call(step, short, tool["name"], tool.get("arguments") or "{}", text)


def _as_react(steps: _Steps, calls: list[_Call], answer: str) -> str:
    """What an agent wrote that calls its tools in its text, with what it was told in between."""
    made = {id(call.step): call for call in calls}
    lines: list[str] = []
    for step in steps:
        if step["type"] == "thought" and step["content"]:
            lines.append(f"Thought: {step['content']}")
        elif call := made.get(id(step)):
            lines += [f"Action: {call.name}", f"Action Input: {call.arguments}", f"Observation: {call.result}"]
    return "\n".join([*lines, f"Final Answer: {answer or _NO_ANSWER}"])


def _top_level(steps: _Steps) -> _Steps:
    return [step for step in steps if not step.get("parent_id")]


def _last_words(steps: _Steps) -> str:
    """The text an agent ended with, whether or not it was the answer of the run."""
    last = steps[-1]
    return str(last["content"]) if last["type"] in ("thought", "final_answer") else ""
