"""Convert what model servers stream to one form, whatever their dialect.

All servers follow the format of OpenAI's chunks, and differ in details: the name of the field for thoughts, content
that is a list of parts, how fragments of tool calls are assigned to their call. The differences are removed here,
before Qwen-Agent's code reads the chunks.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal

from ...protocol import JSON, Usage
from .marks import BareThought

EndReason = Literal["length", "content_filter", "error"]
"""Why a model stopped before its answer was complete."""

_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")
"""The fields for thoughts; the first one with a text is read, because some servers send a thought twice."""

_END_REASONS: dict[str, EndReason] = {
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "recitation": "content_filter",
    "sensitive": "content_filter",
    "error": "error",
    "network_error": "error",
    "abort": "error",
    "insufficient_system_resource": "error",
    "malformed_function_call": "error",
    "function_call_filter": "error",
}


@dataclass
class Delta:
    """The addition of one chunk to an answer."""

    thought: str = ""
    text: str = ""
    calls: list[CallFragment] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing is added."""
        return not (self.thought or self.text or self.calls)


@dataclass
class CallFragment:
    """A fragment of a tool call: the first one has `id` and `name`, the others more of the arguments."""

    id: str
    name: str
    arguments: str


@dataclass
class _Call:
    id: str
    name: str
    index: int | None
    server_id: str
    arguments: str = ""
    sent_name: int = 0
    sent: int = 0

    @property
    def complete(self) -> bool:
        return self.arguments.lstrip().startswith("{") and _is_json(self.arguments)


class ChunkReader:
    """Reads the chunks of one answer, as dictionaries in the form of OpenAI's `chat.completion.chunk`.

    Attributes:
        usage: The tokens that the server has counted; None if it counts none.
        finished: Whether the server has sent the end of the answer.
        end: Why the answer is incomplete; None if the server gave no reason.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finished = False
        self.end: EndReason | None = None
        self._calls: list[_Call] = []
        self._thought_last = False
        self._thought = False
        self._bare_thought = BareThought()

    def read(self, chunk: JSON) -> Delta:
        """Read a chunk.

        Returns:
            Its addition. Fragments of tool calls are returned call by call: those of a later call are held back until
            the earlier call is complete.
        """
        self._read_usage(chunk.get("usage") or (_object(chunk.get("x_groq")) or {}).get("usage"))
        choice = _first(chunk.get("choices"))
        if choice is None:
            return Delta()
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self.finished = True
            self.end = _END_REASONS.get(reason.lower().partition(":")[0])  # Gemini adds its own reason after a colon
        # Some servers send the whole message in addition to the delta.
        delta_or_whole = choice.get("delta")
        message = _object(choice.get("message") if delta_or_whole is None else delta_or_whole) or {}
        delta = self._read_message(message)
        single_call = message.get("function_call")  # the format before parallel calls
        raw_calls = message.get("tool_calls") or ([{"index": 0, "function": single_call}] if single_call else [])
        for raw in [raw_calls] if isinstance(raw_calls, dict) else raw_calls:
            if isinstance(raw, dict):
                self._read_call(raw)
        delta.calls = list(self._take_fragments())
        return delta

    def finish(self) -> Delta:
        """Return the rest of the answer, once the stream has ended."""
        for call in self._calls:
            if not call.arguments.strip():
                call.arguments = "{}"  # many tools parse it, and an empty text is not JSON
        return Delta(self._bare_thought.read("", ended=True), calls=list(self._take_fragments(all_of_them=True)))

    def _read_message(self, message: JSON) -> Delta:
        named = [message[name] for name in _THOUGHT_FIELDS if isinstance(message.get(name), str)]
        thought: str = next(filter(None, named), "") or _reasoning_details(message.get("reasoning_details"))
        thinking, text = _read_content(message.get("content"))
        thought += thinking
        refusal = message.get("refusal")
        if isinstance(refusal, str):
            text += refusal
        thought = self._bare_thought.read(thought, ended=bool(text or message.get("tool_calls")))
        if thought and self._thought and not self._thought_last:
            thought = "\n\n" + thought.lstrip("\n")  # a new thought after the model has begun to write
        if thought or text:
            self._thought = self._thought or bool(thought)
            self._thought_last = not text
        return Delta(thought, text)

    def _read_usage(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        counted: Usage = {}
        for names, key in (
            (("prompt_tokens", "input_tokens"), "input_tokens"),
            (("completion_tokens", "output_tokens"), "output_tokens"),
        ):
            tokens = next((n for name in names if isinstance(n := usage.get(name), int)), None)
            if tokens is not None:
                counted[key] = tokens  # type: ignore[literal-required]
        self.usage = counted or self.usage

    # Tool calls

    def _read_call(self, raw: JSON) -> None:
        function = _object(raw.get("function")) or raw
        name = _clean_name(function.get("name"))
        arguments = _arguments(function.get("arguments"))
        server_id = str(raw.get("id") or "")
        index = _number(raw.get("index"))
        call = self._call_of(index, server_id, name, arguments)
        if call is None:
            if not name:
                return  # a signature or other metadata of a call
            call = _Call(self._new_id(server_id), name, index, server_id)
            self._calls.append(call)
        elif name and not call.arguments:  # the name may come in pieces; some servers repeat it
            call.name = name if name.startswith(call.name) else call.name + name
        if arguments and call.arguments.strip() == "{}":
            call.arguments = ""  # a placeholder until the arguments begin
        elif server_id and server_id == call.server_id and call.complete and arguments == call.arguments:
            return  # the whole call again
        call.arguments += arguments if call.arguments else _decode_once(arguments)

    def _call_of(self, index: int | None, server_id: str, name: str, arguments: str) -> _Call | None:
        """Return the call that a fragment continues; None if it begins a new one."""
        known = self._calls
        if not known:
            return None
        if index is not None:
            same = [call for call in known if call.index == index]
            if not same:
                # Only a name or an id begins a new call, not an index alone.
                return None if name or server_id else known[-1]
            call = same[-1]
        else:
            same = [call for call in known if server_id and call.server_id == server_id]
            if not same and server_id and name:
                return None
            call = (same or known)[-1]
        return None if name and _begins_another(call, index, server_id, name, arguments) else call

    def _new_id(self, server_id: str) -> str:
        taken = {call.id for call in self._calls}
        return server_id if server_id and server_id not in taken else f"call_{secrets.token_hex(4)}"

    def _take_fragments(self, *, all_of_them: bool = False) -> Iterator[CallFragment]:
        for call in self._calls:
            if call.sent_name < len(call.name):
                yield CallFragment("" if call.sent_name else call.id, call.name[call.sent_name :], "")
                call.sent_name = len(call.name)
            if not all_of_them and call is self._calls[-1] and call.arguments.strip() in {"", "{}"}:
                return  # some servers send empty arguments before the real ones
            if call.sent < len(call.arguments):
                yield CallFragment("", "", call.arguments[call.sent :])
                call.sent = len(call.arguments)
            if not all_of_them and call is not self._calls[-1] and not call.complete:
                return


def _begins_another(call: _Call, index: int | None, server_id: str, name: str, arguments: str) -> bool:
    """Return whether a fragment with a name begins a new call, and does not continue `call`."""
    if server_id and call.server_id and server_id != call.server_id:
        # Ollama gives all calls the index 0. Other servers give each fragment a new id.
        return call.complete or name != call.name or not (call.arguments or arguments)
    if not call.complete:
        return bool(call.arguments) and name != call.name
    if server_id and server_id == call.server_id and name == call.name and arguments == call.arguments:
        return False
    return bool(arguments) or (index is None and not server_id)


def openai_chunk(delta: Delta) -> Any:
    """Return an object with the attributes that Qwen-Agent reads of OpenAI's chunks."""
    calls = [
        SimpleNamespace(id=each.id, function=SimpleNamespace(name=each.name, arguments=each.arguments))
        for each in delta.calls
    ]
    message = SimpleNamespace(content=delta.text, reasoning_content=delta.thought, tool_calls=calls)
    return SimpleNamespace(choices=[SimpleNamespace(delta=message)])


