"""The connection to the kernel breaks during a run and is restored."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.lab import Lab
from tests.scripted_model import ScriptedModel

RESEARCHER = 'from reasoning_widget import ReasoningChat\n\nReasoningChat(agent="researcher")'

# The connections to kernels can be cut, and are refused until they are allowed again.
CUT_KERNELS = """
    const open = new Set();
    window.cut = () => {
        window.refused = true;
        for (const socket of open) socket.close();
    };
    window.WebSocket = class extends WebSocket {
        constructor(url, protocols) {
            const kernel = /\\/api\\/kernels\\//.test(url);
            super(kernel && window.refused ? "ws://127.0.0.1:9/" : url, protocols);
            if (kernel) open.add(this);
        }
    };
"""


@pytest.fixture
def window_options() -> dict[str, Any]:
    return {}  # a separate window, because connections are cut in it


def test_a_run_shows_a_lost_connection_and_continues_when_it_returns(
    lab: Lab, window: BrowserContext, model: ScriptedModel, story: None
) -> None:
    window.add_init_script(CUT_KERNELS)
    notebook = lab.open(RESEARCHER)
    chat = notebook.open_chat()
    chat.ask("Tell me a story")
    expect(chat.card("Thought")).to_contain_text("Which")
    expect(chat.region).to_contain_text("Working")

    notebook.page.evaluate("cut()")
    expect(chat.region.get_by_role("status").filter(has_text="No connection since")).to_be_visible()
    expect(chat.region).not_to_contain_text("Working")
    model.open("thinking")
    model.wait_for_request(2)
    expect(chat.card("Final answer")).to_have_count(0)

    notebook.page.evaluate("refused = false")
    notebook.command("notebook:reconnect-to-kernel")
    expect(chat.card("Final answer")).to_contain_text("Once upon")
    expect(chat.region).to_contain_text("Working")
    expect(chat.region).not_to_contain_text("No connection")
    model.open("answering")
    expect(chat.card("Final answer")).to_contain_text("Once upon a time.")
    expect(chat.region).to_contain_text("Completed")
    lab.errors.clear()  # the browser's errors about refused connections
