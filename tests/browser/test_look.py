"""Colours and contrasts in light and dark themes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.lab import DARK, LIGHT
from tests.browser.look import background, brightness, contrasts

READABLE = 4.5
"""The contrast that WCAG requires of text (level AA)."""

LIGHT_COLOURS = {
    "thought": "#e3f2fd",
    "tool_use": "#fff3e0",
    "tool_result": "#f3e5f5",
    "final_answer": "#e8f5e9",
    "error": "#ffebee",
}

ALL_FIVE = """
    from reasoning_widget import ReasoningChat

    CODE = "Some **bold** `code`, a [link](https://example.org):\\n\\n```python\\n# Twice\\ndef f(x: int) -> str:\\n" \\
        "    return f'{x * 2}'\\n```\\n\\n| a | b |\\n| --- | --- |\\n| 1 | 2 |\\n\\n> quoted\\n\\n$x^2$"

    async def everything(prompt):
        tool = {"name": "find", "arguments": '{"text": "sun", "count": 3, "deep": true, "in": null}', "call_id": "c"}
        yield {"type": "thought", "content": CODE}
        yield {"type": "tool_use", "content": "", "tool": tool}
        yield {"type": "tool_result", "content": '{"found": ["here", "there"], "number": 2}', "tool": tool}
        yield {"type": "final_answer", "content": CODE}
        if prompt == "fail":
            raise ValueError("The well is dry.")

    ReasoningChat(agent=everything)
"""


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_every_text_is_readable_in_every_theme(lab, theme):
    notebook = lab.open(ALL_FIVE, theme=theme)
    chat = notebook.open_chat()
    chat.ask("fail")
    notebook.wait_for_saved("The well is dry.")
    expect(chat.card("Error")).to_be_visible()
    for name in ("Thought", "Tool use", "Tool result"):
        chat.open(name)
    expect(chat.card("Final answer").locator("math")).to_be_visible()
    expect(chat.card("Final answer").locator("pre code span").first).to_be_visible()
    chat.message.fill("A draft")

    poor = [(text, round(ratio, 2)) for text, ratio in contrasts(chat.region) if ratio < READABLE]
    assert poor == []
    assert (brightness(chat.region) > 0.5) == (theme == LIGHT)


PRINTS = """
    from reasoning_widget import ReasoningChat

    SIXTEEN = [*range(30, 38), *range(90, 98)]
    OTHERS = [*(f"5;{n}" for n in range(16, 256, 5)), "2;255;255;255", "2;0;0;0", "2;250;180;60", "2;0;30;90"]
    INKS = [*map(str, SIXTEEN), *(f"38;{each}" for each in OTHERS)]
    GROUNDS = [*(str(each + 10) for each in SIXTEEN), *(f"48;{each}" for each in OTHERS)]
    PAIRS = [f"{ink};{ground}" for ink in INKS[::7] for ground in GROUNDS[::7]]

    async def prints(prompt):
        yield {"type": "tool_use", "content": "", "tool": {"name": "t", "arguments": "{}", "call_id": "c"}}
        for style in ("0", "1", "2", "7", "2;7"):
            for colour in (INKS + GROUNDS + PAIRS)[:: 1 if style == "0" else 5]:
                print(f"\\x1b[{style};{colour}m{style}:{colour}\\x1b[0m", end=" ")
        yield {"type": "tool_result", "content": "", "tool": {"name": "t", "call_id": "c"}, "status": "failed"}

    ReasoningChat(agent=prints)
"""


@pytest.mark.parametrize("theme", [LIGHT, DARK, "JupyterLab Dark High Contrast"])
def test_printed_colours_are_readable_in_every_theme(lab, theme):
    chat = lab.open(PRINTS, theme=theme).open_chat()
    chat.ask("Print")
    chat.expect_ready()
    card = chat.card("Tool result")  # failed cards are open
    card.get_by_role("button", name="Show all").click()
    expect(card.get_by_text("2;7:", exact=False).last).to_be_visible()

    measured = [(text, round(ratio, 2)) for text, ratio in contrasts(card)]
    assert len(measured) > 200
    assert [each for each in measured if each[1] < READABLE] == []


def test_the_colours_follow_a_change_of_the_theme(lab):
    notebook = lab.open(ALL_FIVE, theme=LIGHT)
    chat = notebook.open_chat()
    chat.ask("fail")
    notebook.wait_for_saved("The well is dry.")
    expect(chat.card("Error")).to_be_visible()
    cards = chat.cards.all()
    for card in cards:
        colour = LIGHT_COLOURS[card.get_attribute("data-step-type") or ""]
        assert background(card) == colour

    notebook.use_theme(DARK)
    assert len({background(card) for card in cards}) == len(cards)
    assert all(brightness(card) < 0.2 for card in cards)
