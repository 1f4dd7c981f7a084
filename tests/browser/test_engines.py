"""Firefox and WebKit show the same cards as Chromium: in the widget, in the sidebar, and saved."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import ARTIFACTS
from tests.browser.engines import Engine, Firefox, WebKit
from tests.browser.sidebar import Sidebar
from tests.browser.test_attachments import PLOT, SEES, given
from tests.scripted_model import call, say, think

RESEARCHER = 'from reasoning_widget import ReasoningChat\n\nReasoningChat(agent="researcher")'
QUESTION = "What did the solar roof make?"
ANSWER = """
The roof made **412 kWh** [energy.md:3].

| Month | kWh |
| --- | ---: |
| June | 412 |

- one
- two

```python
made = 412  # kWh
```

$$\\frac{824}{2} = 412$$

In short, it is enough.
"""

NOTEBOOK, PANEL = ".jp-Notebook", "#reasoning-widget-panel"
"""The selectors of the elements that contain the cards."""

_READY = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
_DONE = "document.querySelector('[data-run-status=completed]') !== null"
_CARDS = """[...document.querySelectorAll('ROOT article')].map(card => [
    card.getAttribute('aria-label'), card.dataset.stepType, card.dataset.status,
    getComputedStyle(card).backgroundColor, card.innerText])"""
_UNFOLD = "document.querySelectorAll('ROOT .rw-fold[aria-expanded=false]').forEach(fold => fold.click())"
_ALL_OPEN = "document.querySelector('ROOT .rw-fold[aria-expanded=false]') === null"
_DRAWN = """document.querySelector('ROOT article math mfrac') !== null
    && document.querySelector('ROOT article pre code span') !== null"""
_CHOOSE = f"""(select => {{
    select.value = 'researcher';
    select.dispatchEvent(new Event('change', {{bubbles: true}}));
}})(document.querySelector('{PANEL} select'))"""


@pytest.fixture(scope="module", params=[Firefox, WebKit], ids=["firefox", "webkit"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A browser for all tests of this file."""
    engine: Engine = request.param()
    yield engine
    engine.close()


@pytest.fixture(autouse=True)
def answering(lab, model):
    (lab.folder / "energy.md").write_text("# Energy\n\nThe solar roof made 412 kWh in June.\n", encoding="utf-8")
    model.script("solar", [[think("I look."), call("search_files", {"query": "solar roof"})], [say(ANSWER)]])


@pytest.fixture
def pictures(request, engine):
    """Save a screenshot at the end of the test, beside those of failed tests."""
    yield
    ARTIFACTS.mkdir(exist_ok=True)
    engine.screenshot(ARTIFACTS / f"{re.sub(r'[^a-z_]+', '-', request.node.name)}.png")


def words(shown: list[list[str]]) -> list[list[str]]:
    """The cards without times, which differ between runs, and without spaces, which differ between engines."""
    return [[*card[:4], re.sub(r"\b\d+(?:\.\d+)? m?s\b|\s", "", card[4])] for card in shown]


def cards_in(browser: Engine, root: str) -> list[list[str]]:
    """All cards below `root`, unfolded, in Firefox or WebKit."""
    return cards(browser.evaluate, browser.wait_for, root)


def cards(evaluate: Callable[[str], Any], wait_for: Callable[[str], Any], root: str) -> list[list[str]]:
    """All cards below `root`, unfolded, in any browser."""
    wait_for(_DONE)
    evaluate(_UNFOLD.replace("ROOT", root))
    wait_for(_ALL_OPEN.replace("ROOT", root))
    wait_for(_DRAWN.replace("ROOT", root))
    return words(evaluate(_CARDS.replace("ROOT", root)))


def command(engine: Engine, name: str) -> None:
    engine.evaluate(f"void window.jupyterapp.commands.execute('{name}')")


def press(engine: Engine, selector: str) -> None:
    """Wait for an element and click it."""
    engine.wait_for(f"document.querySelector({selector!r}) !== null")
    engine.click(selector)


