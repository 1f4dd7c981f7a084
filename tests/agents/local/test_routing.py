from __future__ import annotations

import json

from reasoning_widget.agents.local.routing import (
    MAX_RESULT_CHARS,
    Recipe,
    Turn,
    answer_messages,
    failure_answer,
    offered_functions,
    parse_choice,
    routing_messages,
    schema,
    widen,
)
from reasoning_widget.agents.presets.recipes import RESEARCHER
from reasoning_widget.agents.tools.schemas import RESEARCHER_FUNCTIONS as FUNCTIONS

RECIPE = Recipe.of(RESEARCHER)


def names(functions):
    return [function["name"] for function in functions]


def test_the_calculator_is_offered_only_for_questions_with_numbers():
    assert "calculate" not in names(offered_functions(FUNCTIONS, [Turn("Who wrote it?")], RECIPE))
    assert "calculate" in names(offered_functions(FUNCTIONS, [Turn("What is 3 times 4?")], RECIPE))
    assert "calculate" in names(
        offered_functions(FUNCTIONS, [Turn("What is 3 * 4?", answer="12"), Turn("And half?")], RECIPE)
    )


def test_reading_is_offered_only_for_questions_that_name_a_file():
    assert "read_file" not in names(offered_functions(FUNCTIONS, [Turn("What does it cost?")], RECIPE))
    assert "read_file" in names(offered_functions(FUNCTIONS, [Turn("Summarise notes/plan.md")], RECIPE))


def test_a_follow_up_of_a_call_must_make_a_call():
    searched = Turn("Who leads the team?", {"tool": "search_files", "query": "team lead"}, answer="Ada")
    assert "none" not in names(offered_functions(FUNCTIONS, [searched, Turn("And the other one?")], RECIPE))
    assert "none" in names(offered_functions(FUNCTIONS, [searched, Turn("Thank you!")], RECIPE))
    assert "none" in names(offered_functions(FUNCTIONS, [Turn("Hello", answer="Hi"), Turn("And you?")], RECIPE))


def test_each_alternative_of_the_schema_is_closed_and_names_its_tool():
    alternatives = schema([*FUNCTIONS, {"name": "none"}])["anyOf"]
    assert [a["properties"]["tool"]["const"] for a in alternatives] == [
        "search_files",
        "read_file",
        "calculate",
        "none",
    ]
    assert alternatives[0]["required"] == ["tool", "query"]
    assert all(a["additionalProperties"] is False for a in alternatives)


def test_the_routing_prompt_begins_the_same_for_every_question():
    one = routing_messages(FUNCTIONS, [Turn("One?")], RECIPE)
    other = routing_messages(FUNCTIONS, [Turn("Another, with 5?")], RECIPE)
    assert one[:-1] == other[:-1]
    assert one[-1]["content"] == "One?"


def test_examples_of_unavailable_tools_are_omitted():
    text = json.dumps(routing_messages(FUNCTIONS[:1], [Turn("One?")], RECIPE))
    assert "search_files" in text
    assert "calculate" not in text


def test_a_search_includes_words_of_the_question():
    call = ("search_files", {"query": "lab manager"})
    assert widen(call, "Who leads the lab, please?", RECIPE) == ("search_files", {"query": "lab manager leads"})
    sum_ = ("calculate", {"expression": "3 * 4"})
    assert widen(sum_, "What is 3 times 4?", RECIPE) == sum_


def test_a_truncated_choice_is_none():
    assert parse_choice('{"tool": "search_files", "query": "x"}') == ("search_files", {"query": "x"})
    assert parse_choice('{"tool": "none"}') is None
    assert parse_choice('{"tool": "search_files", "que') is None


def test_the_answer_prompt_has_a_result_of_limited_length():
    turn = Turn("How much?", {"tool": "read_file", "path": "a.txt"}, [("read_file", "word " * 10_000)])
    prompt = answer_messages("system", [Turn("Before?", answer="Then."), turn])[-1]["content"]
    assert prompt.startswith("read_file(a.txt) returned:\nword word")
    assert "Question: How much? (a.txt)" in prompt
    assert len(prompt) < MAX_RESULT_CHARS + 500


def test_after_a_failed_tool_the_answer_is_its_reason():
    call = {"tool": "read_file", "path": "reports"}
    error = "An error occurred when calling tool `read_file`:\nToolFailed: No such file.\nTraceback:\n  File x\n"
    said = failure_answer(Turn("What is in reports?", call, [("read_file", error)]))
    assert said == "I cannot answer this, because `read_file` failed. No such file."
    assert failure_answer(Turn("What is in reports?", call, [("read_file", "The folder is empty.")])) is None
    assert failure_answer(Turn("Hello")) is None


def test_plain_chat_includes_earlier_turns():
    messages = answer_messages("system", [Turn("My name is Ada.", answer="Hello Ada."), Turn("What is my name?")])
    assert [m["content"] for m in messages] == ["system", "My name is Ada.", "Hello Ada.", "What is my name?"]
