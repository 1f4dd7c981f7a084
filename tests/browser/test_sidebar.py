"""Sessions of the server in JupyterLab's sidebar and in tabs."""

from __future__ import annotations

import re
import struct

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.lab import DARK, LIGHT, choose
from tests.browser.sidebar import Sidebar
from tests.browser.test_keyboard import tab_to
from tests.scripted_model import gate, say, think


@pytest.fixture
def notebook(lab):
    return lab.open("print('never run')")


@pytest.fixture
def sidebar(notebook):
    return Sidebar(notebook.page)


def test_a_session_is_created_listed_searched_renamed_exported_and_deleted(sidebar):
    page = sidebar.page
    chat = sidebar.ask("What is a zymurgist?")
    chat.expect_cards("Final answer")
    expect(sidebar.title).to_have_text("What is a zymurgist?")
    chat.card("Final answer").click(button="right")
    with page.expect_download() as download:
        choose(page, "Export as", "HTML")
    assert download.value.suggested_filename == "What is a zymurgist.html"
    sidebar.back()
    expect(sidebar.session("What is a zymurgist?")).to_contain_text("1 question")

    sidebar.search.fill("nothing like it")
    expect(sidebar.region.get_by_role("status")).to_contain_text("No session contains")
    expect(sidebar.sessions).to_have_count(0)
    sidebar.search.fill("zymurg")
    expect(sidebar.sessions).to_have_count(1)
    expect(sidebar.sessions.locator("mark").first).to_have_text("zymurg")

    sidebar.choose("What is a zymurgist?", "Rename…")
    page.get_by_role("dialog").get_by_role("textbox").fill("Brewing")
    page.get_by_role("dialog").get_by_role("button", name="Ok").click()
    expect(sidebar.session("Brewing")).to_be_visible()

    for name, ending, text in (
        ("JSON", "json", '"zymurg'),
        ("Markdown", "md", "zymurgist?"),
        ("HTML", "html", "zymurgist?"),
        ("Notebook", "ipynb", "zymurgist?"),
        ("Table (CSV)", "csv", "zymurgist?"),
    ):
        with page.expect_download() as download:
            sidebar.choose("Brewing", "Export as", name)
        assert download.value.suggested_filename == f"Brewing.{ending}"
        assert text.lstrip('"') in download.value.path().read_text()

    sidebar.choose("Brewing", "Delete…")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(sidebar.session("Brewing")).to_be_visible()
    sidebar.choose("Brewing", "Delete…")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(sidebar.sessions).to_have_count(0)


def test_the_sidebar_works_and_shows_status_while_the_kernel_is_busy(lab, model):
    model.script("story", [[think("A story."), say("Once upon a time "), gate("told"), say("the end.")]])
    notebook = lab.open("import threading; threading.Event().wait()")
    sidebar = Sidebar(notebook.page)
    notebook.start(0)
    expect(notebook.prompt(0)).to_have_text("[*]:")
    chat = sidebar.new()
    chat.ask("Tell me a very long story")
    expect(chat.card("Final answer")).to_contain_text("Once upon a time")
    expect(notebook.prompt(0)).to_have_text("[*]:")

    expect(sidebar.status).to_have_accessible_name(re.compile(": 2 steps$"))
    sidebar.region.get_by_role("button", name="Open in a tab").click()
    expect(sidebar.tab("● 2 · Tell me a very long story")).to_be_visible()
    expect(sidebar.session("Tell me a very long story")).to_have_attribute("data-status", "running")
    model.open("told")
    expect(sidebar.tab_chat().card("Final answer")).to_contain_text("the end.")
    expect(sidebar.tab("Tell me a very long story")).to_have_text("Tell me a very long story")
    expect(sidebar.session("Tell me a very long story")).to_have_attribute("data-status", "completed")
    expect(sidebar.status).to_have_count(0)
    notebook.interrupt()


