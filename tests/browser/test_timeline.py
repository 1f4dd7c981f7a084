"""The timeline above the cards, used with the mouse."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

BUSY = """
    import asyncio, time
    from reasoning_widget import ReasoningChat

    async def busy(prompt):
        begin = time.time()
        usage = {"input_tokens": 900, "output_tokens": 12}
        yield {"type": "thought", "content": "Two at once.", "timestamp": begin, "duration": 2, "usage": usage}
        for seconds in (2, 4):
            yield {"type": "tool_result", "content": f"After {seconds}.", "timestamp": begin + 2, "duration": seconds}
        answer = "A long line.\\n\\n" * 100
        yield {"type": "final_answer", "id": "a", "status": "streaming", "content": answer, "timestamp": begin + 6}
        await asyncio.Event().wait()

    ReasoningChat(agent=busy)
"""

# The centre of each bar of a type on the page, and its length, in pixels.
PLACES = """(axis, type) => {
    const path = axis.querySelector(`.rw-bar-${type}`).getAttribute("d");
    const matrix = axis.getScreenCTM();
    return [...path.matchAll(/M(\\S+) (\\S+)h(\\S+)v(\\S+)h/g)].map(match => {
        const [x, y, width, height] = match.slice(1).map(Number);
        const middle = new DOMPoint(x + width / 2, y + height / 2).matrixTransform(matrix);
        return [middle.x, middle.y, width * matrix.a];
    });
}"""


@pytest.fixture
def chat(lab):
    chat = lab.open(BUSY).open_chat()
    chat.ask("go")
    expect(chat.card("Final answer")).to_have_attribute("data-status", "streaming")
    return chat


@pytest.fixture
def axis(chat):
    return chat.region.get_by_role("img", name=re.compile("^Timeline: 4 steps"))


def test_the_timeline_is_24_pixels_high_and_grows_during_a_run(chat, axis):
    assert axis.bounding_box()["height"] == 24
    (_, _, thought), *_ = axis.evaluate(PLACES, "thought")
    # On the page, the answer's bar gets longer and the other bars get shorter.
    chat.region.page.wait_for_function(
        f"([axis, before]) => ({PLACES})(axis, 'thought')[0][2] < before && ({PLACES})(axis, 'final_answer')[0][2] > 0",
        arg=[axis.element_handle(), thought],
    )
    chat.stop.click()
    chat.expect_ready()
    assert axis.bounding_box()["height"] == 24


def test_each_bar_describes_its_step_and_links_to_its_card(chat, axis):
    chat.stop.click()
    chat.expect_ready()
    mouse = chat.region.page.mouse
    axis.scroll_into_view_if_needed()

    (x, y, _), *_ = axis.evaluate(PLACES, "thought")
    mouse.move(x, y)
    expect(axis.locator("title")).to_have_text("Thought, step 1 · 2.0 s · 900 → 12 tokens")
    results = axis.evaluate(PLACES, "tool_result")
    assert results[1][2] == pytest.approx(2 * results[0][2])
    for number, (x, y, _) in enumerate(results, 2):
        mouse.move(x, y)
        expect(axis.locator("title")).to_contain_text(f"Tool result, step {number} · ")

    expect(chat.card("Tool result, step 2")).not_to_be_in_viewport()
    mouse.click(*results[0][:2])
    expect(chat.card("Tool result, step 2")).to_be_in_viewport()
    expect(chat.fold("Tool result, step 2")).to_be_focused()
