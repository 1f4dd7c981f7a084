"""Tool calls that models write as text, in the format of each family; a text may also mention the format."""

from __future__ import annotations

import json

import pytest

from reasoning_widget.agents.qwen.text_calls import read_calls, schemas_of

WEATHER = {
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "zip": {"type": "string"}},
    },
}
SCHEMAS = schemas_of([WEATHER])
XML_CALL = "<function=weather><parameter=city>Oslo</parameter></function>"
JSON_CALL = '{"name": "weather", "arguments": {"city": "Oslo"}}'


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{JSON_CALL}\n</tool_call>",
        f"<tool_call>{JSON_CALL}",
        '<tool_call>\n{"name": "weather", "parameters": {"city": "Oslo"}}\n</tool_call>',
        '<tool_call>\n{"name": "weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}\n</tool_call>',
        "<tool_call>\n{'name': 'weather', 'arguments': {'city': 'Oslo',}}\n</tool_call>",
        "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>",
        "<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>",
        '<function=weather>{"city": "Oslo"}</function>',
        "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>",
        '<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}}',
        '<|python_tag|>{"type": "function", "name": "weather", "parameters": {"city": "Oslo"}}<|eom_id|>',
        '<|python_tag|>weather.call(city="Oslo")',
        f"<tool_call>\n```json\n{JSON_CALL}\n```\n</tool_call>",
        f"<tool_call>\n{JSON_CALL}}}\n</tool_call>",
        f"<tool_call>\n<tool_call>\n{JSON_CALL}\n</tool_call>",
        '<tool_call>\n{"function": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
        '<function=weather{"city": "Oslo"}</function>',
        '<function=weather({"city": "Oslo"})</function>',
        f"[TOOL_REQUEST]{JSON_CALL}[END_TOOL_REQUEST]",
        f"[TOOL_CALLS][{JSON_CALL}]",
        '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}',
        '[TOOL_CALLS]weather[CALL_ID]abc[ARGS]{"city": "Oslo"}',
        '<|channel|>analysis to=functions.weather code<|message|>{"city": "Oslo"}<|call|>',
        '<|start|>assistant to=functions.weather<|channel|>commentary json<|message|>{"city": "Oslo"}<|call|>',
        '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Oslo"}<|call|>',
    ],
)
def test_a_call_is_read_in_the_format_of_its_family(text: str) -> None:
    before, calls = read_calls(f"Let me look.\n{text}", SCHEMAS)

    assert before.strip() == "Let me look."
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("weather", {"city": "Oslo"})]


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{JSON_CALL}\n</tool_call>\n<tool_call>\n{JSON_CALL}\n</tool_call>",
        f"<tool_call>\n{JSON_CALL}\n<tool_call>\n{JSON_CALL}",
        f"<tool_call>\n{JSON_CALL}\n{JSON_CALL}\n</tool_call>",
        f"<tool_call>\n[{JSON_CALL}, {JSON_CALL}]\n</tool_call>",
        f"<tool_call>{XML_CALL}</tool_call><tool_call>{XML_CALL}</tool_call>",
        f"{XML_CALL}{XML_CALL}",
        f"<|python_tag|>{JSON_CALL}; {JSON_CALL}",
        f"[TOOL_CALLS][{JSON_CALL}, {JSON_CALL}]",
        '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}',
    ],
)
def test_two_calls_are_read_separately(text: str) -> None:
    _, calls = read_calls(text, SCHEMAS)

    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("weather", {"city": "Oslo"})] * 2


def test_a_value_has_the_type_in_the_tools_schema() -> None:
    values = {"days": "3", "zip": "0150", "x": "[1]"}
    inner = "".join(f"<parameter={name}>{value}</parameter>" for name, value in values.items())
    text = f"<function=weather>{inner}</function>"

    _, (call,) = read_calls(text, SCHEMAS)

    assert json.loads(call.arguments) == {"days": 3, "zip": "0150", "x": [1]}


def test_a_value_of_several_lines_is_unchanged() -> None:
    text = "<function=run><parameter=code>\nif a < b:\n    print('<ok>')\n</parameter></function>"

    _, (call,) = read_calls(text, {})

    assert json.loads(call.arguments) == {"code": "if a < b:\n    print('<ok>')"}


def test_invalid_json_reaches_the_tool_as_written() -> None:
    _, (call,) = read_calls('<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"\n</tool_call>', SCHEMAS)

    assert (call.name, call.arguments) == ("weather", '{"city": "Oslo"')


@pytest.mark.parametrize(
    "text",
    [
        "Qwen writes `<tool_call>` and then JSON.",
        "Qwen writes <tool_call> and then JSON.",
        f"An example:\n```\n<tool_call>\n{JSON_CALL}\n</tool_call>\n```\nThat is all.",
        "Llama begins with `<|python_tag|>`.",
        "LM Studio asks for [TOOL_REQUEST] and then JSON.",
        "In XML it is `<function=name>`.",
        "In XML it is <function=name> and <parameter=key>.",
        "Like this:\n<function=example>\n<parameter=a>\n1\n</parameter>\n</function>\nThat is all.",
        "Qwen writes <tool_call>{json}</tool_call> in its answer.",
        'Calls look like <tool_call>{"name": ..., "arguments": ...}</tool_call>.',
        "LM Studio writes [TOOL_REQUEST]{...}[END_TOOL_REQUEST].",
        "It ends with <tool_call>",
        f"<think>I could write <tool_call>{JSON_CALL}</tool_call>.</think>It snows.",
        f"I could write <tool_call>{JSON_CALL}</tool_call>.\n</think>\n\nIt snows.",
    ],
)
def test_a_text_that_mentions_calls_makes_none(text: str) -> None:
    assert read_calls(text, SCHEMAS) == (text, [])


@pytest.mark.parametrize(
    "text",
    [
        f"Let me look.\n<tool_call>\n{JSON_CALL}\n</tool_call>",
        f"Let me look.\n<tool_call>\n{XML_CALL}\n</tool_call>",
        "Let me look.\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>",
        'Let me look.\n<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}}',
        "Let me look.\n<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>",
        f"Let me look.\n<tool_call>\n```json\n{JSON_CALL}\n```\n</tool_call>",
        f"Let me look.\n[TOOL_REQUEST]{JSON_CALL}[END_TOOL_REQUEST]",
        f"Let me look.\n[TOOL_CALLS][{JSON_CALL}]",
    ],
)
def test_markup_is_never_shown_while_a_call_grows(text: str) -> None:
    for length in range(len(text) + 1):
        before, _ = read_calls(text[:length], SCHEMAS, ended=False)
        assert "Let me look.\n".startswith(before), text[:length]


@pytest.mark.parametrize("thought", ["```\ncode", "a ` somewhere"])
def test_a_call_after_code_in_a_thought_is_read(thought: str) -> None:
    _, calls = read_calls(f"<think>{thought}</think><tool_call>\n{JSON_CALL}\n</tool_call>", SCHEMAS)

    assert [call.name for call in calls] == ["weather"]


def test_arguments_are_read_while_they_grow() -> None:
    _, (call,) = read_calls('<tool_call>\n{"name": "weather", "arguments": {"city": "Os', SCHEMAS, ended=False)

    assert (call.name, call.arguments) == ("weather", '{"city": "Os')


def test_tools_may_be_described_in_openais_format() -> None:
    assert schemas_of([{"type": "function", "function": WEATHER}]) == SCHEMAS
    assert schemas_of(None) == {}
