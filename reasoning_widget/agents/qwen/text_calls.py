"""Read the tool calls that a model writes as text, in the format of its family.

Qwen-Agent asks for calls as JSON within ``<tool_call>``. Models answer in the format that they were trained on, or
mention calls without making one: in code, or with a mark that no call follows.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .marks import code_spans, split_thoughts, without_partial_mark


class TextCall(NamedTuple):
    """A tool call that was read in a text.

    The arguments are JSON if they are complete and valid, otherwise the text that the model wrote.
    """

    name: str
    arguments: str


class _Found(NamedTuple):
    calls: list[TextCall]
    end: int


_START: Final = re.compile(
    r"<tool_call>|<function=|<\|python_tag\|>|\[TOOL_REQUEST\]|\[TOOL_CALLS\]|<\|channel\|>(?:commentary|analysis)\s+to=(?:functions\.)?|"
    r"(?:<\|start\|>\w+)?\s+to=(?:functions\.)?(?=[\w.:/-]+\s*<\|channel\|>)"
)
_STARTS: Final = ("<tool_call>", "<function=", "<|python_tag|>", "[TOOL_REQUEST]", "[TOOL_CALLS]", "<|channel|>")
_NAME: Final = re.compile(r"[\w.:/-]+")
_ESCAPES: Final = json.JSONDecoder(strict=False)
_PARAMETER: Final = re.compile(
    r"<parameter=([^>\n]+)>(.*?)(?:</parameter>|(?=<parameter=)|(?=</function>)|\Z)", re.DOTALL
)
_GLM_ARGUMENT: Final = re.compile(
    r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)(?:</arg_value>|(?=<arg_key>)|\Z)", re.DOTALL
)
_FUNCTION_OPENED: Final = re.compile(r">|[\s,(=]*(?=\{)")
_FENCE: Final = re.compile(r"```\w*\s*([\[{].*?)(?:```|\Z)", re.DOTALL)
_MAY_BECOME_CALL: Final = re.compile(r"`{1,3}\w*|[\w.:/-]+(?:\s*<.{0,9})?", re.DOTALL)
_MISTRAL_MARKS: Final = re.compile(r"^(?:\[CALL_ID\]\w*)?(?:\[ARGS\])?")
_PARTIAL_NAME: Final = re.compile(r'"name"\s*:\s*"([^"]*)"')
_PARTIAL_ARGUMENTS: Final = re.compile(r'"(?:arguments|parameters)"\s*:\s*')


def read_calls(text: str, schemas: dict[str, Any], *, ended: bool = True) -> tuple[str, list[TextCall]]:
    """Read the tool calls in what a model wrote.

    Args:
        text: What the model has written so far, with its thoughts, which contain no calls.
        schemas: The JSON Schema of each tool's parameters, by the tool's name. It says the types of values if the
            format of the call does not.
        ended: Whether the text is complete.

    Returns:
        The text before the calls, and the calls. Text that follows a call is omitted, as Qwen-Agent does.
    """
    if not ended:
        text = without_partial_mark(text)
    if not any(start in text for start in _STARTS):
        return text, []
    first = _after_thoughts(text, ended=ended)
    code = [(first + start, first + end) for start, end in code_spans(text[first:], ended=ended)]
    calls: list[TextCall] = []
    before: int | None = None
    position = first
    while (match := _START.search(text, position)) is not None:
        position = match.end()
        if any(start <= match.start() < end for start, end in code):
            continue
        found = _reader(match.group())(text, match.end(), schemas, ended)
        if found is None:
            continue
        if before is None:
            before = match.start()
        calls += found.calls
        position = found.end
    return (text if before is None else text[:before]), calls


def _after_thoughts(text: str, *, ended: bool) -> int:
    """Return the index at which the text after the thoughts begins."""
    split = split_thoughts(text, ended=ended)
    if split.open:
        return len(text)
    if not split.thoughts or text.lstrip().startswith("<|"):
        return 0
    return len(text) - len(split.text)


# The formats ------------------------------------------------------------------------------------------------------


def _tool_call(text: str, at: int, schemas: dict[str, Any], ended: bool) -> _Found | None:
    """``<tool_call>``: Qwen's JSON, Qwen3-Coder's XML, or GLM's pairs of keys and values."""
    end, after = _until(text, at, "</tool_call>", "<tool_call>")
    inner = text[at:end].strip()
    if not inner:
        # A call may follow later. A mark at the end of a complete text is only mentioned.
        return None if ended and not text.startswith("<tool_call>", end) else _Found([], after)
    fenced = _FENCE.match(inner)
    if inner.startswith(("{", "[")) or fenced:
        return _named(_json_calls(fenced.group(1) if fenced else inner), after, ended=ended or after > end)
    if inner.startswith("<function="):
        found = _function(text, text.index("<function=", at) + len("<function="), schemas, ended)
        return found and _Found(found.calls, max(found.end, after))
    name = _NAME.match(inner)
    if not ended and after == end and _MAY_BECOME_CALL.fullmatch(inner):
        return _Found([], after)
    if name and ("<arg_key>" in inner or (inner == name.group() and after > end)):
        return _Found([TextCall(name.group(), _typed(_GLM_ARGUMENT.findall(inner), schemas, name.group()))], after)
    return None


