"""Make messages acceptable to strict servers: a result for each call, arguments in JSON, no calls without tools."""

from __future__ import annotations

import json
from typing import Any

_NO_RESULT = "(no result)"


def pair_results(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return messages of OpenAI's format in which each tool call is followed by its result.

    Qwen-Agent loses the ids of results that it shortens; these are assigned to calls in order. A result without a call
    is omitted.
    """
    paired: list[dict[str, Any]] = []
    waiting: list[str] = []
    for message in messages:
        if message.get("role") == "tool":
            if not waiting:
                continue
            call_id = message.get("tool_call_id")
            call_id = waiting.pop(waiting.index(call_id) if call_id in waiting else 0)
            paired.append({**message, "tool_call_id": call_id})
            continue
        paired += _missing_results(waiting)
        calls = [_with_json_arguments(call) for call in message.get("tool_calls") or []]
        waiting = [call["id"] for call in calls]
        paired.append({**message, "tool_calls": calls} if calls else message)
    return paired + _missing_results(waiting)


def describe_calls(messages: list[Any]) -> list[Any]:
    """Return messages of Qwen-Agent with tool calls and results described in text, for a request without tools."""
    from qwen_agent.llm.schema import FUNCTION, USER, ContentItem, Message

    described: list[Any] = []
    for message in messages:
        call = message.function_call
        if message.role != FUNCTION and not call:
            described.append(message)
            continue
        items = [ContentItem(text=message.content)] if isinstance(message.content, str) else list(message.content)
        if call:
            if any(item.text != "" for item in items):
                described.append(Message(message.role, message.content, name=message.name))
            items = [ContentItem(text=f'The tool "{call.name}" was called with: {call.arguments}')]
        else:
            items = [ContentItem(text="It returned: "), *items]
        if described and described[-1].role == USER:
            content = described.pop().content
            before = [ContentItem(text=content)] if isinstance(content, str) else list(content)
            items = [*before, ContentItem(text="\n\n"), *items]
        described.append(Message(USER, items))
    return [_with_text(message) for message in described]


def _with_text(message: Any) -> Any:
    """Join the content of a message to one text if it has no other parts."""
    from qwen_agent.llm.schema import Message

    if isinstance(message.content, str) or any(item.text is None for item in message.content):
        return message
    text = "".join(item.text for item in message.content)
    return Message(message.role, text, message.reasoning_content, message.name, message.function_call, message.extra)


def _missing_results(call_ids: list[str]) -> list[dict[str, Any]]:
    return [{"role": "tool", "tool_call_id": call_id, "content": _NO_RESULT} for call_id in call_ids]


def _with_json_arguments(call: dict[str, Any]) -> dict[str, Any]:
    """Return a call whose arguments are a JSON object, because some servers reject a request with other ones."""
    function = call.get("function") or {}
    arguments = function.get("arguments")
    try:
        if isinstance(json.loads(arguments or "{}"), dict):
            return call if arguments else {**call, "function": {**function, "arguments": "{}"}}
    except (TypeError, ValueError, RecursionError):
        pass
    return {**call, "function": {**function, "arguments": json.dumps({"arguments": arguments}, ensure_ascii=False)}}