def openai_completion(chunks: Iterable[Delta], reader: ChunkReader) -> Any:
    """Return an object with the attributes that Qwen-Agent reads of OpenAI's completions.

    Qwen-Agent reads no tool calls there, so they are written into the text, in the format that it asks models for.
    """
    whole = Delta()
    calls: list[CallFragment] = []
    for delta in chunks:
        whole.thought += delta.thought
        whole.text += delta.text
        for each in delta.calls:
            if each.id:
                calls.append(each)
            else:
                calls[-1].arguments += each.arguments
    text = "\n".join([*([whole.text] if whole.text else []), *map(_written, calls)])
    message = SimpleNamespace(content=text, reasoning_content=whole.thought)
    return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=reader.usage)


def _written(call: CallFragment) -> str:
    return f'<tool_call>\n{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}\n</tool_call>'


def _first(choices: object) -> JSON | None:
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None


def _object(value: object) -> JSON | None:
    return value if isinstance(value, dict) else None


def _reasoning_details(details: object) -> str:
    """Return the readable part of OpenRouter's `reasoning_details`."""
    texts = (
        [d.get("text") or d.get("summary") for d in details if isinstance(d, dict)] if isinstance(details, list) else []
    )
    return "".join(text for text in texts if isinstance(text, str))


def _read_content(content: object) -> tuple[str, str]:
    """Return the thought and the text in the content of a message, which is a text or a list of parts."""
    if isinstance(content, str):
        return "", content
    thought = text = ""
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            text += part
        elif isinstance(part, dict):
            thinking = part.get("thinking") or part.get("reasoning")
            thought += "".join(_read_content(thinking)) if thinking else ""
            text += part["text"] if isinstance(part.get("text"), str) else ""
    return thought, text


def _clean_name(name: object) -> str:
    """Remove marks of the model's own format, which some servers leave on a tool's name."""
    if not isinstance(name, str):
        return ""
    return name.partition("<|")[0].removeprefix("functions.").strip()


def _number(index: object) -> int | None:
    if isinstance(index, str) and index.isdecimal():
        return int(index)
    return index if isinstance(index, int) else None


def _decode_once(arguments: str) -> str:
    """Remove a second JSON encoding, which some servers add to the arguments."""
    if not arguments.lstrip().startswith('"'):
        return arguments
    try:
        inner = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return inner if isinstance(inner, str) and inner.lstrip().startswith("{") and _is_json(inner) else arguments


def _arguments(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
