"""A notebook saved by JupyterLab and converted by nbconvert contains the transcript, without a network."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfReader

from reasoning_widget import ReasoningChat
from tests.browser.lab import Lab, Notebook, choose
from tests.scripted_model import call, say, think

CHAT = 'from reasoning_widget import ReasoningChat\n\nchat = ReasoningChat(agent="researcher")\nchat'
ASK = 'chat.ask("Which season was it?");'
SLIDER = "import ipywidgets\n\nipywidgets.IntSlider(7)"

ANSWERED = ("What did the solar roof make?", "It made 412 kWh.", "Which season was it?", "It was summer.")
FOLDED = ("I look into the files.", "The solar roof made 412 kWh in June.")
"""Content of the folded steps before the answer."""

STATE = "application/vnd.jupyter.widget-state+json"
SAVE_STATE = "@jupyter-widgets/jupyterlab-manager:saveWidgetState"
IS_ON = f"on => window.jupyterapp.commands.isToggled({SAVE_STATE!r}) === on"

NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
NO_HOST = "--host-resolver-rules=MAP * ~NOTFOUND"


@contextlib.contextmanager
def widget_state_is_saved(page: Page) -> Iterator[None]:
    """Enable JupyterLab's "Save Widget State Automatically"; disable it afterwards, because the server stores it."""
    for on in (True, False):
        page.evaluate("async name => { await window.jupyterapp.commands.execute(name) }", SAVE_STATE)
        page.wait_for_function(IS_ON, arg=on)
        if on:
            yield


@pytest.fixture
def notebook(lab: Lab, model) -> Iterator[Notebook]:
    """A notebook with two answered questions: one asked in the page, one in code."""
    (lab.folder / "energy.md").write_text("The solar roof made 412 kWh in June.\n", encoding="utf-8")
    search = [think("I look into the files."), call("search_files", {"query": "solar roof"})]
    model.script("solar", [search, [say("It made 412 kWh.")]])
    model.script("season", ["It was summer."])
    notebook = lab.open(CHAT, ASK, SLIDER)
    with widget_state_is_saved(notebook.page):
        chat = notebook.open_chat()
        chat.ask("What did the solar roof make?")
        chat.expect_ready()
        notebook.run(1)
        notebook.wait_for_saved("It was summer.")
        yield notebook


def convert(path: Path, kind: str, environment: dict[str, str] | None = None, *options: str) -> Path:
    """Convert a notebook with `jupyter nbconvert`, and return the path of the result."""
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", kind, *options, path.name],
        cwd=path.parent,
        env={**os.environ, **NO_NETWORK, **(environment or {})},
        check=True,
        capture_output=True,
    )
    made = {"markdown": ".md", "slides": ".slides.html", "webpdf": ".pdf", "html": ".html"}[kind]
    return path.with_suffix(made)


@pytest.fixture
def read(browser: Browser) -> Iterator[Page]:
    """A page that can load only files."""
    with contextlib.closing(browser.new_context(offline=True)) as window:
        page = window.new_page()
        page.route(re.compile("^(?!file:|data:|blob:)"), lambda route: route.abort())
        yield page


def test_saved_widget_state_contains_no_chat(notebook):
    assert "widgets" not in notebook.save().metadata
    notebook.run(2)
    state = notebook.save().metadata.widgets[STATE]["state"].values()
    assert sorted(model["model_name"] for model in state) == ["IntSliderModel", "LayoutModel", "SliderStyleModel"]


def test_converted_notebooks_contain_the_transcript(notebook, read, tmp_path):
    notebook.run(2)  # another widget, whose state is saved
    notebook.save()

    for kind in ("html", "slides"):
        read.goto(convert(notebook.path, kind).as_uri())
        for words in ANSWERED:
            expect(read.get_by_text(words).first).to_be_visible()
        closed = read.locator("details:not([open]) > summary")
        while closed.count() > 0:
            closed.first.click()
        for words in FOLDED:
            expect(read.locator("details").get_by_text(words).first).to_be_visible()

    markdown = convert(notebook.path, "markdown").read_text("utf-8")
    no_sandbox, no_host = "--disable-chromium-sandbox", f"--WebPDFExporter.browser_args={NO_HOST}"
    chromium = {"PLAYWRIGHT_BROWSERS_PATH": str(with_chromium(tmp_path))}
    pdf = PdfReader(convert(notebook.path, "webpdf", chromium, no_sandbox, no_host))
    text = unicodedata.normalize("NFKC", " ".join(page.extract_text() for page in pdf.pages))  # fonts have ligatures
    printed = " ".join(text.split())
    for words in (*ANSWERED, *FOLDED):
        assert words in markdown
        assert words in printed


FILES = {"Markdown": "md", "HTML": "html", "JSON": "json", "Notebook": "ipynb", "Table (CSV)": "csv"}


def exported(notebook: Notebook, number: int) -> dict[str, str]:
    """The files that the button below a transcript exports, by the ending of their name."""
    files = {}
    for name, ending in FILES.items():
        notebook.output(number).get_by_role("button", name="Export…").click()
        with notebook.page.expect_download() as download:
            choose(notebook.page, name)
        assert download.value.suggested_filename == f"What did the solar roof make.{ending}"
        files[ending] = download.value.path().read_text("utf-8")
    return files


def test_a_transcript_is_exported_from_the_page_live_and_saved(notebook):
    live = exported(notebook, 0)
    for words in (*ANSWERED, *FOLDED):
        for text in live.values():
            assert words in text
    chat = ReasoningChat.from_json(live["json"])
    assert [step["type"] for step in chat.steps] == [*("thought", "tool_use", "tool_result"), *["final_answer"] * 2]
    assert live["md"] == chat.to_markdown()
    assert nbformat.reads(live["ipynb"], as_version=4).cells == chat.to_notebook().cells

    notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    expect(notebook.output(0).locator("[data-mode=saved]")).to_be_visible()
    saved = exported(notebook, 0)
    assert {ending: text for ending, text in saved.items() if ending != "json"} == {
        ending: text for ending, text in live.items() if ending != "json"
    }


def test_a_command_exports_the_answer_to_one_question(notebook):
    notebook.select(1)
    with notebook.page.expect_download() as download:
        notebook.command("reasoning-widget:export-transcript", {"format": "markdown"})
    text = download.value.path().read_text("utf-8")
    assert "It was summer." in text
    assert "412" not in text


def test_a_card_has_a_menu_that_exports_its_transcript(notebook):
    notebook.select(0)  # the menu is for the card under the mouse, not for the selected cell
    notebook.output(1).locator(".rw-card").first.click(button="right")
    with notebook.page.expect_download() as download:
        choose(notebook.page, "Export Transcript as", "Markdown")
    text = download.value.path().read_text("utf-8")
    assert "It was summer." in text
    assert "412" not in text


def with_chromium(folder: Path) -> Path:
    """Make a folder of Playwright's browsers with this system's Chromium: nbconvert accepts no other."""
    launch = "from playwright.sync_api import sync_playwright as p\nwith p() as it: it.chromium.launch()"
    environment = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(folder)}
    tried = subprocess.run([sys.executable, "-c", launch], env=environment, capture_output=True, text=True, check=False)
    wanted = re.search(r"Executable doesn't exist at (\S+)", tried.stderr)
    assert wanted is not None, tried.stderr
    program = Path(wanted[1])
    program.parent.mkdir(parents=True)
    program.symlink_to(str(shutil.which("chromium")))
    return folder