def _xml_function(text: str, at: int, schemas: dict[str, Any], ended: bool) -> _Found | None:
    """``<function=…>`` without ``<tool_call>``, if it names a tool: a text may also mention the format."""
    name = _NAME.match(text, at)
    if name is None:
        return None if ended or at < len(text) else _Found([], at)
    is_partial = not ended and name.end() == len(text) and any(tool.startswith(name.group()) for tool in schemas)
    return _function(text, at, schemas, ended) if is_partial or not schemas or name.group() in schemas else None


def _function(text: str, at: int, schemas: dict[str, Any], ended: bool) -> _Found | None:
    """``<function=name><parameter=key>value</parameter></function>``, or JSON in place of the parameters."""
    name = _NAME.match(text, at)
    opened = _FUNCTION_OPENED.match(text, name.end()) if name else None
    if name is None or opened is None:
        return None if ended else _Found([], len(text)) if name and name.end() == len(text) else None
    end, after = _until(text, opened.end(), "</function>")
    inner = text[opened.end() : end]
    if inner.lstrip().startswith("{"):
        arguments = _first_object(inner)
    else:
        arguments = _typed(_PARAMETER.findall(inner), schemas, name.group())
    return _Found([TextCall(name.group(), arguments)], after)


def _python_tag(text: str, at: int, schemas: dict[str, Any], ended: bool) -> _Found | None:
    """Llama's ``<|python_tag|>``: JSON objects separated by ``;``, or a call in Python's syntax."""
    end, after = _until(text, at, "<|eom_id|>")
    inner = text[at:end].strip()
    if inner.startswith("{"):
        return _named(_json_calls(inner), after, ended=ended)
    name = _NAME.match(inner)
    if name and inner[name.end() : name.end() + 1] == "(":
        return _Found([TextCall(name.group().removesuffix(".call"), _keywords(inner[name.end() :]))], after)
    return None if ended else _Found([], after)


def _tool_request(text: str, at: int, schemas: dict[str, Any], ended: bool) -> _Found | None:
    """LM Studio's ``[TOOL_REQUEST]{…}[END_TOOL_REQUEST]``."""
    end, after = _until(text, at, "[END_TOOL_REQUEST]")
    inner = text[at:end].strip()
    if inner.startswith(("{", "[")):
        return _named(_json_calls(inner), after, ended=ended or after > end)
    return _Found([], after) if not inner and not ended else None


def _tool_calls(text: str, at: int, schemas: dict[str, Any], ended: bool) -> _Found | None:
    """Mistral's ``[TOOL_CALLS]``: a list of JSON objects, or a name followed by JSON."""
    end, _ = _until(text, at, "[TOOL_CALLS]")
    inner = text[at:end].strip()
    if inner.startswith("["):
        return _Found(_json_calls(inner[1:]), end)
    name = _NAME.match(inner)
    rest = _MISTRAL_MARKS.sub("", inner[name.end() :]) if name else ""
    if name and rest.lstrip().startswith("{"):
        return _Found([TextCall(name.group(), _first_object(rest))], end)
    return _Found([], end) if not ended else None


def _channel(text: str, at: int, schemas: dict[str, Any], ended: bool) -> _Found | None:
    """Harmony's ``<|channel|>commentary to=functions.name <|message|>{…}<|call|>``."""
    name = _NAME.match(text, at)
    start = text.find("<|message|>", at)
    if name is None or start < 0:
        return None if ended else _Found([], len(text))
    end, after = _until(text, start + len("<|message|>"), "<|call|>")
    return _Found([TextCall(name.group(), _first_object(text[start + len("<|message|>") : end]))], after)


_READERS: Final[dict[str, Callable[[str, int, dict[str, Any], bool], _Found | None]]] = {
    "<tool_call>": _tool_call,
    "<function=": _xml_function,
    "<|python_ta": _python_tag,
    "[TOOL_REQUE": _tool_request,
    "[TOOL_CALLS": _tool_calls,
}


def _reader(mark: str) -> Callable[[str, int, dict[str, Any], bool], _Found | None]:
    return _READERS.get(mark[:11], _channel)


