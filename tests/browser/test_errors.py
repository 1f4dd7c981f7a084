"""Errors are shown with advice, and the next question can be asked."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.scripted_model import BREAK, call, fail, say

CHAT = 'from reasoning_widget import ReasoningChat\n\nReasoningChat(agent="researcher")'

MODEL_TROUBLE = {
    "a wrong key": ([fail(401, "bad key sk-scripted-secret")], "refused the key (401)"),
    "a quota": ([fail(429, "slow down")], "Wait a moment and ask again"),
    "a crash": ([fail(500, "oops")], "look at the server's log"),
    "a broken line": ([say("It all began when "), BREAK], "broke off in the middle"),
}

AGENTS = """
    from reasoning_widget import AgentManager, ReasoningChat

    async def raises(prompt):
        yield {"type": "thought", "content": "This will not end well."}
        raise ValueError("the well is dry")

    async def confused(prompt):
        yield "no step at all"

    async def fine(prompt):
        yield {"type": "final_answer", "content": "All is well."}

    agents = AgentManager()
    for agent in (raises, confused, fine):
        agents.register(agent.__name__, agent)
    ReasoningChat(agent="raises", agents=agents)
"""

NOBODY_THERE = """
    from reasoning_widget import ReasoningChat

    ReasoningChat(agent="assistant", llm={"model": "m", "model_type": "oai", "model_server": "http://127.0.0.1:9/v1",
                                          "api_key": "none"})
"""


def test_an_exception_shows_the_cell_and_line_that_raised_it(lab):
    chat = lab.open(AGENTS).open_chat()
    chat.ask("Draw water")
    card = chat.card("Error")
    expect(card).to_contain_text("the well is dry")
    where = card.get_by_text("Raised at Cell In[1], line 5, in raises")
    expect(where).to_be_visible()
    expect(card.get_by_text("Traceback (most recent call last)")).to_be_hidden()
    where.click()
    expect(card.get_by_text('raise ValueError("the well is dry")')).to_be_visible()


def test_an_error_of_the_model_is_explained(lab, model):
    for name, (turn, _) in MODEL_TROUBLE.items():
        model.script(name, [turn])
    chat = lab.open(CHAT).open_chat()
    for number, (name, (_, advice)) in enumerate(MODEL_TROUBLE.items()):
        chat.ask(f"Show me {name}")
        expect(chat.card("Error", number)).to_contain_text(advice)
        chat.expect_ready()
    expect(chat.card("Final answer")).to_contain_text("It all began when")
    expect(chat.region).not_to_contain_text("sk-scripted-secret")

    chat.ask("Are you well again?")
    expect(chat.card("Final answer", 1)).to_contain_text("Very well.")


def test_unknown_tools_and_invalid_arguments_are_explained(lab, model):
    model.script("fly", [[call("fly_to_the_moon", {"speed": "high"})], [say("I cannot fly.")]])
    model.script("sum", [[call("calculate", "6 times 7, please")], [say("I cannot count.")]])
    chat = lab.open(CHAT).open_chat()

    chat.ask("Can you fly?")
    expect(chat.card("Final answer")).to_contain_text("I cannot fly.")
    expect(chat.card("Tool result")).to_have_attribute("data-status", "failed")
    expect(chat.card("Tool result")).to_contain_text("fly_to_the_moon")

    chat.ask("What is the sum?")
    expect(chat.card("Final answer", 1)).to_contain_text("I cannot count.")
    expect(chat.card("Tool result", 1)).to_have_attribute("data-status", "failed")
    expect(chat.card("Tool result", 1)).to_contain_text("JSON object")
    expect(chat.card("Tool use", 1)).to_contain_text("6 times 7, please")
    chat.expect_ready()


def test_errors_of_agents_and_missing_models_are_explained(lab):
    notebook = lab.open(AGENTS, NOBODY_THERE, "ReasoningChat(agent='nobody')")
    chat = notebook.open_chat()
    chat.ask("How is the well?")
    expect(chat.card("Error")).to_contain_text("ValueError: the well is dry")
    expect(chat.card("Thought")).to_contain_text("This will not end well.")

    chat.agent.select_option("confused")
    chat.ask("What is that?")
    expect(chat.card("Error", 1)).to_contain_text("Yield dictionaries such as")

    chat.agent.select_option("fine")
    chat.ask("And now?")
    expect(chat.card("Final answer")).to_contain_text("All is well.")

    alone = notebook.open_chat(1)
    alone.ask("Is anybody there?")
    expect(alone.card("Error")).to_contain_text("No model answers at http://127.0.0.1:9")
    alone.expect_ready()

    expect(notebook.run(2)).to_contain_text('There is no agent "nobody". Known agents: "assistant", "researcher"')
