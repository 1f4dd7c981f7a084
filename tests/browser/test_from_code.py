"""`ask` in a cell: what the page shows and can do while the cell is blocked."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE_MS
from tests.scripted_model import call, gate, say, think

MAKE = 'from reasoning_widget import ReasoningChat\n\nchat = ReasoningChat(agent="researcher")\n'
ASK = 'answer = chat.ask("Tell me a story")\nprint("It ended:", answer.status, "|", answer.text)'


@pytest.fixture(autouse=True)
def story(model):
    model.script(
        "story",
        [
            [think("Which "), gate("thinking"), think("story?"), call("calculate", {"expression": "6 * 7"})],
            [say("Once upon "), gate("answering"), say("a time.")],
        ],
    )


def test_ask_shows_its_cards_in_the_cell_that_created_the_chat(lab, model):
    notebook = lab.open(MAKE + ASK)
    notebook.start(0)
    run = notebook.chat(0)
    expect(run.card("Thought")).to_contain_text("Which")
    expect(run.region).to_contain_text("Tell me a story")
    expect(run.message).to_have_count(0)
    expect(notebook.prompt(0)).to_have_text("[*]:")

    model.open("thinking")
    expect(run.card("Final answer")).to_contain_text("Once upon")
    run.expect_cards("Thought", "Tool use", "Tool result", "Final answer")
    expect(notebook.prompt(0)).to_have_text("[*]:")

    model.open("answering")
    notebook.wait_for(0)
    expect(notebook.output(0)).to_contain_text("It ended: completed | Once upon a time.")
    expect(run.card("Final answer")).to_contain_text("Once upon a time.")
    expect(run.card("Final answer")).to_have_attribute("data-status", "done")


def test_stop_works_while_the_cell_is_blocked(lab, model):
    notebook = lab.open(MAKE + ASK)
    notebook.start(0)
    run = notebook.chat(0)
    model.open("thinking")
    expect(run.card("Final answer")).to_contain_text("Once upon")

    run.stop.click()
    notebook.wait_for(0)
    expect(notebook.output(0)).to_contain_text("It ended: stopped | Once upon")
    expect(run.card("Final answer")).to_have_attribute("data-status", "stopped")
    assert model.requests[-1].closed_by_client.wait(PATIENCE_MS / 1000)


def test_a_message_sent_while_the_cell_is_blocked_is_queued(lab, model):
    notebook = lab.open(f"{MAKE}chat", ASK)
    chat = notebook.open_chat(0)
    notebook.start(1)
    expect(chat.card("Thought")).to_contain_text("Which")

    chat.ask("And then?")
    expect(chat.region).to_contain_text("And then?")
    expect(chat.region).to_contain_text("queued", ignore_case=True)
    model.open("thinking")
    expect(notebook.chat(1).card("Final answer")).to_contain_text("Once upon")
    chat.expect_cards("Thought", "Tool use", "Tool result", "Final answer")

    model.open("answering")
    notebook.wait_for(1)
    expect(chat.card("Final answer", 1)).to_contain_text("Very well.")
    expect(chat.region).not_to_contain_text("queued", ignore_case=True)
    notebook.chat(1).expect_cards("Thought", "Tool use", "Tool result", "Final answer")


def test_interrupting_the_kernel_stops_the_run(lab, model):
    notebook = lab.open(MAKE + ASK, "")
    notebook.start(0)
    run = notebook.chat(0)
    expect(run.card("Thought")).to_contain_text("Which")

    notebook.interrupt()
    notebook.wait_for(0)
    expect(notebook.output(0)).to_contain_text("KeyboardInterrupt")
    expect(run.card("Thought")).to_have_attribute("data-status", "stopped")
    assert model.requests[-1].closed_by_client.wait(PATIENCE_MS / 1000)
    assert notebook.evaluate(1, "print(chat.runs[-1]['status'], [s['status'] for s in chat.steps])") == (
        "stopped ['stopped']"
    )
