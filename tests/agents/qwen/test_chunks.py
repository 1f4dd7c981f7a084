"""Streams of model servers, in dialects that users reported, are converted to one form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reasoning_widget.agents.qwen.chunks import ChunkReader, Delta


def read(*deltas: dict[str, Any], finish: str | None = "stop") -> tuple[Delta, list[tuple[str, str]]]:
    """The sum of all chunks, and the calls by name and arguments."""
    reader = ChunkReader()
    whole = Delta()
    calls: list[tuple[str, str, str]] = []
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({"choices": [{"delta": {}, "finish_reason": finish}]})
    parts = [reader.read(chunk) for chunk in chunks]
    for delta in [*parts, reader.finish()]:
        whole.thought += delta.thought
        whole.text += delta.text
        for each in delta.calls:
            if each.id:
                calls.append((each.id, each.name, each.arguments))
            else:
                known = calls[-1]
                calls[-1] = (known[0], known[1] + each.name, known[2] + each.arguments)
    assert len({call_id for call_id, _, _ in calls}) == len(calls)
    return whole, [(name, arguments) for _, name, arguments in calls]


def call(index: int | None = None, call_id: str | None = None, **function: Any) -> dict[str, Any]:
    fields = {"index": index, "id": call_id, "function": function or None}
    return {"tool_calls": [{name: value for name, value in fields.items() if value is not None}]}


OSLO, BERGEN = '{"city": "Oslo"}', '{"city": "Bergen"}'


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "Cold."},
        {"reasoning": "Cold."},
        {"thinking": "Cold."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Cold."}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "Cold."}, {"type": "reasoning.encrypted"}]},
        {"reasoning": "Cold.", "reasoning_details": [{"type": "reasoning.text", "text": "Cold."}]},
        {"reasoning": "Cold.", "reasoning_content": "Cold."},
        {"reasoning_content": None, "reasoning": "Cold.", "content": None},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Cold."}]}]},
        {"content": [{"type": "thinking", "thinking": "Cold."}]},
    ],
)
def test_a_thought_is_read_from_every_field(delta: dict[str, Any]) -> None:
    whole, _ = read(delta, {"content": "It snows."})

    assert (whole.thought, whole.text) == ("Cold.", "It snows.")


@pytest.mark.parametrize(
    "pieces",
    [
        ["<think>\nCold.</think>"],
        ["<th", "ink>", "\nCo", "ld.", "</thi", "nk>", "\n"],
        ["[THINK]Cold.", "[/THINK]"],
        ["Cold.</think>"],
    ],
)
@pytest.mark.parametrize("behind", [{"content": "It snows."}, call(0, "a", name="now"), {}])
def test_marks_around_a_separate_thought_are_removed(pieces: list[str], behind: dict[str, Any]) -> None:
    whole, _ = read(*[{"reasoning_content": piece} for piece in pieces], behind)

    assert whole.thought == "Cold."


@pytest.mark.parametrize("thought", ["a < b", "It is about <think", "Is it </think> or <think>? Cold.", "1 <"])
def test_nothing_else_of_a_thought_is_lost(thought: str) -> None:
    whole, _ = read(*[{"reasoning": piece} for piece in thought], {"content": "It snows."})

    assert whole.thought == thought


@pytest.mark.parametrize(
    "content",
    [
        "It snows.",
        {"type": "text", "text": "It snows."},
        [{"type": "text", "text": "It snows."}],
        ["It ", {"type": "text", "text": "snows."}],
    ],
)
def test_content_is_a_text_or_a_list_of_parts(content: object) -> None:
    assert read({"content": content})[0].text == "It snows."


def test_a_refusal_is_part_of_the_text() -> None:
    assert read({"content": None, "refusal": "I cannot "}, {"refusal": "help."})[0].text == "I cannot help."


def test_a_second_thought_starts_a_new_paragraph() -> None:
    whole, _ = read({"reasoning": "One."}, {"content": "Let me see. "}, {"reasoning": "Two."}, {"content": "Snow."})

    assert (whole.thought, whole.text) == ("One.\n\nTwo.", "Let me see. Snow.")


@pytest.mark.parametrize(
    "deltas",
    [
        pytest.param(
            [call(0, "a", name="w", arguments=""), call(0, arguments=OSLO), call(1, "b", name="w", arguments=BERGEN)],
            id="OpenAI",
        ),
        pytest.param([call(0, "a", name="w", arguments=OSLO), call(0, "b", name="w", arguments=BERGEN)], id="index 0"),
        pytest.param(
            [call(None, "a", name="w", arguments=OSLO), call(None, "b", name="w", arguments=BERGEN)], id="no index"
        ),
        pytest.param([call(None, name="w", arguments=OSLO), call(None, name="w", arguments=BERGEN)], id="nothing"),
        pytest.param([call(0, "a", name="w", arguments=OSLO), call(0, "a", name="w", arguments=BERGEN)], id="same id"),
        pytest.param(
            [call(0, "a", name="w", arguments=OSLO), call(1, "a", name="w", arguments=BERGEN)], id="repeated id"
        ),
        pytest.param(
            [
                call(0, "", name="w", arguments=""),
                call(0, "", arguments=OSLO),
                call(1, "", name="w", arguments=""),
                call(1, "", arguments=BERGEN),
            ],
            id="empty ids",
        ),
        pytest.param(
            [
                call(0, "a", name="w"),
                call(1, "b", name="w"),
                call(0, arguments='{"city": '),
                call(1, arguments='{"city": '),
                call(0, arguments='"Oslo"}'),
                call(1, arguments='"Bergen"}'),
            ],
            id="alternating",
        ),
        pytest.param(
            [
                call(0, "a", name="w", arguments=""),
                call(1, name="w", arguments=""),
                call(1, arguments=BERGEN),
                call(0, arguments=OSLO),
            ],
            id="the first one last",
        ),
        pytest.param(
            [call(0, "a", name="w", arguments={"city": "Oslo"}), call(1, "b", name="w", arguments={"city": "Bergen"})],
            id="objects",
        ),
        pytest.param(
            [
                call(0, "a", name="w", arguments=None),
                call(0, "a", name="w", arguments='{"city": '),
                call(0, "a", name="w", arguments='"Oslo"}'),
                call(1, "b", name="w", arguments=BERGEN),
            ],
            id="repeated names",
        ),
        pytest.param(
            [
                {
                    "tool_calls": [
                        *call(0, "a", name="w", arguments=OSLO)["tool_calls"],
                        *call(1, "b", name="w", arguments=BERGEN)["tool_calls"],
                    ]
                }
            ],
            id="one delta",
        ),
        pytest.param(
            [{"tool_calls": [{"name": "w", "arguments": OSLO}]}, {"tool_calls": [{"name": "w", "arguments": BERGEN}]}],
            id="no function",
        ),
        pytest.param(
            [
                call(0, "x1", name="w", arguments='{"city": '),
                call(0, "x2", name="w", arguments='"Oslo"}'),
                call(1, "y1", name="w", arguments=BERGEN),
            ],
            id="a new id in each fragment",
        ),
        pytest.param(
            [
                call(0, "x1", name="w", arguments=""),
                call(0, "x2", name="w", arguments=OSLO),
                call(1, "y1", name="w", arguments=BERGEN),
            ],
            id="a new id behind empty arguments",
        ),
        pytest.param(
            [
                call(0, "a", name="w", arguments="{}"),
                call(0, arguments='{"city": '),
                call(0, arguments='"Oslo"}'),
                call(1, "b", name="w", arguments={}),
                call(1, arguments=BERGEN),
            ],
            id="an empty object first",
        ),
        pytest.param(
            [
                call(0, "a", name="w", arguments=OSLO),
                call(0, "a", name="w", arguments=OSLO),
                call(1, "b", name="w", arguments='{"city": '),
                call(1, arguments='"Bergen"}'),
                call(1, "b", name="w", arguments=BERGEN),
            ],
            id="the whole call once more",
        ),
        pytest.param(
            [
                {"tool_calls": [{"index": "0", "id": "a", "function": {"name": "w"}}]},
                {"tool_calls": [{"index": "1", "id": "b", "function": {"name": "w"}}]},
                {"tool_calls": [{"index": "0", "function": {"arguments": OSLO}}]},
                {"tool_calls": [{"index": "1", "function": {"arguments": BERGEN}}]},
            ],
            id="indexes as texts",
        ),
        pytest.param(
            [
                {"tool_calls": {"id": "a", "function": {"name": "w", "arguments": OSLO}}},
                {"tool_calls": {"id": "b", "function": {"name": "w", "arguments": BERGEN}}},
            ],
            id="no list",
        ),
        pytest.param(
            [
                call(0, "a", name="w", arguments=json.dumps(OSLO)),
                call(1, "b", name="w", arguments=json.dumps(BERGEN)),
            ],
            id="encoded twice",
        ),
    ],
)
def test_fragments_are_assigned_to_their_calls(deltas: list[dict[str, Any]]) -> None:
    _, calls = read(*deltas, finish="tool_calls")

    assert [(name, json.loads(arguments)) for name, arguments in calls] == [
        ("w", {"city": "Oslo"}),
        ("w", {"city": "Bergen"}),
    ]


def test_calls_in_the_original_format_are_read() -> None:
    _, calls = read(
        {"function_call": {"name": "w", "arguments": '{"city": '}}, {"function_call": {"arguments": '"Oslo"}'}}
    )

    assert calls == [("w", OSLO)]


def test_a_message_that_repeats_its_deltas_is_read_once() -> None:
    reader = ChunkReader()
    message = {"role": "assistant", "content": "It snows."}
    chunks: list[dict[str, Any]] = [
        {"choices": [{"delta": {"content": "It "}, "message": {"content": "It "}}]},
        {"choices": [{"delta": {"content": "snows."}, "message": message}]},
        {"choices": [{"delta": {}, "message": message, "finish_reason": "stop"}]},
    ]

    assert "".join(reader.read(chunk).text for chunk in chunks) == "It snows."


def test_metadata_of_a_call_does_not_begin_a_call() -> None:
    _, calls = read(
        call(None, "a", name="w", arguments=OSLO), {"tool_calls": [{"extra_content": {"google": {"signature": "A"}}}]}
    )

    assert calls == [("w", OSLO)]


def test_a_whole_message_with_an_empty_delta_is_read() -> None:
    reader = ChunkReader()

    assert reader.read({"choices": [{"delta": None, "message": {"content": "It snows."}}]}).text == "It snows."


@pytest.mark.parametrize("arguments", [None, "", " ", "{}", {}])
def test_a_call_without_arguments_has_an_empty_object(arguments: object) -> None:
    assert read(call(0, "a", name="now", arguments=arguments))[1] == [("now", "{}")]


def test_a_name_may_come_in_pieces() -> None:
    _, calls = read(call(0, "a", name="get_"), call(0, name="weather"), call(0, arguments=OSLO))

    assert calls == [("get_weather", OSLO)]


@pytest.mark.parametrize("name", ["w<|channel|>commentary", "functions.w", "w<|constrain|>json"])
def test_marks_of_the_models_format_are_removed_from_a_name(name: str) -> None:
    assert read(call(0, "a", name=name, arguments=OSLO))[1] == [("w", OSLO)]


def test_fragments_of_a_call_are_returned_at_once() -> None:
    reader = ChunkReader()

    first = reader.read({"choices": [{"delta": call(0, "a", name="w", arguments='{"ci')}]})
    second = reader.read({"choices": [{"delta": call(0, arguments="ty")}]})

    assert [(f.name, f.arguments) for f in [*first.calls, *second.calls]] == [("w", ""), ("", '{"ci'), ("", "ty")]


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        ("stop", None),
        ("tool_calls", None),
        ("length", "length"),
        ("MAX_TOKENS", "length"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("content_filter: PROHIBITED_CONTENT", "content_filter"),
        ("error", "error"),
        ("abort", "error"),
        ("insufficient_system_resource", "error"),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", "error"),
    ],
)
def test_the_reason_for_an_incomplete_answer_is_read(reason: str, end: str | None) -> None:
    reader = ChunkReader()
    reader.read({"choices": [{"delta": {"content": "x"}, "finish_reason": reason}]})

    assert (reader.finished, reader.end) == (True, end)


@pytest.mark.parametrize(
    "chunk", [{}, {"choices": None}, {"choices": []}, {"choices": [{"delta": None}]}, {"choices": [{}]}]
)
def test_an_empty_chunk_adds_nothing(chunk: dict[str, Any]) -> None:
    reader = ChunkReader()

    assert reader.read(chunk).empty
    assert not reader.finished


def test_the_last_token_count_is_used() -> None:
    reader = ChunkReader()
    for tokens in (1, 2, 3):
        reader.read({"choices": [], "usage": {"prompt_tokens": 17, "completion_tokens": tokens}})
    reader.read({"choices": [], "usage": None})
    assert reader.usage == {"input_tokens": 17, "output_tokens": 3}

    reader.read({"choices": [], "x_groq": {"usage": {"prompt_tokens": 17, "completion_tokens": 3}}})
    assert reader.usage == {"input_tokens": 17, "output_tokens": 3}
