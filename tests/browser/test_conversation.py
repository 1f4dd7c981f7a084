"""A conversation from a person's view: ask, watch, read, ask again."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest
from playwright.sync_api import expect

from tests.scripted_model import call, gate, say, think

RESEARCHER = 'from reasoning_widget import ReasoningChat\n\nReasoningChat(agent="researcher")'
ASSISTANT = 'from reasoning_widget import ReasoningChat\n\nchat = ReasoningChat(agent="assistant")\nchat'

PLANNER = """
    from reasoning_widget import ReasoningChat

    async def planner(prompt):
        yield {"type": "plan", "id": "p", "content": "Look", "status": "streaming"}
        yield {"type": "plan", "id": "p", "append": ", then leap.", "status": "done"}
        yield {"type": "final_answer", "id": "a", "content": ""}
        for word in ("It ", "is ", "done."):
            yield {"type": "final_answer", "id": "a", "append": word}

    ReasoningChat(planner)
    """

TABLE = """
| Month | Output |
| --- | ---: |
| June | 412 kWh |

- first
- second

```python
def area(r):
    return 3.14 * r ** 2
```

The sum is $\\sum_{i=1}^n i = \\frac{n(n+1)}{2}$.
"""


def test_an_agents_own_type_of_step_is_shown_and_appended_text_grows(lab):
    chat = lab.open(dedent(PLANNER)).open_chat()

    chat.ask("Go")

    expect(chat.card("plan")).to_contain_text("Look, then leap.")
    expect(chat.card("Final answer")).to_contain_text("It is done.")
    chat.expect_cards("plan", "Final answer")


@pytest.fixture
def energy(lab, model):
    """A file, and a model that searches for it."""
    (lab.folder / "energy.md").write_text("# Energy\n\nThe solar roof made 412 kWh in June.\n", encoding="utf-8")
    first = [think("I should look "), gate("thinking"), think("into the files."), gate("thought")]
    model.script(
        "solar",
        [
            [*first, call("search_files", {"query": "solar roof June"})],
            [say("The solar roof made "), gate("answering"), say("**412 kWh** [energy.md:3].")],
        ],
    )


def test_the_cards_appear_in_order_and_grow_before_the_run_ends(lab, model, energy):
    chat = lab.open(RESEARCHER).open_chat()
    expect(chat.region).to_have_accessible_name("Chat with researcher")

    chat.ask("What did the solar roof make?")
    expect(chat.card("Thought")).to_contain_text("I should look")
    expect(chat.card("Thought")).to_have_attribute("data-status", "streaming")
    chat.expect_cards("Thought")

    model.open("thinking")
    expect(chat.card("Thought")).to_contain_text("I should look into the files.")
    chat.expect_cards("Thought")

    model.open("thought")
    expect(chat.card("Final answer")).to_contain_text("The solar roof made")
    expect(chat.card("Final answer")).to_have_attribute("data-status", "streaming")
    expect(chat.stop).to_be_enabled()

    model.open("answering")
    chat.expect_ready()
    chat.expect_cards("Thought", "Tool use", "Tool result", "Final answer")
    expect(chat.card("Final answer")).to_contain_text("The solar roof made 412 kWh [energy.md:3].")
    expect(chat.card("Final answer").locator("strong")).to_have_text("412 kWh")


def test_a_finished_card_shows_its_type_status_and_duration(lab, model, energy):
    chat = lab.open(RESEARCHER).open_chat()
    for name in ("thinking", "thought", "answering"):
        model.open(name)
    chat.ask("What did the solar roof make?")
    expect(chat.card("Final answer")).to_have_attribute("data-status", "done")

    types = ["thought", "tool_use", "tool_result", "final_answer"]
    for number, (card, kind) in enumerate(zip(chat.cards.all(), types, strict=True), 1):
        expect(card).to_have_attribute("data-step-type", kind)
        expect(card).to_have_attribute("data-status", "done")
        expect(card).to_have_accessible_name(re.compile(rf"step {number}$"))
        expect(card).to_contain_text(re.compile(r"\d m?s"))
    assert len({card.get_attribute("data-step-id") for card in chat.cards.all()}) == len(types)
    expect(chat.open("Tool use")).to_contain_text("solar roof June")
    expect(chat.open("Tool result")).to_contain_text("The solar roof made 412 kWh in June.")


def test_markdown_is_rendered(lab, model):
    model.script("everything", [[say(TABLE)]])
    chat = lab.open(ASSISTANT).open_chat()
    chat.ask("Show me everything")

    answer = chat.card("Final answer")
    expect(answer.get_by_role("cell", name="412 kWh")).to_be_visible()
    expect(answer.get_by_role("listitem")).to_have_text(["first", "second"])
    expect(answer.locator("pre code")).to_contain_text("def area(r):")
    expect(answer.locator("pre code span").first).to_be_visible()
    expect(answer.locator("math mfrac")).to_be_visible()


MIXED = """
Let $x_1$ be <b>bold</b>, Vec<String> and **「強調」**です:

$$
\\frac{1}{2}
$$

```python
print(42)
```

- [x] done

