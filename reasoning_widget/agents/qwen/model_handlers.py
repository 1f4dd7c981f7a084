"""What a watched run does in the methods of a Qwen-Agent model: it converts messages, and reads tool calls.

Each handler is called in place of a method of the object itself, with the original method as its first argument. The
method is put back when the run ends. `compat.qwen_models` says which methods these are.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

from ...compat.qwen import models
from ..exceptions import AgentError
from .connections import ModelConnections, answer_ended
from .hooks import Handler
from .strict import describe_calls, pair_results
from .text_calls import TextCall, read_calls, schemas_of

_schemas: Final[ContextVar[dict[str, Any] | None]] = ContextVar("reasoning_widget_tool_schemas", default=None)
"""The parameters of the tools that the prompt of the current request describes."""


def model_handlers(llm: Any, connections: ModelConnections) -> dict[models.Place, Handler]:
    """Return the handlers for the methods of `llm`, which is a Qwen-Agent model of any class."""
    complete = partial(connections.complete, llm)
    return {
        "complete": complete,
        "complete_older_format": partial(models.complete_past_exit_word, complete),
        "dashscope_responses": connections.dashscope_responses,
        "dashscope_stream": partial(connections.dashscope_stream, llm),
        "dashscope_whole": connections.dashscope_whole,
        "convert_messages": _convert_messages,
        "raw_chat": _raw_chat,
        "describe_tools": _describe_tools,
        "read_calls": _read_calls,
        "read_calls_older_format": models.with_function_ids,
    }


def _convert_messages(original: Callable[..., list[Any]], *args: Any, **kwargs: Any) -> list[Any]:
    """Convert messages to OpenAI's format as strict servers accept it."""
    return pair_results(models.with_tool_call_ids(original(*args, **kwargs)))


def _describe_tools(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Describe the tools in the prompt, and record their parameters for reading the answer.

    Raises:
        AgentError: The request asks for something that only servers with tools of their own can do.
    """
    functions = kwargs.get("functions") if "functions" in kwargs else args[1]
    _schemas.set(schemas_of(functions))
    try:
        return original(*args, **kwargs)
    except NotImplementedError as error:
        raise AgentError(
            "`function_choice` has no effect where Qwen-Agent describes tools in the prompt: set `use_raw_api` to true "
            "in the model's `generate_cfg`, or leave `function_choice` out."
        ) from error


def _raw_chat(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Iterator[list[Any]]:
    """Call a model that gets its tools from the server, and read the calls that it writes as text nevertheless."""
    functions = kwargs.get("functions") or (args[1] if len(args) > 1 else None)
    if not functions and kwargs.get("messages"):
        kwargs["messages"] = describe_calls(kwargs["messages"])
    prefix = secrets.token_hex(4)
    for messages in original(*args, **kwargs):
        yield _split(messages, schemas_of(functions), f"{prefix}-") if functions else messages


def _read_calls(original: Callable[..., list[Any]], messages: list[Any], *args: Any, **kwargs: Any) -> list[Any]:
    """Read the tool calls in the text of an answer. Qwen-Agent knows one format, and cuts texts that mention it."""
    if models.has_code_format():
        return original(messages, *args, **kwargs)
    return _split(messages, _schemas.get() or {}, "")


def _split(messages: list[Any], schemas: dict[str, Any], prefix: str) -> list[Any]:
    """Split the messages of one answer so that each thought, text and call is a message of its own."""
    from qwen_agent.llm.schema import ASSISTANT, ContentItem, FunctionCall, Message

    ended = answer_ended.get()
    native = {message.function_call.name for message in messages if message.function_call}
    result: list[Any] = []
    for message in messages:
        if message.role != ASSISTANT or message.function_call:
            result.append(message)
            continue
        extra = message.extra or {}
        if message.reasoning_content:
            result.append(Message(ASSISTANT, "", reasoning_content=message.reasoning_content, extra=extra))
        items = [ContentItem(text=message.content)] if isinstance(message.content, str) else message.content
        texts: list[Any] = []
        calls: list[TextCall] = []
        for item in items or []:
            if not item.text:
                texts += [item] if item.text is None else []
                continue
            text, found = read_calls(item.text, schemas, ended=ended)
            texts += [ContentItem(text=text)] if text and (text.strip() or not found) else []
            calls += [call for call in found if call.name not in native]  # some servers send a call in both forms
        if texts:
            content = texts[0].text if isinstance(message.content, str) and len(texts) == 1 else texts
            result.append(Message(ASSISTANT, content, extra=extra))
        result += [
            Message(
                ASSISTANT,
                "" if isinstance(message.content, str) else [],
                function_call=FunctionCall(call.name, call.arguments),
                extra={**extra, "function_id": f"{prefix}{number}"},
            )
            for number, call in enumerate(calls, 1)
        ]
    return result
