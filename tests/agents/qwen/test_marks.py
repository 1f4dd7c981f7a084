"""Thoughts are separated from the answer when both are in one text, which may also mention the marks."""

from __future__ import annotations

import pytest

from reasoning_widget.agents.qwen.marks import split_thoughts, without_partial_mark


@pytest.mark.parametrize(
    ("text", "thought", "words"),
    [
        ("It snows.", "", "It snows."),
        ("<think>\nCold.\n</think>\n\nIt snows.", "Cold.", "It snows."),
        ("\n<think>Cold.</think>It snows.", "Cold.", "It snows."),
        ("<think>\n\n</think>\n\nIt snows.", "", "It snows."),
        ("Cold.\n</think>\n\nIt snows.", "Cold.", "It snows."),
        ("Cold.</think>\n\nIt snows.", "Cold.", "It snows."),
        ("Cold.</think>It snows.", "Cold.", "It snows."),
        ("Cold.</think> It snows.", "Cold.", " It snows."),
        ("Cold</think>**It snows.**", "Cold", "**It snows.**"),
        ("</think> It snows.", "", " It snows."),
        ("It has a ` in it.</think>It snows.", "It has a ` in it.", "It snows."),
        ("<think>One.</think>Let me see.<think>Two.</think>Snow.", "One.\n\nTwo.", "Let me see.Snow."),
        ("<think>One.</think>Let me see. <think>Two.</think>Snow.", "One.\n\nTwo.", "Let me see. Snow."),
        ("\n</think>\n\nIt snows.", "", "It snows."),
        ("</think>\nIt snows.", "", "It snows."),
        ("<think>One.</think>\nLet me see.\n<think>Two.</think>\nSnow.", "One.\n\nTwo.", "Let me see.\n\nSnow."),
        ("<think>One.</think>\n<think>Two.</think>\nSnow.", "One.\n\nTwo.", "Snow."),
        ("[THINK]Cold.[/THINK]It snows.", "Cold.", "It snows."),
        ("<thinking>\nCold.\n</thinking>\nIt snows.", "Cold.", "It snows."),
        ("◁think▷Cold.◁/think▷It snows.", "Cold.", "It snows."),
        ("Sure.\n<think>\nCold.\n</think>\nIt snows.", "Cold.", "Sure.\n\nIt snows."),
        (
            "<|channel|>analysis<|message|>Cold.<|end|><|start|>assistant<|channel|>final<|message|>It snows.",
            "Cold.",
            "It snows.",
        ),
        ("<|start|>assistant<|channel|>final<|message|>It snows.<|return|>", "", "It snows."),
        ("analysisCold.assistantfinalIt snows.", "Cold.", "It snows."),
        ("Cold.<|end|><|start|>assistant<|channel|>final<|message|>It snows.", "Cold.", "It snows."),
        ("<|end|><|start|>assistant<|channel|>final<|message|>It snows.", "", "It snows."),
        ("It snows.<|im_end|>\n", "", "It snows."),
        ("It snows.<|return|>", "", "It snows."),
    ],
)
def test_thoughts_and_text_are_separated(text: str, thought: str, words: str) -> None:
    split = split_thoughts(text)

    assert (split.thoughts, split.text, split.open) == (thought, words, False)


@pytest.mark.parametrize(
    "text",
    [
        "Qwen writes `<think>` first and `</think>` last.",
        "The tag <think> opens a thought, and </think> closes it.",
        "Qwen wraps its thoughts in <think>...</think>\n\nThen it answers.",
        "Thoughts stand between <think> and </think>",
        "模型使用<think>标签开始思考，使用</think>标签结束。",
        "```xml\n<think>\nlike this\n</think>\n```\nThat is all.",
        "Mistral marks thoughts with [THINK] and [/THINK] in its template.",
        "I thinking> so.",
        "A turn ends with <|im_end|>",
        "A turn ends with `<|im_end|>`, then comes `<|start|>`.",
        "analysis of the data",
        "gpt-oss has <|channel|>analysis<|message|> in front of its thoughts.",
    ],
)
def test_a_text_that_mentions_the_marks_is_text(text: str) -> None:
    assert split_thoughts(text) == ("", text, False)


@pytest.mark.parametrize(
    "text",
    ["<think>\nCold, and", "[THINK]Cold, and", "<|channel|>analysis<|message|>Cold, and", "analysisCold, and"],
)
def test_a_text_may_consist_of_a_thought_only(text: str) -> None:
    assert split_thoughts(text) == ("Cold, and", "", True)


@pytest.mark.parametrize(
    "text",
    [
        "<think>\nCold.\n</think>\n\nIt snows.",
        "Cold.\n</think>\n\nIt snows.",
        "<|channel|>analysis<|message|>Cold.<|end|><|start|>assistant<|channel|>final<|message|>It snows.",
        "<think>One.</think>Let me see. <think>Two.</think>Snow.",
        "analysisCold.assistantfinalIt snows.",
        "Cold.<|end|><|start|>assistant<|channel|>final<|message|>It snows.<|return|>",
        "a < b, c > d and <b>bold</b> [1]",
    ],
)
def test_partial_marks_are_not_shown(text: str) -> None:
    whole = split_thoughts(text)
    for length in range(len(text)):
        split = split_thoughts(text[:length], ended=False)
        shown = split.thoughts + split.text
        assert not any(mark in shown for mark in ("think", "<|", "|>", "channel"))
        assert whole.text.startswith(split.text) or whole.thoughts.startswith(split.text.strip())


def test_an_end_that_only_resembles_a_mark_is_shown() -> None:
    assert without_partial_mark("a < b") == "a < b"
    assert without_partial_mark("see [1") == "see [1"
    assert split_thoughts("1 <").text == "1 <"
