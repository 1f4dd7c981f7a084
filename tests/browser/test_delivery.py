"""Nothing is lost between the kernel and the page with Jupyter Server's default limits."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.scripted_model import say

WORDS = 8000
WIDGETS = 10

TEN_CHATS = f"""
    import asyncio, threading
    from IPython.display import display
    from reasoning_widget import ReasoningChat

    go = threading.Event()

    async def counter(prompt):
        yield {{"type": "thought", "content": "I count."}}
        await asyncio.to_thread(go.wait)
        text = ""
        for number in range({WORDS}):
            text += f"{{prompt}}-{{number}} "
            yield {{"type": "final_answer", "id": "answer", "content": text}}

    chats = [ReasoningChat(agent=counter) for _ in range({WIDGETS})]
    display(*chats)
"""


def words(prefix):
    return [f"{prefix}-{number}" for number in range(WORDS)]


def shown_words(chat):
    """The words of the answer as shown by the page."""
    return chat.card("Final answer").inner_text().split()


def without_frame(shown, prefix):
    """The shown words without those of the card itself."""
    return [word for word in shown if word.startswith(prefix)]


def test_an_answer_of_8000_words_arrives_whole(lab, model):
    text = " ".join(f"{word}\n\n" if number % 100 == 99 else word for number, word in enumerate(words("word")))
    model.script("long", [[say(text)]])
    chat = lab.open('from reasoning_widget import ReasoningChat\n\nReasoningChat(agent="assistant")').open_chat()
    chat.ask("Give me a long one")
    expect(chat.card("Final answer")).to_have_attribute("data-status", "done")
    expect(chat.card("Final answer")).to_contain_text(f"word-{WORDS - 1}")
    assert without_frame(shown_words(chat), "word-") == words("word")


def test_ten_concurrent_answers_arrive_whole(lab):
    notebook = lab.open(TEN_CHATS, "go.set()")
    notebook.run(0)
    chats = [notebook.chat(0, index) for index in range(WIDGETS)]
    for index, chat in enumerate(chats):
        chat.ask(f"w{index}")
    for chat in chats:
        expect(chat.card("Thought")).to_be_visible()

    notebook.run(1)
    for index, chat in enumerate(chats):
        expect(chat.card("Final answer")).to_have_attribute("data-status", "done")
        expect(chat.card("Final answer")).to_contain_text(f"w{index}-{WORDS - 1}")
        assert without_frame(shown_words(chat), f"w{index}-") == words(f"w{index}")
