"""In a real marimo, the chat and the view of `ask` work and follow its theme."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.hosts import chats, expect_chat_and_asked, script_story, serving
from tests.scripted_model import ScriptedModel

NOTEBOOK = """
import marimo

app = marimo.App()


@app.cell
def _():
    from reasoning_widget import ReasoningChat

    chat = ReasoningChat(agent="assistant")
    chat
    return (chat,)


@app.cell
def _(chat):
    answer = chat.ask("Are you well?")
    return (answer,)


@app.cell
def _(answer, mo):
    mo.md(f"It said: {answer.text}")
    return


@app.cell
def _():
    import marimo as mo

    button = mo.ui.run_button(label="Tell")
    button
    return (button, mo)


@app.cell
def _(button, chat, mo):
    if button.value:
        told = chat.ask("Tell me a story")
        mo.output.append(mo.md(f"It ended: {told.status}"))
    return
"""


@contextlib.contextmanager
def marimo(home: Path, environment: dict[str, str], how: Literal["edit", "run"], theme: str) -> Iterator[str]:
    """Serve the notebook in the editor or as an app, and yield its address."""
    notebook = home / "notebook.py"
    notebook.write_text(NOTEBOOK, "utf-8")
    settings = home / "marimo" / "marimo.toml"
    settings.parent.mkdir()
    settings.write_text(f'[display]\ntheme = "{theme}"\n[runtime]\nauto_instantiate = true\n', "utf-8")
    own = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"), str(home))
    arguments = ("-y", how, "--headless", "--no-token", "--host=127.0.0.1", notebook)
    with serving(home, {**environment, **own, "MARIMO_SKIP_UPDATE_CHECK": "1"}, "marimo", *arguments) as address:
        yield address


@pytest.fixture(autouse=True)
def story(model: ScriptedModel) -> None:
    script_story(model)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_notebook_shows_the_chat_and_the_answer_in_marimos_theme(
    environment: dict[str, str], tmp_path: Path, page: Page, model: ScriptedModel, theme: str
) -> None:
    page.emulate_media(color_scheme="light" if theme == "dark" else "dark")  # the system has the other theme
    with marimo(tmp_path, environment, "edit", theme) as address:
        page.goto(address)
        expect_chat_and_asked(page, model, theme)


def test_the_message_box_stays_in_sight_below_a_long_answer(
    environment: dict[str, str], tmp_path: Path, page: Page, model: ScriptedModel
) -> None:
    model.script("recite", ["\n\n".join(f"Verse {number}." for number in range(1, 61))])
    with marimo(tmp_path, environment, "edit", "light") as address:
        page.goto(address)
        chat, _ = chats(page, 2)
        chat.ask("Please recite")
        expect(chat.card("Final answer", 1)).to_have_attribute("data-status", "done")
        last = chat.region.get_by_text("Verse 60.", exact=True)
        for part in (last, chat.message, chat.send):
            expect(part).to_be_in_viewport(ratio=1)  # marimo makes a tall output scroll


def test_stop_ends_a_sent_prompt_and_interrupting_ends_the_cells_prompt(
    environment: dict[str, str], tmp_path: Path, page: Page
) -> None:
    with marimo(tmp_path, environment, "edit", "light") as address:
        page.goto(address)
        chat, _ = chats(page, 2)
        chat.ask("Tell me a story")
        answer = chat.card("Final answer", 1)
        expect(answer).to_contain_text("Once upon")
        chat.stop.click()
        expect(answer).to_have_attribute("data-status", "stopped")
        chat.expect_ready()

        page.get_by_role("button", name="Tell", exact=True).click()
        chat, _, asked = chats(page, 3)
        answer = asked.card("Final answer")
        expect(answer).to_contain_text("Once upon")
        asked.stop.click()
        expect(asked.region).to_contain_text("The kernel is busy with a cell: it will get this when the cell ends.")
        expect(answer).to_have_attribute("data-status", "streaming")
        page.get_by_test_id("interrupt-button").click()
        expect(answer).to_have_attribute("data-status", "stopped")
        chat.ask("And now?")
        expect(chat.card("Final answer", 3)).to_contain_text("Very well.")


def test_an_app_shows_the_chat_and_the_answer(
    environment: dict[str, str], tmp_path: Path, page: Page, model: ScriptedModel
) -> None:
    with marimo(tmp_path, environment, "run", "light") as address:
        page.goto(address)
        chats(page, 2)
        page.get_by_role("button", name="Tell", exact=True).click()
        chat, _, asked = chats(page, 3)
        expect(asked.card("Final answer")).to_contain_text("Once upon")
        asked.stop.click()
        expect(asked.region).to_contain_text("The kernel is busy with a cell: it will get this when the cell ends.")
        expect(asked.card("Final answer")).to_have_attribute("data-status", "streaming")
        model.open("answering")
        expect(page.get_by_text("It ended: completed")).to_be_visible()
        expect(asked.card("Final answer")).to_contain_text("Once upon a time.")
        chat.ask("And now?")
        expect(chat.card("Final answer", 2)).to_contain_text("Very well.")
