"""Messages as strict servers take them: each call with its result, arguments that are JSON, no calls without tools."""

from __future__ import annotations

import json
from typing import Any

_NO_RESULT = "(no result)"


def pair_results(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages of OpenAI's format in which each tool call is followed by its result.

    Qwen-Agent loses the ids of results that it cuts. Of several results the order says which call they belong to; one
    without a call is left out.
    """
    made: list[dict[str, Any]] = []
    waiting: list[str] = []
    for message in messages:
        if message.get("role") == "tool":
            if not waiting:
                continue
            call_id = message.get("tool_call_id")
            call_id = waiting.pop(waiting.index(call_id) if call_id in waiting else 0)
            made.append({**message, "tool_call_id": call_id})
            continue
        made += _without_results(waiting)
        waiting = []
        calls = [_with_json(call) for call in message.get("tool_calls") or []]
        waiting = [call["id"] for call in calls]
        made.append({**message, "tool_calls": calls} if calls else message)
    return made + _without_results(waiting)


def describe_calls(messages: list[Any]) -> list[Any]:
    """Messages of Qwen-Agent in which calls and results are told in words, for a request that offers no tools."""
    from qwen_agent.llm.schema import FUNCTION, USER, ContentItem, Message

    made: list[Any] = []
    for message in messages:
        call = message.function_call
        if message.role != FUNCTION and not call:
            made.append(message)
            continue
        items = [ContentItem(text=message.content)] if isinstance(message.content, str) else list(message.content)
        if call:
            if any(item.text != "" for item in items):
                made.append(Message(message.role, message.content, name=message.name))
            items = [ContentItem(text=f'The tool "{call.name}" was called with: {call.arguments}')]
        else:
            items = [ContentItem(text="It returned: "), *items]
        if made and made[-1].role == USER:
            told = made[-1].content
            before = [ContentItem(text=told)] if isinstance(told, str) else list(told)
            items = [*before, ContentItem(text="\n\n"), *items]
            made.pop()
        made.append(Message(USER, items))
    return [_with_text(message) for message in made]


def _with_text(message: Any) -> Any:
    """The message with its content as a text, if it is nothing but text."""
    from qwen_agent.llm.schema import Message

    if isinstance(message.content, str) or any(item.text is None for item in message.content):
        return message
    text = "".join(item.text for item in message.content)
    return Message(message.role, text, message.reasoning_content, message.name, message.function_call, message.extra)


def _without_results(call_ids: list[str]) -> list[dict[str, Any]]:
    return [{"role": "tool", "tool_call_id": call_id, "content": _NO_RESULT} for call_id in call_ids]


def _with_json(call: dict[str, Any]) -> dict[str, Any]:
    """A call whose arguments are a JSON object, whatever the model wrote: some servers refuse the whole request."""
    function = call.get("function") or {}
    arguments = function.get("arguments")
    try:
        if isinstance(json.loads(arguments or "{}"), dict):
            return call if arguments else {**call, "function": {**function, "arguments": "{}"}}
    except (TypeError, ValueError, RecursionError):
        pass
    return {**call, "function": {**function, "arguments": json.dumps({"arguments": arguments}, ensure_ascii=False)}}
