"""The whole chain with the embedded model, which answers on a machine without any configuration."""

from __future__ import annotations

from playwright.sync_api import expect

CHAT = """
    from reasoning_widget import ReasoningChat

    ReasoningChat(agent="researcher", llm={"model_type": "embedded", "model": "0.5b"})
"""


def test_the_embedded_model_searches_the_files_and_answers(lab):
    (lab.folder / "harbour.md").write_text(
        "# The harbour\n\nThe lighthouse keeper of Port Alba is Marta Lindqvist.\n\nFerries leave at 7:40.\n",
        encoding="utf-8",
    )
    (lab.folder / "garden.md").write_text("# The garden\n\nTomatoes are planted in May.\n", encoding="utf-8")
    chat = lab.open(CHAT).open_chat()
    expect(chat.region).to_contain_text("small model")

    chat.ask("Who is the lighthouse keeper of Port Alba?")
    expect(chat.card("Final answer")).to_contain_text("Lindqvist")
    chat.expect_ready()
    expect(chat.open("Tool result")).to_contain_text("harbour.md")
