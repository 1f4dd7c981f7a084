"""The methods in which Qwen-Agent's models send a request and read the answer, and corrections of their errors.

For qwen-agent 0.0.31 to 0.0.34, with openai 1.60 to 3 and dashscope 2. All of these methods are private. Without them,
a run could not stop a model that is silent, count tokens, or show more than what Qwen-Agent reads of an answer. The
corrections:

- `with_tool_call_ids`: results name their call `id`, for which servers expect `tool_call_id`, and refuse the request:
  https://github.com/QwenLM/Qwen-Agent/pull/917
- `complete_past_exit_word`, `with_function_ids`: the older format of tool calls loses the answer of a model that
  repeats a word of the format, and leaves out ids that agents read; not reported upstream as far as we know.
- `openai_parameters`: a few of Qwen-Agent's parameters have names of their own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, NamedTuple

_COMPLETE: Final = "_chat_complete_create"
_RESPONSES: Final = "_full_stream_output"

Place = Literal[
    "complete",
    "complete_older_format",
    "dashscope_responses",
    "dashscope_stream",
    "dashscope_whole",
    "convert_messages",
    "raw_chat",
    "describe_tools",
    "read_calls",
    "read_calls_older_format",
]
"""What a method does: it sends a request through OpenAI's client; reads DashScope's responses; asks DashScope for a
stream, or for a whole answer; converts messages to OpenAI's format; asks a model that gets its tools from the server;
describes tools in the prompt; reads tool calls in the text of an answer."""


class ModelMethod(NamedTuple):
    """A method of a model, or of what formats its prompts."""

    target: object
    name: str
    place: Place


def model_methods(llm: Any) -> Iterator[ModelMethod]:
    """Yield the methods of a Qwen-Agent model of any class in which a run has something to do."""
    prompt = getattr(llm, "fncall_prompt", None)
    is_older = type(prompt).__module__.endswith(".qwen_fncall_prompt")
    if hasattr(llm, _COMPLETE):
        yield ModelMethod(llm, _COMPLETE, "complete_older_format" if is_older else "complete")
    if has_response_stream(llm):
        yield ModelMethod(llm, _RESPONSES, "dashscope_responses")
    if is_dashscope(llm):
        yield ModelMethod(llm, "_chat_stream", "dashscope_stream")
        yield ModelMethod(llm, "_chat_no_stream", "dashscope_whole")
    if hasattr(llm, "_conv_qwen_agent_messages_to_oai"):
        yield ModelMethod(llm, "_conv_qwen_agent_messages_to_oai", "convert_messages")
    if hasattr(llm, "raw_chat"):
        yield ModelMethod(llm, "raw_chat", "raw_chat")
    if prompt is not None:
        yield ModelMethod(prompt, "preprocess_fncall_messages", "describe_tools")
        yield ModelMethod(
            prompt, "postprocess_fncall_messages", "read_calls_older_format" if is_older else "read_calls"
        )


# OpenAI's client --------------------------------------------------------------------------------------------------


def is_openai(llm: Any) -> bool:
    """Return whether Qwen-Agent's own code reads the answers of `llm` as objects of OpenAI's client."""
    from qwen_agent.llm.oai import TextChatAtOAI

    return isinstance(llm, TextChatAtOAI)


def client_options(llm: Any) -> dict[str, Any] | None:
    """Return the arguments with which Qwen-Agent creates OpenAI's client for `llm`.

    They are in the closure of its function and nowhere else.

    Returns:
        None: The model does not use OpenAI's client, or has a function of its own.
    """
    return options_of(getattr(llm, _COMPLETE, None))


def options_of(create: Any) -> dict[str, Any] | None:
    """Return the same for the function itself, as the model had it before it was replaced."""
    if not inspect.isfunction(create) or not create.__module__.startswith("qwen_agent.llm."):
        return None
    options = inspect.getclosurevars(create).nonlocals.get("api_kwargs")
    return dict(options) if isinstance(options, dict) else None


def openai_parameters(create: Callable[..., Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return Qwen-Agent's parameters under OpenAI's names, as Qwen-Agent would translate them.

    Args:
        create: The method of OpenAI's client. Parameters that it does not have are sent in the body as they are.
        kwargs: The parameters of a request.
    """
    kwargs = dict(kwargs)
    kwargs.pop("thought_in_content", None)  # says how Qwen-Agent itself reads the answer
    if "request_timeout" in kwargs:
        kwargs["timeout"] = kwargs.pop("request_timeout")
    if "parallel_function_calls" in kwargs:
        kwargs["parallel_tool_calls"] = kwargs.pop("parallel_function_calls")
    if "function_choice" in kwargs:
        choice = kwargs.pop("function_choice")
        named = {"type": "function", "function": {"name": choice}}
        kwargs["tool_choice"] = choice if choice in {"auto", "none", "required"} else named
    if not kwargs.get("tools"):
        kwargs = {name: value for name, value in kwargs.items() if name not in {"parallel_tool_calls", "tool_choice"}}
    known = inspect.signature(create).parameters
    extra = {name: value for name, value in kwargs.items() if name not in known}
    if extra:
        kwargs = {name: value for name, value in kwargs.items() if name in known}
        kwargs["extra_body"] = {**(kwargs.get("extra_body") or {}), **extra}
    return kwargs


