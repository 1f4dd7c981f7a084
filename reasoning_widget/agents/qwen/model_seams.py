"""The places in Qwen-Agent's models where a watched run steps in: what a server sends, and what a text says.

Each place is a method of the very object, and is put back when the run ends. Where Qwen-Agent is wrong, it is mended
here; ``tests/agents/qwen/test_model_seams.py`` says of each whether that is still needed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

from ..exceptions import AgentError
from .connections import ModelConnections, answer_ended
from .hooks import Handler
from .strict import in_words, paired
from .text_calls import TextCall, read_calls, schemas_of


class Seam(NamedTuple):
    """A method of an object, and what is called in place of it, with the original as its first argument."""

    target: object
    name: str
    handler: Handler


_schemas: ContextVar[dict[str, Any]] = ContextVar("reasoning_widget_tool_schemas", default={})  # noqa: B039 (never changed)


def model_seams(llm: Any, connections: ModelConnections) -> Iterator[Seam]:
    """What to put in place of the methods of `llm`, which is a Qwen-Agent model of any class."""
    prompt = getattr(llm, "fncall_prompt", None)
    older = type(prompt).__module__.endswith(".qwen_fncall_prompt")
    if hasattr(llm, "_chat_complete_create"):
        complete = partial(connections.complete, llm)
        yield Seam(llm, "_chat_complete_create", partial(_after_result, complete) if older else complete)
    if hasattr(llm, "_full_stream_output"):
        yield Seam(llm, "_full_stream_output", connections.dashscope_responses)
    if "dashscope" in type(llm).__module__:
        yield Seam(llm, "_chat_stream", partial(connections.dashscope_stream, llm))
        yield Seam(llm, "_chat_no_stream", connections.dashscope_whole)
    if hasattr(llm, "_conv_qwen_agent_messages_to_oai"):
        yield Seam(llm, "_conv_qwen_agent_messages_to_oai", _with_call_ids)
    if hasattr(llm, "raw_chat"):
        yield Seam(llm, "raw_chat", _raw_chat)
    if prompt is not None:
        yield Seam(prompt, "preprocess_fncall_messages", _note_schemas)
        yield Seam(prompt, "postprocess_fncall_messages", _with_extra if older else _read_text_calls)


def _with_call_ids(original: Callable[..., list[Any]], *args: Any, **kwargs: Any) -> list[Any]:
    """Qwen-Agent names the call that a result belongs to `id`; to servers it is `tool_call_id`."""
    messages = original(*args, **kwargs)
    for message in messages:
        if isinstance(message, dict) and message.get("role") == "tool":
            call_id = message.pop("id", None)
            if call_id is not None:
                message.setdefault("tool_call_id", call_id)
            message.pop("extra", None)
    return paired(messages)


def _after_result(complete: Callable[..., Any], original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """In its older format Qwen-Agent ends a request with the word for "answer now", and has the model stop at it.

    A model that repeats the word, as the format wants it, would have said nothing.
    """
    from qwen_agent.llm.fncall_prompts.qwen_fncall_prompt import FN_EXIT

    if not str(kwargs["messages"][-1].get("content")).endswith(FN_EXIT):
        return complete(original, *args, **kwargs)
    kwargs["stop"] = [word for word in kwargs.get("stop") or [] if word != FN_EXIT]
    answer = complete(original, *args, **kwargs)
    if kwargs.get("stream"):
        return _without_start(answer, FN_EXIT)
    message = answer.choices[0].message
    message.content = message.content.lstrip().removeprefix(FN_EXIT)
    return answer


def _without_start(chunks: Iterator[Any], mark: str) -> Iterator[Any]:
    """The chunks of an answer without `mark`, if it begins with that."""
    start: str | None = ""
    for chunk in chunks:
        delta = chunk.choices[0].delta
        if start is not None and delta.content:
            start = (start + delta.content).lstrip()
            if mark.startswith(start):
                delta.content = ""
            else:
                delta.content, start = start.removeprefix(mark), None
        yield chunk


def _note_schemas(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    functions = kwargs.get("functions") if "functions" in kwargs else args[1]
    _schemas.set(schemas_of(functions))
    try:
        return original(*args, **kwargs)
    except NotImplementedError as error:
        raise AgentError(
            "`function_choice` has no effect where Qwen-Agent describes tools in the prompt: set `use_raw_api` to true "
            "in the model's `generate_cfg`, or leave `function_choice` out."
        ) from error


def _with_extra(original: Callable[..., list[Any]], *args: Any, **kwargs: Any) -> list[Any]:
    """Qwen-Agent's agents read `extra` of each call, which its older format leaves out."""
    given = kwargs["messages"] if "messages" in kwargs else args[0]
    messages = original(*args, **kwargs) if given else []
    for number, message in enumerate(messages, 1):
        if message.function_call and not (message.extra or {}).get("function_id"):
            message.extra = {**(message.extra or {}), "function_id": str(number)}
    return messages


def _raw_chat(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Iterator[list[Any]]:
    """A model that was given its tools by the server may write its calls as text all the same."""
    functions = kwargs.get("functions") or (args[1] if len(args) > 1 else None)
    if not functions and kwargs.get("messages"):
        kwargs["messages"] = in_words(kwargs["messages"])
    prefix = secrets.token_hex(4)
    for messages in original(*args, **kwargs):
        yield _split(messages, schemas_of(functions), f"{prefix}-") if functions else messages


def _read_text_calls(original: Callable[..., list[Any]], messages: list[Any], *args: Any, **kwargs: Any) -> list[Any]:
    """Stand in for Qwen-Agent's reading of calls in a text, which knows one format and cuts texts about it."""
    from qwen_agent.llm.fncall_prompts.nous_fncall_prompt import SPECIAL_CODE_MODE

    if SPECIAL_CODE_MODE:  # a format of its own
        return original(messages, *args, **kwargs)
    return _split(messages, _schemas.get(), "")


def _split(messages: list[Any], schemas: dict[str, Any], prefix: str) -> list[Any]:
    """The messages of one answer, each thought, text and call a message of its own."""
    from qwen_agent.llm.schema import ASSISTANT, ContentItem, FunctionCall, Message

    ended = answer_ended.get()
    native = {message.function_call.name for message in messages if message.function_call}
    made: list[Any] = []
    for message in messages:
        if message.role != ASSISTANT or message.function_call:
            made.append(message)
            continue
        extra = message.extra or {}
        if message.reasoning_content:
            made.append(Message(ASSISTANT, "", reasoning_content=message.reasoning_content, extra=extra))
        items = [ContentItem(text=message.content)] if isinstance(message.content, str) else message.content
        words: list[Any] = []
        calls: list[TextCall] = []
        for item in items or []:
            if not item.text:
                words += [item] if item.text is None else []
                continue
            text, found = read_calls(item.text, schemas, ended=ended)
            words += [ContentItem(text=text)] if text and (text.strip() or not found) else []
            calls += [call for call in found if call.name not in native]  # some servers pass a call on in both forms
        if words:
            content = words[0].text if isinstance(message.content, str) and len(words) == 1 else words
            made.append(Message(ASSISTANT, content, extra=extra))
        made += [
            Message(
                ASSISTANT,
                "" if isinstance(message.content, str) else [],
                function_call=FunctionCall(call.name, call.arguments),
                extra={**extra, "function_id": f"{prefix}{number}"},
            )
            for number, call in enumerate(calls, 1)
        ]
    return made
