"""Read DashScope's responses like the answers of other model servers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from ...protocol import JSON
from ..errors import explain_interruption
from ..exceptions import AgentError
from .chunks import CallFragment, ChunkReader, Delta


def address() -> str:
    """Return the address of DashScope, which is one for the whole process."""
    import dashscope

    return str(dashscope.base_http_api_url)


def read_responses(responses: Iterator[Any], reader: ChunkReader) -> Iterator[Any]:
    """Yield DashScope's responses to one request, with the messages as `reader` converts them.

    Raises:
        AgentError: The stream broke off.
    """
    received = False
    last: Any = None
    for response in responses:
        if response.status_code != HTTPStatus.OK:
            yield response  # Qwen-Agent raises an error for it
            return
        last = response
        delta = reader.read(_as_chunk(response))
        received = received or not delta.empty
        yield _with(response, delta)
    if not reader.finished:
        raise AgentError(explain_interruption(address(), received=received))
    rest = reader.finish()
    if not rest.empty and last is not None:
        yield _with(copy.copy(last), rest)


def _as_chunk(response: Any) -> JSON:
    choices = response.output.choices if response.output else None
    choice = choices[0] if choices else {}
    reason = choice.get("finish_reason")
    message = dict(choice.get("message") or {})
    return {
        "choices": [{"delta": message, "finish_reason": None if reason == "null" else reason}],
        "usage": dict(response.usage or {}),
    }


def _with(response: Any, delta: Delta) -> Any:
    message = response.output.choices[0].message
    message["content"] = delta.text
    message["reasoning_content"] = delta.thought
    message["tool_calls"] = [_fragment(each) for each in delta.calls]
    return response


def _fragment(call: CallFragment) -> JSON:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
