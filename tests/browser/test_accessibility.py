"""Accessibility of a conversation: axe, screen readers, reduced motion and forced colours."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import heard, listen, moving, violations, with_edge
from tests.browser.lab import DARK, LIGHT
from tests.browser.sidebar import Sidebar
from tests.browser.test_look import ALL_FIVE
from tests.scripted_model import call, gate, say, think

ASKING = """
    from reasoning_widget import ReasoningChat, current_run

    async def careful(prompt):
        answer = await current_run().ask({"kind": "approval", "prompt": "Delete the file?"})
        yield {"type": "final_answer", "content": str(answer)}

    ReasoningChat(agent=careful)
"""
RESEARCHER = 'from reasoning_widget import ReasoningChat\n\nReasoningChat(agent="researcher")'


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_axe_finds_nothing_in_a_chat(lab, theme):
    notebook = lab.open(ALL_FIVE, theme=theme)
    chat = notebook.open_chat()
    assert violations(chat.region) == []
    chat.ask("fail")
    notebook.wait_for_saved("The well is dry.")
    expect(chat.card("Error")).to_be_visible()
    for name in ("Thought", "Tool use", "Tool result"):
        chat.open(name)
    expect(chat.card("Final answer").locator("math")).to_be_visible()
    assert violations(chat.region) == []


def test_a_screen_reader_hears_each_step_once_and_no_token(lab, model):
    (lab.folder / "energy.md").write_text("The solar roof made 412 kWh in June.\n", encoding="utf-8")
    long = "The roof made 412 kWh. " * 30
    model.script("solar", [[think("I look into it."), call("search_files", {"query": "solar"})], [say(long)]])
    chat = lab.open(RESEARCHER).open_chat()
    listen(chat.region)
    chat.ask("solar?")
    expect(chat.card("Final answer")).to_have_attribute("data-status", "done")
    said = heard(chat.region)
    assert [words.split(":")[0] for words in said if "step" in words] == [
        "Thought, step 1",
        "Tool use, step 2",
        "Tool result, step 3",
        "Final answer, step 4",
    ]
    assert "The roof made 412 kWh." in said[-1]
    assert len(said) == 4


def test_a_session_in_the_sidebar_or_a_tab_announces_each_step_once(lab, model):
    turns = [
        [think("I weigh it."), gate("weighed"), call("calculate", {"expression": "1 + 1"})],
        [say("It weighs "), gate("told"), say("two grams.")],
    ]
    model.script("feather", turns)
    page = lab.open("1 + 1").page
    sidebar = Sidebar(page)
    chat = sidebar.new()
    chat.agent.select_option("researcher")
    listen(page.locator("body"))
    chat.ask("What does a feather weigh?")
    expect(chat.card("Thought")).to_contain_text("I weigh it.")
    model.open("weighed")
    expect(chat.card("Final answer")).to_contain_text("It weighs")
    expect(sidebar.status).to_have_accessible_name(re.compile(": 4 steps$"))
    assert violations(page.locator("#jp-main-statusbar")) == []
    sidebar.region.get_by_role("button", name="Open in a tab").click()
    expect(sidebar.search).to_be_visible()
    model.open("told")
    chat = sidebar.tab_chat()
    expect(chat.card("Final answer")).to_have_attribute("data-status", "done")
    chat.expect_ready()
    steps = ["Thought, step 1", "Tool use, step 2", "Tool result, step 3", "Final answer, step 4: It weighs two grams."]
    assert [words for words in heard(page.locator("body")) if "step" in words] == steps


def test_a_request_of_the_agent_is_announced_once(lab):
    chat = lab.open(ASKING).open_chat()
    listen(chat.region.page.locator("body"))
    chat.ask("go")
    card = chat.region.get_by_role("region", name="Approval requested")
    expect(card).to_be_visible()
    assert violations(chat.region) == []
    card.get_by_role("button", name="Approve").click()
    expect(chat.card("Final answer")).to_contain_text("True")
    said = heard(chat.region)
    assert [words for words in said if "Delete" in words] == ["Approval requested: Delete the file?"]


def test_axe_finds_nothing_during_a_run_and_reduced_motion_is_respected(lab, story, model):
    """The tests' windows request reduced motion; at the end this one does not, to check that motion is detected."""
    chat = lab.open(RESEARCHER).open_chat()
    page, light = chat.region.page, chat.region.locator(".rw-pulse-low").first
    chat.ask("story?")
    expect(chat.card("Thought")).to_have_attribute("data-status", "streaming")
    expect(light).to_have_css("opacity", "1")
    assert moving(chat.region) == []
    assert violations(chat.region) == []
    chat.reasoning.click()
    assert moving(chat.region) == []

    page.emulate_media(reduced_motion="no-preference")
    expect(light).to_have_css("opacity", "0.35")
    assert "rw-switch-track::after" in moving(chat.region)
    chat.stop.click()
    chat.expect_ready()


def test_axe_finds_nothing_in_the_sidebar_and_tabs_with_forced_colours(lab, model):
    model.script("marmot", [[think("It sleeps."), say("It is "), gate("awake"), say("awake.")]])
    sidebar = Sidebar(lab.open("1 + 1").page)
    sidebar.new().ask("What does the marmot do?")
    for open_elsewhere in (True, False):
        chat = sidebar.chat if open_elsewhere else sidebar.tab_chat()
        view = sidebar.page.locator(".rw-lab-chat").locator("visible=true")
        expect(chat.card("Final answer")).to_contain_text("It is")
        expect(view.locator(".rw-pulse-low").first).to_have_css("opacity", "1")
        for colours in ("none", "active"):
            sidebar.page.emulate_media(forced_colors=colours)
            assert moving(view) == []
            assert violations(view) == []
        edges = with_edge(view)
        assert len(edges) == 4
        assert all(edges)
        sidebar.page.emulate_media(forced_colors="none")
        if open_elsewhere:
            sidebar.region.get_by_role("button", name="Open in a tab").click()
            expect(sidebar.search).to_be_visible()
            assert moving(sidebar.region) == []
    model.open("awake")
    chat.expect_ready()


@pytest.fixture
def window_options(request):
    return {"forced_colors": "active"} if "forced" in request.node.name else None


def test_with_forced_colours_cards_and_states_can_be_distinguished(lab):
    notebook = lab.open(ALL_FIVE)
    chat = notebook.open_chat()
    chat.ask("fail")
    notebook.wait_for_saved("The well is dry.")
    expect(chat.card("Error")).to_be_visible()
    edges = with_edge(chat.region)
    assert len(edges) == 7
    assert all(edges)
    bars = chat.region.evaluate(
        "root => new Set([...root.querySelectorAll('.rw-bar')].map(b => getComputedStyle(b).fill)).size"
    )
    assert bars == 5
    assert violations(chat.region) == []