def with_tool_call_ids(messages: list[Any]) -> list[Any]:
    """Name the call of each result `tool_call_id` in messages of OpenAI's format, and remove Qwen-Agent's `extra`."""
    for message in messages:
        if isinstance(message, dict) and message.get("role") == "tool":
            call_id = message.pop("id", None)
            if call_id is not None:
                message.setdefault("tool_call_id", call_id)
            message.pop("extra", None)
    return messages


# DashScope --------------------------------------------------------------------------------------------------------


def is_dashscope(llm: Any) -> bool:
    """Return whether `llm` calls DashScope's own interface."""
    return "dashscope" in type(llm).__module__


def has_response_stream(llm: Any) -> bool:
    """Return whether the responses of `llm` can be read before Qwen-Agent reads them."""
    return hasattr(llm, _RESPONSES)


def with_session(args: tuple[Any, ...], kwargs: dict[str, Any], session: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of `_chat_stream` or `_chat_no_stream` with an HTTP session for DashScope's client."""
    if "generate_cfg" in kwargs:
        return args, {**kwargs, "generate_cfg": {**kwargs["generate_cfg"], "session": session}}
    return (*args[:-1], {**args[-1], "session": session}), kwargs


def dashscope_usage(message: Any) -> dict[str, Any]:
    """Return the token counts of the response that a message carries; empty if it carries none."""
    response = (message.extra or {}).get("model_service_info")
    return dict(response.get("usage") or {}) if isinstance(response, dict) else {}


# Tool calls in the prompt -----------------------------------------------------------------------------------------


def has_code_format() -> bool:
    """Return whether models are asked to write code into their tool calls, which is a format of its own."""
    from qwen_agent.llm.fncall_prompts.nous_fncall_prompt import SPECIAL_CODE_MODE

    return bool(SPECIAL_CODE_MODE)


def complete_past_exit_word(
    complete: Callable[..., Any], original: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """Complete a chat in Qwen-Agent's older format without losing an answer that begins with its exit word.

    A request after a tool result ends with that word, and Qwen-Agent makes the model stop at it. A model that repeats
    the word, as the format demands, would answer nothing.

    Args:
        complete: Completes the chat.
        original: The replaced method, passed on to `complete`.
        args: Passed on.
        kwargs: Passed on.
    """
    from qwen_agent.llm.fncall_prompts.qwen_fncall_prompt import FN_EXIT

    if not str(kwargs["messages"][-1].get("content")).endswith(FN_EXIT):
        return complete(original, *args, **kwargs)
    kwargs["stop"] = [word for word in kwargs.get("stop") or [] if word != FN_EXIT]
    answer = complete(original, *args, **kwargs)
    if kwargs.get("stream"):
        return _without_prefix(answer, FN_EXIT)
    message = answer.choices[0].message
    message.content = message.content.lstrip().removeprefix(FN_EXIT)
    return answer


def with_function_ids(original: Callable[..., list[Any]], *args: Any, **kwargs: Any) -> list[Any]:
    """Read tool calls in Qwen-Agent's older format, and give each call the id that agents read."""
    given = kwargs["messages"] if "messages" in kwargs else args[0]
    messages = original(*args, **kwargs) if given else []
    for number, message in enumerate(messages, 1):
        if message.function_call and not (message.extra or {}).get("function_id"):
            message.extra = {**(message.extra or {}), "function_id": str(number)}
    return messages


def _without_prefix(chunks: Iterator[Any], prefix: str) -> Iterator[Any]:
    """Remove `prefix` from the start of a streamed answer."""
    start: str | None = ""
    for chunk in chunks:
        delta = chunk.choices[0].delta
        if start is not None and delta.content:
            start = (start + delta.content).lstrip()
            if prefix.startswith(start):
                delta.content = ""
            else:
                delta.content, start = start.removeprefix(prefix), None
        yield chunk
