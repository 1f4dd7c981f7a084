"""Reading during a run: folding, reloading the page, a second view."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.chat import CHAT_WITH, Chat

CHAT = 'from reasoning_widget import ReasoningChat\n\nchat = ReasoningChat(agent="researcher")\nchat'


def test_cards_fold_automatically_unless_the_reader_decides(lab, model, story):
    chat = lab.open(CHAT).open_chat()
    chat.ask("Tell me a story")
    expect(chat.fold("Thought")).to_have_attribute("aria-expanded", "true")
    expect(chat.card("Thought")).to_contain_text("Which")
    model.open("thinking")
    expect(chat.card("Final answer")).to_contain_text("Once upon")

    # A finished card is folded to one line; the reader may unfold and fold it.
    for name in ("Thought", "Tool use", "Tool result"):
        expect(chat.fold(name)).to_have_attribute("aria-expanded", "false")
    chat.fold("Tool result").click()
    expect(chat.fold("Tool result")).to_have_attribute("aria-expanded", "true")
    expect(chat.card("Tool result").get_by_text("6 * 7 = 42")).to_be_visible()

    # Cards that the reader folded stay folded while they grow; cards that they opened stay open at the end.
    chat.fold("Final answer").click()
    expect(chat.fold("Final answer")).to_have_attribute("aria-expanded", "false")
    model.open("answering")
    chat.expect_ready()
    expect(chat.fold("Final answer")).to_have_attribute("aria-expanded", "false")
    expect(chat.fold("Tool result")).to_have_attribute("aria-expanded", "true")
    chat.fold("Final answer").click()
    expect(chat.card("Final answer").get_by_text("Once upon a time.")).to_be_visible()


def test_a_reloaded_page_shows_everything_and_the_run_continues(lab, model, story):
    notebook = lab.open(CHAT)
    chat = notebook.open_chat()
    chat.ask("Good morning")
    expect(chat.card("Final answer")).to_have_attribute("data-status", "done")
    chat.ask("Tell me a story")
    model.open("thinking")
    expect(chat.card("Final answer", 1)).to_contain_text("Once upon")
    notebook.save()

    notebook.reload()
    chat = notebook.chat(0)
    expect(chat.region).to_contain_text("Good morning")
    expect(chat.region).to_contain_text("Tell me a story")
    chat.expect_cards("Final answer", "Thought", "Tool use", "Tool result", "Final answer")
    expect(chat.card("Final answer", 1)).to_have_attribute("data-status", "streaming")
    expect(chat.card("Final answer", 1)).to_contain_text("Once upon")
    expect(chat.stop).to_be_enabled()

    model.open("answering")
    expect(chat.card("Final answer", 1)).to_contain_text("Once upon a time.")
    chat.expect_ready()
    chat.ask("Thanks")
    expect(chat.card("Final answer", 2)).to_contain_text("Very well.")


def test_two_views_show_the_same(lab, model, story):
    notebook = lab.open(CHAT, "chat")
    first = notebook.open_chat(0)
    second = notebook.open_chat(1)

    first.ask("Tell me a story")
    for view in (first, second):
        expect(view.card("Thought")).to_contain_text("Which")
    model.open("thinking")
    for view in (first, second):
        expect(view.card("Final answer")).to_contain_text("Once upon")
        view.expect_cards("Thought", "Tool use", "Tool result", "Final answer")

    # A view created during the run by JupyterLab's own command.
    notebook.select(0)
    notebook.command("notebook:create-output-view")
    third = Chat(notebook.page.locator(".jp-LinkedOutputView").get_by_role("region", name=CHAT_WITH))
    third.expect_cards("Thought", "Tool use", "Tool result", "Final answer")

    model.open("answering")
    for view in (first, second, third):
        expect(view.card("Final answer")).to_contain_text("Once upon a time.")
    third.ask("Thanks")
    for view in (first, second, third):
        expect(view.card("Final answer", 1)).to_contain_text("Very well.")