> [!NOTE]
> Be careful.
"""


def test_copying_from_an_answer_copies_its_source(lab, model):
    model.script("everything", [[say(MIXED)]])
    chat = lab.open(ASSISTANT).open_chat()
    chat.ask("Show me everything")
    answer = chat.card("Final answer")
    expect(answer.locator("math mfrac")).to_be_visible()
    expect(answer.locator("strong", has_text="「強調」")).to_be_visible()

    answer.evaluate("card => document.getSelection().selectAllChildren(card)")
    answer.page.keyboard.press("Control+C")
    copied = answer.page.evaluate("navigator.clipboard.readText()")

    for text in (
        "Let $x_1$ be bold, Vec<String> and 「強調」です:",
        "$$\n\\frac{1}{2}\n$$",
        "print(42)",
        "☑ done",
        "Be careful.",
    ):
        assert text in copied
    for name in ("Copy", "Final answer", "Run", "Insert"):
        assert name not in copied


def test_a_text_made_to_freeze_the_page_is_shown_as_its_source(lab, model):
    deep = "\\frac{1}{" * 300 + "x" + "}" * 300
    model.script("freeze", [[say("*a_" * 40_000), say(f"\n\n${deep}$\n\n"), say("> " * 5000 + "deep\n\nThe end.")]])
    chat = lab.open(ASSISTANT).open_chat()
    chat.ask("freeze")

    answer = chat.card("Final answer")
    expect(answer).to_have_attribute("data-status", "done")
    expect(answer.get_by_text("The end.")).to_be_attached()
    expect(answer.get_by_text("Shown as its source: too costly to draw.")).to_have_count(3)


def test_agent_reasoning_and_clear(lab, model, energy):
    for name in ("thinking", "thought", "answering"):
        model.open(name)
    chat = lab.open(ASSISTANT).open_chat()
    chat.ask("Hello there")
    expect(chat.card("Final answer")).to_contain_text("Very well.")

    chat.agent.select_option("researcher")
    chat.reasoning.click()
    expect(chat.reasoning).to_have_attribute("aria-checked", "false")
    chat.ask("What did the solar roof make?")
    expect(chat.card("Final answer", 1)).to_contain_text("412 kWh")
    chat.expect_cards("Final answer", "Final answer")
    asked = [message["content"] for message in model.requests[1].messages if message["role"] != "system"]
    assert "Hello there" in str(asked[0])

    chat.clear.dblclick()  # a hasty double click
    expect(chat.card("Final answer", 1)).to_be_visible()
    chat.clear.click()
    chat.region.get_by_role("button", name="Clear the conversation").click()
    expect(chat.cards).to_have_count(0)
    expect(chat.region).not_to_contain_text("Hello there")
    chat.ask("Are you still there?")
    expect(chat.card("Final answer")).to_contain_text("Very well.")


def test_messages_that_cannot_be_sent_are_explained(lab, model):
    chat = lab.open(ASSISTANT).open_chat()
    expect(chat.send).to_be_disabled()
    chat.message.fill("  \n ")
    expect(chat.send).to_be_disabled()
    chat.message.press("Enter")

    long = "0123456789" * 100_000
    chat.ask(long)
    expect(chat.region.get_by_role("alert")).to_contain_text("put the text into a file")
    expect(chat.message).to_have_value(long)
    assert model.requests == []

    chat.ask("short")
    expect(chat.card("Final answer")).to_contain_text("Very well.")


def test_copying_a_card_copies_its_source(lab, model):
    model.script("bold", [[say("This is **bold**.")]])
    notebook = lab.open(ASSISTANT)
    chat = notebook.open_chat()
    chat.ask("Say something bold")
    expect(chat.card("Final answer")).to_have_attribute("data-status", "done")

    chat.card("Final answer").get_by_role("button", name="Copy").click()
    notebook.page.wait_for_function("async () => (await navigator.clipboard.readText()) === 'This is **bold**.'")


def test_long_results_are_shortened_until_expanded(lab):
    chat = lab.open(
        """
        from reasoning_widget import ReasoningChat

        async def lister(prompt):
            yield {"type": "tool_use", "content": "", "tool": {"name": "list", "arguments": '{"deep": true}'}}
            yield {"type": "tool_result", "content": "\\n".join(f"file number {n}" for n in range(5000)),
                   "tool": {"name": "list"}}
            yield {"type": "final_answer", "content": "Many."}

        ReasoningChat(agent=lister)
        """
    ).open_chat()
    chat.ask("List")
    expect(chat.card("Final answer")).to_be_visible()

    result = chat.open("Tool result")
    for end in ("file number 0", "file number 4999"):
        expect(result).to_contain_text(end)
    expect(result).not_to_contain_text("file number 2500")
    result.get_by_role("button", name=re.compile("show all", re.IGNORECASE)).click()
    expect(result).to_contain_text("file number 2500")
    expect(chat.open("Tool use")).to_contain_text("deep")


def test_the_notebook_keeps_the_answer_for_readers_without_a_kernel(lab, model):
    model.script("June", [[say("In June it was **412 kWh**.")]])
    notebook = lab.open(ASSISTANT)
    chat = notebook.open_chat()
    chat.ask("What was it in June?")
    expect(chat.card("Final answer")).to_have_attribute("data-status", "done")
    notebook.wait_for_saved("In June it was **412 kWh**.")

    (output,) = notebook.save()["cells"][0]["outputs"]
    assert "<strong>412 kWh</strong>" in output["data"]["text/html"]
    assert "In June it was **412 kWh**." in output["data"]["text/markdown"]
    assert "What was it in June?" in output["data"]["text/markdown"]
