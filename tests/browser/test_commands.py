"""The sidebar's commands in JupyterLab's palette, its settings in JupyterLab's editor, the browser's notifications."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from tests.browser.sidebar import Sidebar
from tests.scripted_model import gate, say

NOTIFY = "Notify Me When an Agent Has Finished"
DISABLED = re.compile("lm-mod-disabled")
TOGGLED = re.compile("lm-mod-toggled")

# The system shows notifications, so they are recorded here and can be clicked.
NOTED = """
    window.noted = [];
    window.Notification = class extends Notification {
        constructor(title, options) {
            super(title, options);
            window.noted.push(this);
        }
    };
"""
# In a headless browser, a page is never hidden.
HIDDEN = "hidden => Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden })"


@pytest.fixture
def notebook(lab, jupyter):
    """A notebook in JupyterLab, whose settings are reset after the test."""
    yield lab.open("1 / 0")
    jupyter.fetch("PUT", "lab/api/settings/reasoning-widget:plugin", {"raw": "{}"})


@pytest.fixture
def sidebar(notebook) -> Sidebar:
    return Sidebar(notebook.page)


def command(page: Page, label: str) -> Locator:
    """Open the palette and find a command in it."""
    field = page.locator(".lm-CommandPalette-input:visible")
    if field.count() == 0:
        page.evaluate("() => void window.jupyterapp.commands.execute('apputils:activate-command-palette')")
    field.fill(label)
    return page.locator(".lm-CommandPalette-item").filter(has=page.get_by_text(label, exact=True)).first


def choose(page: Page, label: str) -> None:
    expect(command(page, label)).not_to_have_class(DISABLED)
    command(page, label).click()


def test_the_palette_takes_a_session_from_beginning_to_end(sidebar):
    page = sidebar.page
    for label in (
        "Rename Agent Session…",
        "Delete Agent Session…",
        "Export Agent Session as HTML",
        "Explain This Error",
    ):
        expect(command(page, label)).to_have_class(DISABLED)

    choose(page, "New Agent Session")
    sidebar.chat.ask("What is a zymurgist?")
    expect(sidebar.chat.card("Final answer")).to_contain_text("Very well.")
    choose(page, "Rename Agent Session…")
    page.get_by_role("dialog").get_by_role("textbox").fill("Brewing")
    page.get_by_role("dialog").get_by_role("button", name="Ok").click()
    expect(sidebar.title).to_have_text("Brewing")
    with page.expect_download() as download:
        choose(page, "Export Agent Session as Table (CSV)")
    assert download.value.suggested_filename == "Brewing.csv"
    choose(page, "Delete Agent Session…")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(sidebar.session("Brewing")).to_have_count(0)


def test_the_palette_attaches_cells_and_inserts_a_chat(notebook, sidebar):
    page = sidebar.page
    notebook.run(0)
    notebook.select(0)
    choose(page, "Explain This Error")
    expect(sidebar.chips).to_have_text("Cell [1] of notebook1.ipynb")
    expect(sidebar.chat.message).to_have_value("Why does this cell fail, and how do I fix it?")
    notebook.select(0)
    choose(page, "Insert Reasoning Chat")
    expect(notebook.cell(1)).to_contain_text("ReasoningChat")


def test_the_settings_say_how_sessions_begin(sidebar):
    page = sidebar.page
    page.evaluate("() => void window.jupyterapp.commands.execute('settingeditor:open', { query: 'Agent Sessions' })")
    settings = page.locator(".jp-SettingsPanel")
    saved = False

    def read_again(response: Response) -> bool:
        """Whether JupyterLab has applied the settings that it has just saved."""
        nonlocal saved
        if not response.url.partition("?")[0].endswith("reasoning-widget:plugin"):
            return False
        sent = response.request.post_data or ""
        saved = saved or ("researcher" in sent and "false" in sent)
        return saved and response.request.method == "GET"

    with page.expect_response(read_again):
        settings.locator("[label=Agent]").fill("researcher")
        settings.get_by_label("Reasoning", exact=True).uncheck()
    chat = sidebar.new()
    expect(chat.agent).to_have_value("researcher")
    expect(chat.reasoning).to_have_attribute("aria-checked", "false")


class TestNotifications:
    @pytest.fixture
    def window_options(self):
        return {}

    @pytest.fixture
    def window(self, window, jupyter):
        window.grant_permissions(["notifications"], origin=jupyter.origin)
        window.add_init_script(NOTED)
        return window

    def test_tell_that_a_run_has_ended_while_the_page_was_hidden(self, model, sidebar):
        page = sidebar.page
        model.script("story", [[say("Once upon "), gate("told"), say("a time.")]])
        choose(page, NOTIFY)
        expect(command(page, NOTIFY)).to_have_class(TOGGLED)
        page.keyboard.press("Escape")

        sidebar.ask("Seen by the reader")
        chat = sidebar.new()
        chat.ask("Tell me a story")
        expect(chat.card("Final answer")).to_contain_text("Once upon")
        sidebar.back()
        page.evaluate(HIDDEN, True)
        model.open("told")
        page.wait_for_function("() => window.noted.length > 0")
        said = page.evaluate("() => window.noted.map(({ title, body }) => [title, body])")
        assert said == [["Tell me a story", "The answer is ready."]]

        page.evaluate(HIDDEN, False)
        page.evaluate("() => window.noted[0].onclick()")
        expect(sidebar.title).to_have_text("Tell me a story")

    def test_are_not_shown_unless_requested(self, model, sidebar):
        page = sidebar.page
        page.evaluate(HIDDEN, True)
        sidebar.ask("Not told")
        assert page.evaluate("() => window.noted.length") == 0


class TestWithoutPermission:
    @pytest.fixture
    def window_options(self):
        return {}

    def test_notifications_stay_off_and_the_reason_is_shown(self, sidebar):
        page = sidebar.page
        choose(page, NOTIFY)
        expect(page.get_by_role("dialog")).to_contain_text("The browser blocks them.")
        page.get_by_role("dialog").get_by_role("button").click()
        expect(command(page, NOTIFY)).not_to_have_class(TOGGLED)


class TestWithoutNotifications:
    @pytest.fixture
    def window_options(self):
        return {}

    @pytest.fixture
    def window(self, window, jupyter):
        window.add_init_script("delete window.Notification")
        jupyter.fetch("PUT", "lab/api/settings/reasoning-widget:plugin", {"raw": '{"notifications": true}'})
        return window

    def test_a_run_ends_unnoticed_and_the_command_says_why(self, lab, sidebar):
        page = sidebar.page
        page.evaluate(HIDDEN, True)
        sidebar.ask("Not noticed")
        page.evaluate(HIDDEN, False)
        choose(page, NOTIFY)  # switch it off
        expect(command(page, NOTIFY)).not_to_have_class(TOGGLED)
        page.keyboard.press("Escape")
        choose(page, NOTIFY)
        expect(page.get_by_role("dialog")).to_contain_text("This browser does not support notifications")
        assert lab.errors == []


def test_each_command_describes_its_arguments(sidebar):
    described = sidebar.page.evaluate(
        """async () => {
            const { commands } = jupyterapp;
            const ours = commands.listCommands().filter(id => id.startsWith("reasoning-widget:"));
            return Promise.all(ours.map(async id => [id, (await commands.describedBy(id)).args?.type ?? null]));
        }"""
    )
    assert len(described) > 10
    assert [name for name, kind in described if kind != "object"] == []