def test_a_conversation_shows_the_same_cards_as_in_chromium(lab, engine, pictures):
    notebook = lab.open(RESEARCHER)
    chat = notebook.open_chat()
    chat.ask(QUESTION)
    chat.expect_ready()
    in_chromium = cards(notebook.page.evaluate, notebook.page.wait_for_function, NOTEBOOK)

    engine.goto(lab.address(lab.write(RESEARCHER), "engine"))
    engine.wait_for(_READY)
    command(engine, "notebook:run-cell")
    engine.wait_for("document.querySelector('.rw-message') !== null")
    engine.type(".rw-message", f"{QUESTION}\n")

    assert cards_in(engine, NOTEBOOK) == in_chromium
    assert len(in_chromium) == 4
    bars = "[...document.querySelectorAll('.rw-bar')].map((path) => path.getAttribute('d')).join('').match(/M/g).length"
    assert engine.evaluate(bars) == 4


def test_a_saved_transcript_shows_the_same_cards_with_no_kernel(lab, engine, pictures):
    notebook = lab.open(RESEARCHER)
    chat = notebook.open_chat()
    chat.ask(QUESTION)
    chat.expect_ready()
    in_chromium = cards(notebook.page.evaluate, notebook.page.wait_for_function, NOTEBOOK)
    notebook.wait_for_saved("In short, it is enough.")
    notebook.save()
    notebook.close()

    engine.goto(lab.address(notebook.path, "engine"))
    engine.wait_for(_READY)
    engine.evaluate("void window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    engine.wait_for("window.jupyterapp.shell.currentWidget.sessionContext.session === null")
    engine.wait_for("document.querySelector('.jp-Notebook .rw-session')?.dataset.mode === 'saved'")
    assert engine.evaluate("document.querySelector('.jp-Notebook .rw-message') === null")

    assert cards_in(engine, NOTEBOOK) == in_chromium
    engine.type(".jp-Notebook .rw-find-field", "solar")
    engine.wait_for("/^1 of/.test(document.querySelector('.jp-Notebook .rw-find-count')?.textContent)")


def test_the_sidebar_shows_the_same_cards_and_finds_them_again(lab, engine, model, pictures):
    model.script("six", [[think("I calculate."), call("calculate", {"expression": "6 * 7"})], [say(ANSWER)]])
    question = f"What is six times seven, {type(engine).__name__}?"
    notebook = lab.open("1 + 1")
    chat = Sidebar(notebook.page).new()
    chat.agent.select_option("researcher")
    chat.ask(question)
    in_chromium = cards(notebook.page.evaluate, notebook.page.wait_for_function, PANEL)
    notebook.close()

    engine.goto(lab.address(lab.write("1 + 1"), "engine"))
    engine.wait_for(_READY)
    command(engine, "reasoning-widget:show-panel")
    press(engine, f"{PANEL} [aria-label='New session']")
    engine.wait_for(f"[...document.querySelectorAll('{PANEL} option')].some(option => option.value === 'researcher')")
    engine.evaluate(_CHOOSE)
    engine.type(f"{PANEL} .rw-message", f"{question}\n")
    assert cards_in(engine, PANEL) == in_chromium
    assert len(in_chromium) == 4

    press(engine, f"{PANEL} [aria-label='All sessions']")
    named = f"[...document.querySelectorAll('{PANEL} .rw-lab-name')].filter(name => name.textContent === {question!r})"
    engine.wait_for(f"{named}.length === 2")
    press(engine, f"{PANEL} .rw-lab-session .rw-lab-open")
    assert cards_in(engine, PANEL) == in_chromium


_DROP = """(base64 => {
    const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], "plot.png", { type: "image/png" }));
    const chat = document.querySelector(".jp-Notebook .rw-chat");
    chat.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
})"""


def test_an_image_is_dropped_sent_and_shown_in_full_size(lab, engine, pictures):
    engine.goto(lab.address(lab.write(SEES), "engine"))
    engine.wait_for(_READY)
    command(engine, "notebook:run-cell")
    engine.wait_for("document.querySelector('.rw-message') !== null")
    engine.evaluate(f"{_DROP}({base64.b64encode(PLOT['buffer']).decode()!r})")
    engine.wait_for("document.querySelector('[aria-label=\"Remove plot.png\"]') !== null")
    engine.type(".rw-message", "What is this?\n")

    answer = "document.querySelector('article[data-step-type=final_answer]')?.innerText ?? ''"
    engine.wait_for(f"({answer}).includes('plot.png')")
    assert given(PLOT).search(engine.evaluate(answer))
    press(engine, ".rw-question .rw-enlarge")
    shown = "document.querySelector('dialog[open] img')"
    engine.wait_for(f"{shown}?.naturalWidth === 480 && {shown}.getBoundingClientRect().width >= 480")