def _named(calls: list[TextCall], after: int, *, ended: bool) -> _Found | None:
    """Return the calls that name a tool. Complete text without a name only mentions the format."""
    named = [call for call in calls if call.name]
    return None if ended and not named else _Found(named, after)


# JSON that may be incomplete or wrong -----------------------------------------------------------------------------


def _json_call(text: str) -> TextCall:
    value = _loads(text)
    if isinstance(value, dict):
        return _call_of(value)
    name = _PARTIAL_NAME.search(text)
    arguments = _PARTIAL_ARGUMENTS.search(text)
    written = text[arguments.end() :].strip() if arguments else ""
    return TextCall(name.group(1) if name else "", written)


def _json_calls(text: str) -> list[TextCall]:
    """Read JSON objects with any separators between them; the last one may be incomplete."""
    calls = []
    at = text.find("{")
    while at >= 0:
        try:
            value, end = _ESCAPES.raw_decode(text, at)
        except ValueError:
            calls.append(_json_call(text[at:]))
            break
        calls.append(_call_of(value))
        at = text.find("{", end)
    return calls


def _call_of(value: dict[str, Any]) -> TextCall:
    inner = value.get("function")
    value = inner if isinstance(inner, dict) else {"name": inner, **value}
    arguments: Any = next((value[key] for key in ("arguments", "parameters", "args") if key in value), {})
    name = value.get("name")
    return TextCall(
        (name if isinstance(name, str) else "").removeprefix("functions."),
        _normal_json(arguments) if isinstance(arguments, str) else _dumps(arguments),
    )


def _loads(text: str) -> Any:
    """Return the value of JSON as models write it, or None. JSON5 accepts single quotes and trailing commas."""
    import json5  # only for models that call tools in text

    try:
        return _ESCAPES.decode(text)
    except ValueError:
        pass
    if not text.endswith("}"):
        return None  # incomplete, which the parser in Python would find out slowly
    try:
        return json5.loads(text)
    except Exception:  # noqa: BLE001 (the parser raises exceptions of several libraries)
        return None


def _normal_json(text: str) -> str:
    value = _loads(text)
    return text if value is None else _dumps(value)


def _keywords(text: str) -> str:
    """Convert the arguments of a call in Python's syntax, ``(city="Oslo")``, to JSON if they are literals."""
    try:
        call = ast.parse(f"f{text}", mode="eval").body
        if isinstance(call, ast.Call) and not call.args:
            return _dumps({str(each.arg): ast.literal_eval(each.value) for each in call.keywords})
    except (SyntaxError, ValueError, TypeError):
        pass
    return text


def _first_object(text: str) -> str:
    """Return the JSON object at the start of `text`, or `text` if the object is incomplete."""
    text = text.strip()
    try:
        return _dumps(_ESCAPES.raw_decode(text)[0])
    except ValueError:
        return text


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _typed(pairs: list[tuple[str, str]], schemas: dict[str, Any], tool: str) -> str:
    return _dumps({key.strip(): _value(raw, schemas, tool, key.strip()) for key, raw in pairs})


def _value(raw: str, schemas: dict[str, Any], tool: str, parameter: str) -> Any:
    """Return the value of a parameter: a text if the schema says so or it is not JSON, otherwise the JSON value."""
    text = raw.removeprefix("\n").removesuffix("\n")
    declared = _type_of(schemas.get(tool), parameter)
    if declared == "string":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {"true": True, "false": False, "none": None}.get(text.strip().lower(), text)


def _type_of(parameters: Any, name: str) -> str | None:
    """Return the type of a parameter in a JSON Schema or in Qwen-Agent's list of parameters."""
    if isinstance(parameters, dict):
        properties = parameters.get("properties")
        known = properties.get(name) if isinstance(properties, dict) else None
    else:
        known = next((p for p in parameters or [] if isinstance(p, dict) and p.get("name") == name), None)
    declared = known.get("type") if isinstance(known, dict) else None
    return declared if isinstance(declared, str) else None


def _until(text: str, at: int, mark: str, next_mark: str | None = None) -> tuple[int, int]:
    """Return where the part that starts at `at` ends, and where the text after `mark` starts.

    `next_mark` ends the part, too.
    """
    end = text.find(mark, at)
    following = text.find(next_mark, at) if next_mark else -1
    if following >= 0 and (end < 0 or following < end):
        return following, following
    return (len(text), len(text)) if end < 0 else (end, end + len(mark))


def schemas_of(functions: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Return the parameters of each tool by its name, from descriptions in Qwen-Agent's or OpenAI's format."""
    described = (f["function"] if isinstance(f.get("function"), dict) else f for f in functions or [])
    return {str(f.get("name")): f.get("parameters") for f in described}
