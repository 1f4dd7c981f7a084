"""A whole conversation without a mouse."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.scripted_model import gate, say, think

CHAT = 'from reasoning_widget import ReasoningChat\n\nReasoningChat(agent="assistant")'
MANY = 200


def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press Tab until `target` has the focus."""
    handle = target.element_handle()
    for _ in range(MANY):
        if handle.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{MANY} times {key} did not lead to {target}")


def test_a_whole_conversation_with_the_keyboard_only(lab, model):
    model.script("story", [[think("A story."), say("Once upon a time "), gate("never")]])
    notebook = lab.open(CHAT, "print('never run')")
    page, keyboard = notebook.page, notebook.page.keyboard
    notebook.select(0)
    keyboard.press("Control+Enter")
    notebook.wait_for(0)
    chat = notebook.chat(0)

    # Shift+Enter inserts a line break and never runs the cell; Enter sends.
    tab_to(page, chat.message)
    keyboard.type("first line")
    keyboard.press("Shift+Enter")
    keyboard.type("second line, with a d d in it")
    expect(chat.message).to_have_value("first line\nsecond line, with a d d in it")
    keyboard.press("Enter")
    expect(chat.card("Final answer")).to_contain_text("Very well.")
    expect(chat.message).to_have_value("")
    expect(notebook.prompt(0)).to_have_text("[1]:")
    expect(notebook.prompt(1)).to_have_text("[ ]:")

    # The focus has not moved, although the view was redrawn. Stop.
    notebook.wait_for_saved("Very well.")
    keyboard.type("Tell me a story")
    keyboard.press("Enter")
    expect(chat.card("Final answer", 1)).to_contain_text("Once upon a time")
    tab_to(page, chat.stop)
    keyboard.press("Enter")
    expect(chat.card("Final answer", 1)).to_have_attribute("data-status", "stopped")
    notebook.wait_for_saved("The run ended: stopped.")

    # Fold and unfold.
    tab_to(page, chat.fold("Thought"), "Shift+Tab")
    expect(chat.fold("Thought")).to_have_attribute("aria-expanded", "false")
    keyboard.press("Enter")
    expect(chat.fold("Thought")).to_have_attribute("aria-expanded", "true")
    keyboard.press("Space")
    expect(chat.fold("Thought")).to_have_attribute("aria-expanded", "false")


def test_history_settings_and_clear_with_the_keyboard_only(lab):
    notebook = lab.open(CHAT)
    chat = notebook.open_chat()
    page, keyboard = notebook.page, notebook.page.keyboard
    for question in ("first line\nsecond line", "Tell me a story"):
        chat.message.fill(question)
        chat.message.press("Enter")
        expect(chat.message).to_have_value("")
    expect(chat.cards).to_have_count(2)
    notebook.wait_for_saved("Tell me a story")

    # The history: back with the arrow in the first line, forward in the last; a draft is kept.
    tab_to(page, chat.message)
    keyboard.type("begun")
    keyboard.press("ArrowUp")
    expect(chat.message).to_have_value("Tell me a story")
    keyboard.press("Home")
    keyboard.press("ArrowUp")
    expect(chat.message).to_have_value("first line\nsecond line")
    keyboard.press("Control+End")
    keyboard.press("ArrowDown")
    expect(chat.message).to_have_value("Tell me a story")
    keyboard.press("ArrowDown")
    expect(chat.message).to_have_value("begun")

    # Agent, reasoning, clear.
    tab_to(page, chat.reasoning)
    keyboard.press("Space")
    expect(chat.reasoning).to_have_attribute("aria-checked", "false")
    tab_to(page, chat.agent, "Shift+Tab")
    keyboard.type("res")
    expect(chat.agent).to_have_value("researcher")
    tab_to(page, chat.clear)
    keyboard.press("Enter")
    expect(chat.region.get_by_role("alertdialog", name="Clear the conversation?")).to_be_visible()
    keyboard.press("Escape")
    expect(chat.clear).to_be_focused()
    keyboard.press("Enter")
    keyboard.press("Shift+Tab")  # from what keeps it
    keyboard.press("Enter")
    expect(chat.cards).to_have_count(0)
    expect(notebook.prompt(0)).to_have_text("[1]:")
