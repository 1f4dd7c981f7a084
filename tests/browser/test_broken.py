"""If the cards of a transcript cannot be drawn, a note says so, and the text saved in the notebook is shown."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Route, expect

from tests.scripted_model import say

CHAT = 'from reasoning_widget import ReasoningChat\n\nReasoningChat(agent="researcher")'
ANSWER = "Forty-two **it is**."

# In an output, only the cards observe their size.
NO_SIZES = """
    window.ResizeObserver = class extends ResizeObserver {
        observe(element) {
            if (element.closest(".reasoning-widget")) throw new Error("no room");
            super.observe(element);
        }
    };
"""


@pytest.fixture
def window_options():
    return {}  # a separate window, because scripts in it are broken


@pytest.fixture
def saved(lab, model):
    """The file of a notebook with a conversation, whose page is closed."""
    model.script("answer", [[say(ANSWER)]])
    notebook = lab.open(CHAT)
    chat = notebook.open_chat()
    chat.ask("What is the answer?")
    chat.expect_ready()
    notebook.wait_for_saved(ANSWER)
    notebook.save()
    notebook.close()
    return notebook.path


def expect_text(notebook, reason: str) -> None:
    output = notebook.output(0)
    note = output.get_by_role("alert")
    expect(note).to_contain_text("The cards of this transcript cannot be drawn")
    expect(note).to_contain_text(reason)
    expect(output.get_by_text("What is the answer?", exact=True)).to_be_visible()
    expect(output.get_by_text("it is", exact=True)).to_be_visible()
    expect(output.get_by_role("article")).to_have_count(0)


def test_a_view_that_throws_leaves_the_text(lab, window, saved):
    window.on("page", lambda page: page.add_init_script(NO_SIZES))
    expect_text(lab.open_file(saved), "no room")
    lab.errors.clear()


@pytest.mark.parametrize("session", ['{"format": "reasoning-widget.session", "events": [{"seq', {"events": [1, 2]}])
def test_a_session_that_cannot_be_read_leaves_the_text_and_fetches_nothing(lab, saved, session):
    notebook = json.loads(saved.read_text("utf-8"))
    (output,) = notebook["cells"][0]["outputs"]
    output["data"]["application/vnd.reasoning-widget.session.v1+json"] = session
    spy = "<img src='http://far-away.invalid/x.png' alt='spy'>"
    output["data"]["text/html"] = [*output["data"]["text/html"], spy, "<script>window.hit = 1</script>"]
    saved.write_text(json.dumps(notebook), "utf-8")
    opened = lab.open_without_kernel(saved)
    expect_text(opened, "not a transcript that can be read" if isinstance(session, str) else "left out")
    expect(opened.output(0).get_by_role("link", name="[spy]")).to_be_visible()
    assert opened.page.evaluate("window.hit") is None
    assert lab.requests_to_others == []


def test_views_that_cannot_be_fetched_leave_the_text(lab, window, saved):
    def refuse(route: Route) -> None:
        body = route.fetch().text()
        if "rw-conversation" in body:
            route.abort()
        else:
            route.fulfill(body=body, content_type="text/javascript")

    window.route("**/extensions/reasoning-widget/static/*.js*", refuse)
    expect_text(lab.open_file(saved), "Loading")
    lab.errors.clear()