def test_a_running_agent_is_followed_after_a_reload_until_its_session_is_deleted(lab, model):
    model.script("saga", [[say("Once upon a time "), gate("sung"), say("the end.")]])
    sidebar = Sidebar(lab.open("print('never run')").page)
    page = sidebar.page
    chat = sidebar.new()
    page.get_by_role("button", name="Actions for New session").click()
    expect(page.get_by_role("menuitem", name="Delete…")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Escape")
    chat.ask("Sing me the saga")
    status = page.locator("#jp-main-statusbar").get_by_text("1 step")
    expect(status).to_be_visible()
    with page.expect_response(lambda response: "/api/workspaces/" in response.url and response.request.method == "PUT"):
        sidebar.command("application:toggle-right-area")
    expect(sidebar.region).to_be_hidden()

    page.reload()
    expect(status).to_be_visible()
    expect(sidebar.region).to_be_hidden()
    sidebar.show()
    sidebar.choose("Sing me the saga", "Delete…")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(sidebar.search).to_be_visible()
    expect(status).to_have_count(0)
    expect(sidebar.session("Sing me the saga")).to_have_count(0)
    model.open("sung")


def test_drafts_and_waiting_messages_are_kept_after_visiting_the_list(sidebar):
    chat = sidebar.ask("Is anything lost?")
    sidebar.region.get_by_role("button", name="Disconnect").click()
    chat.ask("And without a connection?")
    sidebar.back()
    sidebar.session("Is anything lost?").get_by_role("button").first.click()
    expect(chat.region).to_contain_text("And without a connection?")
    sidebar.region.get_by_role("button", name="Connect", exact=True).click()
    expect(chat.card("Final answer", 1)).to_contain_text("Very well.")

    sidebar.new().message.fill("A question, half")
    sidebar.back()
    sidebar.region.get_by_role("button", name="New session").click()
    expect(sidebar.chat.message).to_have_value("A question, half")


def test_a_cell_is_asked_about_and_the_answer_becomes_cells(lab, model):
    model.script("fail", ["Define it first:\n\n```python\nprice = 3\nprint(price)\n```\n"])
    notebook = lab.open("print(price)", "2 + 2")
    page, sidebar = notebook.page, Sidebar(notebook.page)
    notebook.run(0)
    notebook.select(0)
    sidebar.command("reasoning-widget:explain-error")
    expect(sidebar.chips).to_have_text("Cell [1] of notebook1.ipynb")
    notebook.select(1)
    sidebar.command("reasoning-widget:ask-about-cell")
    expect(sidebar.chips).to_have_count(2)
    sidebar.region.get_by_role("button", name="Remove Cell of notebook1.ipynb").click()
    expect(sidebar.chips).to_have_count(1)
    chat = sidebar.chat
    expect(chat.message).to_have_value("Why does this cell fail, and how do I fix it?")
    chat.send.click()
    expect(sidebar.chips).to_have_count(0)
    answer = chat.card("Final answer")
    expect(answer).to_contain_text("price = 3")
    asked = model.requests[-1].body["messages"][-1]["content"]
    assert "print(price)\n```" in str(asked)
    assert "NameError: name 'price' is not defined" in str(asked)
    question = chat.region.get_by_role("group", name="You")
    expect(question.locator("summary")).to_have_text("Cell [1] of notebook1.ipynb")

    notebook.select(0)
    answer.get_by_role("button", name="Insert Below").click()
    expect(notebook.cell(1)).to_contain_text("price = 3")
    notebook.select(0)
    answer.get_by_role("button", name="Replace Cell").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("[data-change=added]")).to_contain_text("price = 3")
    expect(dialog.locator("[data-change=same]")).to_contain_text("print(price)")
    assert violations(dialog) == []
    dialog.get_by_role("button", name="Replace").click()
    expect(notebook.cell(0)).to_contain_text("price = 3")
    answer.get_by_role("button", name="Copy", exact=True).click()
    assert page.evaluate("navigator.clipboard.readText()") == "price = 3\nprint(price)"

    notebook.select(0)
    saved = notebook.save()
    marks = [cell.metadata.get("reasoning_widget") for cell in saved.cells]
    assert marks[0] == marks[1]
    assert set(marks[0]) == {"session", "step"}
    assert marks[2] is None


