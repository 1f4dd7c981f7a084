"""A real Voilà runs the notebook by itself and shows the live chat in its theme."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.browser.hosts import chats, expect_chat_and_asked, script_story, serving
from tests.scripted_model import ScriptedModel

LAB_EXTENSION = Path(__file__).parents[2] / "reasoning_widget" / "labextension"

CELLS = (
    'from reasoning_widget import ReasoningChat\n\nchat = ReasoningChat(agent="assistant")\nchat',
    'print("It said:", chat.ask("Are you well?").text)',
    """
from ipywidgets import Button, Output, VBox

button, below = Button(description="Tell"), Output()


def tell(_):
    with below:
        print("It ended:", chat.ask("Tell me a story").status)


button.on_click(tell)
VBox([button, below])
""",
)


@pytest.fixture(scope="module")
def voila(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Voilà with one notebook, which it runs again for each page."""
    home = tmp_path_factory.mktemp("voila")
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), home / "dashboard.ipynb")
    # Copied, as in an installation: Voilà follows no links. It loads JupyterLab's extensions if they are compatible.
    extensions = home / "labextensions"
    shutil.copytree(LAB_EXTENSION, extensions / "reasoning-widget")
    own = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    arguments = ("--no-browser", "--Voila.ip=127.0.0.1", f"--VoilaConfiguration.extra_labextensions_path={extensions}")
    environment = {**environment, **own, "IPYTHONDIR": str(home / "ipython")}
    with serving(home, environment, "voila", *arguments, home / "dashboard.ipynb") as address:
        yield address


@pytest.fixture(autouse=True)
def story(model: ScriptedModel) -> None:
    script_story(model)


@pytest.fixture
def window_options(request: pytest.FixtureRequest) -> dict[str, str]:
    """The system has the theme that the test does not use."""
    theme = request.node.callspec.params.get("theme") if hasattr(request.node, "callspec") else None
    return {"color_scheme": "light" if theme == "dark" else "dark"}


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_page_shows_the_live_chat_and_the_answer_in_voilas_theme(
    voila: str, page: Page, model: ScriptedModel, theme: str
) -> None:
    page.goto(f"{voila}/?theme={theme}")
    expect_chat_and_asked(page, model, theme)


def test_stop_ends_a_sent_prompt_but_not_the_prompt_of_a_button(voila: str, page: Page, model: ScriptedModel) -> None:
    page.goto(voila)
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
    model.open("answering")
    expect(page.get_by_text("It ended: completed")).to_be_visible()
    expect(answer).to_contain_text("Once upon a time.")
    chat.ask("And now?")
    expect(chat.card("Final answer", 3)).to_contain_text("Very well.")
