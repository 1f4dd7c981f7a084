"""Stop, as seen by the person and by the model's server."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE_MS
from tests.scripted_model import gate, say, think

ASSISTANT = 'from reasoning_widget import ReasoningChat\n\nReasoningChat(agent="assistant")'

TOOL_THAT_NEVER_RETURNS = """
    import threading
    from reasoning_widget import ReasoningChat

    async def digger(prompt):
        yield {"type": "thought", "content": "I shall dig."}
        yield {"type": "tool_use", "content": "", "tool": {"name": "dig", "arguments": "{}", "call_id": "c"}}
        yield {"type": "tool_result", "content": "", "id": "r", "status": "streaming",
               "tool": {"name": "dig", "call_id": "c"}}
        threading.Event().wait()

    chat = ReasoningChat(agent=digger)
    chat
"""


def test_stop_in_the_middle_of_an_answer(lab, model):
    model.script("story", [[think("A story."), say("Once upon a time "), gate("never"), say("they lived.")]])
    chat = lab.open(ASSISTANT).open_chat()
    chat.ask("Tell me a story")
    expect(chat.card("Final answer")).to_contain_text("Once upon a time")
    asked = model.wait_for_request()
    assert not asked.done.is_set()

    chat.stop.click()
    assert asked.closed_by_client.wait(PATIENCE_MS / 1000)
    answer = chat.card("Final answer")
    expect(answer).to_have_attribute("data-status", "stopped")
    expect(answer).to_contain_text("Once upon a time")
    expect(answer).to_contain_text("stopped")
    expect(chat.card("Thought")).to_have_attribute("data-status", "done")

    chat.expect_ready()
    chat.ask("Something else")
    expect(chat.card("Final answer", 1)).to_contain_text("Very well.")


@pytest.mark.parametrize("window_options", [{}], ids=["own-window"])  # the clock is that of the window
def test_a_tool_that_never_returns_is_reported_after_30_seconds_and_stop_ends_it(lab, window_options):
    notebook = lab.open(TOOL_THAT_NEVER_RETURNS, "", clock=True)
    chat = notebook.open_chat()
    chat.ask("Dig")
    expect(chat.card("Tool result")).to_have_attribute("data-status", "streaming")
    expect(chat.region).not_to_contain_text("nothing for 30 s", ignore_case=True)

    notebook.page.clock.fast_forward(31_000)
    expect(chat.region).to_contain_text("nothing for 30 s", ignore_case=True)

    chat.stop.click()
    expect(chat.card("Tool result")).to_have_attribute("data-status", "stopped")
    expect(chat.card("Tool result")).to_contain_text("may still be running")
    chat.expect_ready()
    assert notebook.evaluate(1, "print(chat.runs[-1]['status'])") == "stopped"