def test_a_session_in_a_tab_is_as_wide_as_the_tab(sidebar):
    page = sidebar.page
    sidebar.ask("Tell me of width")
    sidebar.region.get_by_role("button", name="Open in a tab").click()
    chat = sidebar.tab_chat()
    expect(chat.card("Final answer")).to_contain_text("Very well.")

    def width(locator):
        return locator.bounding_box()["width"]

    for size in (1280, 1100, 1600):
        page.set_viewport_size({"width": size, "height": 900})
        dock = page.locator("#jp-main-dock-panel")
        page.wait_for_function(
            "([tab, dock]) => tab.clientWidth > dock.clientWidth - 24",
            arg=[page.locator("#jp-main-dock-panel .rw-lab-chat").element_handle(), dock.element_handle()],
        )
        assert width(chat.message) > 0.6 * min(width(dock), 900)
        assert width(chat.card("Final answer")) > 0.6 * min(width(dock), 900)
    for part in (sidebar.tab_chat().region, page.locator("#jp-main-dock-panel .rw-lab-chat")):
        assert part.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_sessions_open_in_tabs_side_by_side_and_are_restored_with_the_page(sidebar):
    page = sidebar.page
    for question in ("First question", "Second question"):
        sidebar.ask(question)
        sidebar.region.get_by_role("button", name="Open in a tab").click()
        expect(sidebar.tab(question)).to_be_visible()
    sidebar.ask("Third question")
    sidebar.chat.message.fill("half a thought")
    sidebar.tab("First question").click()
    expect(sidebar.tab_chat().card("Final answer")).to_contain_text("Very well.")

    # The panel moves to the other side unchanged.
    page.evaluate("""() => {
        const { shell } = window.jupyterapp;
        shell.add([...shell.widgets("right")].find(({ id }) => id === "reasoning-widget-panel"), "left");
    }""")
    sidebar.show()
    expect(sidebar.chat.message).to_have_value("half a thought")
    expect(sidebar.chat.card("Final answer")).to_contain_text("Very well.")

    with page.expect_response(lambda response: "/api/workspaces/" in response.url and response.request.method == "PUT"):
        sidebar.tab("Second question").click()
    page.reload()
    expect(sidebar.tab("First question")).to_be_visible()
    for question in ("First question", "Second question"):
        sidebar.tab(question).click()
        expect(sidebar.tab_chat().region.get_by_role("group", name="You")).to_have_text(question)
    sidebar.show()
    expect(sidebar.title).to_have_text("Third question")


def test_the_sidebar_opens_from_the_launcher(sidebar):
    sidebar.command("launcher:create")
    sidebar.page.get_by_role("button", name="Agent Session", exact=True).click()
    chat = sidebar.tab_chat()
    expect(chat.message).to_be_focused()
    chat.ask("Hello?")
    expect(chat.card("Final answer")).to_contain_text("Very well.")
    expect(sidebar.tab("Hello?")).to_be_visible()


def test_the_shortcut_that_first_opens_the_panel_also_focuses_it(notebook, sidebar):
    keyboard = sidebar.page.keyboard
    notebook.select(0)
    keyboard.press("Control+Alt+.")
    expect(sidebar.search).to_be_focused()
    sidebar.ask("Where does the cursor go?")
    notebook.command("application:toggle-right-area")
    expect(sidebar.region).to_be_hidden()
    with sidebar.page.expect_response(
        lambda response: "/api/workspaces/" in response.url and response.request.method == "PUT"
    ):
        notebook.select(0)
    notebook.reload()
    notebook.select(0)
    keyboard.press("Control+Alt+.")
    expect(sidebar.chat.message).to_be_focused()
    expect(sidebar.title).to_have_text("Where does the cursor go?")


def test_a_session_can_be_used_with_the_keyboard_only(notebook, sidebar):
    keyboard = sidebar.page.keyboard
    notebook.select(0)
    keyboard.press("Control+Alt+g")
    expect(sidebar.chat.message).to_be_focused()
    expect(sidebar.chips).to_have_count(1)
    tab_to(sidebar.page, sidebar.chips.get_by_role("button"), "Shift+Tab")
    keyboard.press("Enter")
    expect(sidebar.chips).to_have_count(0)
    tab_to(sidebar.page, sidebar.chat.message)
    keyboard.type("Who is there?")
    keyboard.press("Enter")
    expect(sidebar.chat.card("Final answer")).to_contain_text("Very well.")
    tab_to(sidebar.page, sidebar.region.get_by_role("button", name="All sessions"), "Shift+Tab")
    keyboard.press("Enter")
    expect(sidebar.search).to_be_focused()
    keyboard.type("who is")
    expect(sidebar.sessions.locator("mark").first).to_be_visible()
    tab_to(sidebar.page, sidebar.sessions.first.get_by_role("button").first)
    keyboard.press("Enter")
    expect(sidebar.chat.message).to_be_focused()
    expect(sidebar.title).to_have_text("Who is there?")


