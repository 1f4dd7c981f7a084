"""No part of an answer is lost, repeated, or shown and withdrawn, regardless of its fragmentation."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reasoning_widget.agents.qwen.steps import ModelCall, Place, StepMaker

PIECES = st.sampled_from(
    [
        "It snows.", "\n", "\n\n", " ", "<think>", "</think>", "[THINK]", "[/THINK]", "`", "```", "a < b", "Cold.",
        "<|channel|>analysis<|message|>", "<|end|>", "<|channel|>final<|message|>", "<tool_call>", "the tag <think> is",
    ]
)  # fmt: skip


def test_a_text_that_becomes_a_second_thought_is_followed_by_the_answer() -> None:
    steps: dict[str, dict[str, Any]] = {}
    maker = StepMaker(lambda step: steps.update({step["id"]: {**step}}), "t")
    call = ModelCall(maker, Place("agent", 1, None), lambda _: None)
    for thought, text in [
        ("", "Hm."),
        ("One.", "Hm."),
        ("One.", "Hm."),
        ("One.", "Hm.\n</think>\n\n"),
        ("One.", "Hm.\n</think>\n\nIt snows."),
    ]:
        reasoning = [{"role": "assistant", "content": "", "reasoning_content": thought}] if thought else []
        call.update([*reasoning, {"role": "assistant", "content": text}])

    answer = call.finish()

    assert answer is not None
    assert answer.step["content"] == "It snows."
    assert [step["content"] for step in steps.values()] == ["Hm.", "One.", "It snows."]


def steps_of(text: str, cuts: list[int]) -> tuple[list[str], bool]:
    """The characters shown in the steps of a text that grew to each of these lengths; whether there is an answer."""
    steps: dict[str, dict[str, Any]] = {}
    maker = StepMaker(lambda step: steps.update({step["id"]: {**step}}), "t")
    call = ModelCall(maker, Place("agent", 1, None), lambda _: None)
    for end in [*cuts, len(text)]:
        if text[:end]:
            call.update([{"role": "assistant", "content": text[:end]}])
    answer = call.finish()
    if answer is not None:
        answer.close()
    assert all(step["status"] == "done" for step in steps.values())
    shown = sorted("".join("".join(step["content"].split()) for step in steps.values()))
    return shown, any(step["type"] == "final_answer" for step in steps.values())


@given(st.lists(PIECES, min_size=1, max_size=8).map("".join), st.data())
def test_the_steps_of_an_answer_do_not_depend_on_its_fragments(text: str, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(1, len(text)), max_size=12).map(sorted))

    assert steps_of(text, cuts) == steps_of(text, [])