def test_the_sidebar_is_available_in_notebook_7(lab, window, jupyter):
    path = lab.write("1 + 1")
    page = window.new_page()
    page.goto(f"{jupyter.origin}/notebooks/{path.relative_to(jupyter.root).as_posix()}?token={jupyter.token}")
    expect(page.locator(".jp-Notebook .jp-Cell").first).to_be_visible()
    page.get_by_role("menuitem", name="View", exact=True).click()
    choose(page, "Agent Sessions")
    sidebar = Sidebar(page)
    sidebar.region.get_by_role("button", name="New session").click()
    sidebar.chat.ask("Hello?")
    expect(sidebar.chat.card("Final answer")).to_contain_text("Very well.")
    expect(sidebar.region.get_by_role("button", name="Open in a tab")).to_have_count(0)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_axe_finds_nothing_in_the_sidebar(lab, theme):
    notebook = lab.open("1 + 1", theme=theme)
    sidebar = Sidebar(notebook.page)
    notebook.run(0)
    sidebar.ask("Hello?")
    sidebar.command("reasoning-widget:ask-about-cell")
    expect(sidebar.chips).to_have_count(1)
    assert violations(sidebar.region) == []
    sidebar.back()
    expect(sidebar.sessions.first).to_be_visible()
    assert violations(sidebar.region) == []


PICTURE = {"width": 1440, "height": 900}
READING = """
    months = {"June": (412, 301), "July": (377, 284), "August": (305, 285)}
    for month, (made, used) in months.items():
        print(f"{month:8}{made:5} kWh made{used:5} kWh used")
"""
FAILING = "surplus = sum(made for made, _ in months) - sum(used for _, used in months)\nsurplus"
EXPLAINED = """
`months` is a dictionary: going through it gives its **keys**, such as `"June"`, and a name of four letters cannot be
taken apart into `made` and `used`. Go through its values:

```python
surplus = sum(made - used for made, used in months.values())
surplus
```

The result is 224 kWh.
""".strip()


class TestPicture:
    @pytest.fixture
    def window_options(self):
        return {"viewport": PICTURE, "device_scale_factor": 2}

    @pytest.mark.parametrize(("name", "theme"), [("sidebar-light", LIGHT), ("sidebar-dark", DARK)])
    def test_of_the_sidebar_in_the_readme(self, lab, model, repository, name, theme):
        thought = "The traceback says: too many values to unpack. What does the loop go through?"
        model.script("fail", [[think(thought), say(EXPLAINED)]])
        notebook = lab.open(READING, FAILING, "", theme=theme)
        page, sidebar = notebook.page, Sidebar(notebook.page)
        notebook.run(0)
        notebook.run(1)
        notebook.command("application:toggle-left-area")
        notebook.select(1)
        sidebar.command("reasoning-widget:explain-error")
        expect(sidebar.chat.agent).not_to_have_value("")
        sidebar.chat.agent.select_option("assistant")
        sidebar.chat.message.press("Enter")
        expect(sidebar.chat.card("Final answer").get_by_role("button", name="Replace Cell")).to_be_enabled()
        sidebar.chat.expect_ready()
        notebook.select(1)
        sidebar.command("reasoning-widget:ask-about-cell")
        expect(sidebar.chips).to_have_count(1)
        sidebar.chat.message.blur()
        picture = repository / "docs" / "images" / f"{name}.png"
        if not picture.exists():
            page.screenshot(path=picture, animations="disabled", caret="hide")
        width, height = struct.unpack(">II", picture.read_bytes()[16:24])
        assert (width, height) == (2 * PICTURE["width"], 2 * PICTURE["height"])
