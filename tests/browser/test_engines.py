"""The same cards in Firefox and in WebKit as in Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import ARTIFACTS
from tests.browser.engines import Engine, Firefox, WebKit
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
"""

_READY = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
_RUN = "void window.jupyterapp.commands.execute('notebook:run-cell')"
_DONE = "document.querySelector('[data-run-status=completed]') !== null"
_CARDS = """[...document.querySelectorAll('.jp-Notebook article')].map(card => [
    card.getAttribute('aria-label'), card.dataset.stepType, card.dataset.status,
    getComputedStyle(card).backgroundColor, card.innerText])"""
_UNFOLD = "document.querySelectorAll('.jp-Notebook .rw-fold[aria-expanded=false]').forEach(fold => fold.click())"
_ALL_OPEN = "document.querySelector('.jp-Notebook .rw-fold[aria-expanded=false]') === null"
_DRAWN = "document.querySelector('article math mfrac') && document.querySelector('article pre code span') && true"


@pytest.fixture(scope="module", params=[Firefox, WebKit], ids=["firefox", "webkit"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The browser, one for all the tests of this file."""
    engine: Engine = request.param()
    yield engine
    engine.close()


@pytest.fixture(autouse=True)
def answering(lab, model):
    (lab.folder / "energy.md").write_text("# Energy\n\nThe solar roof made 412 kWh in June.\n", encoding="utf-8")
    model.script("solar", [[think("I look."), call("search_files", {"query": "solar roof"})], [say(ANSWER)]])


@pytest.fixture
def pictures(request, engine):
    """A picture of what the browser shows when the test ends, beside those of failed tests."""
    yield
    ARTIFACTS.mkdir(exist_ok=True)
    engine.screenshot(ARTIFACTS / f"{re.sub(r'[^a-z_]+', '-', request.node.name)}.png")


def words(cards: list[list[str]]) -> list[list[str]]:
    """The cards without the times, which differ from run to run, and the spaces, which engines set in their own way."""
    return [[*card[:4], re.sub(r"\b\d+(?:\.\d+)? m?s\b|\s", "", card[4])] for card in cards]


def test_a_conversation_shows_the_same_cards_as_in_chromium(lab, engine, pictures):
    notebook = lab.open(RESEARCHER)
    chat = notebook.open_chat()
    chat.ask(QUESTION)
    chat.expect_ready()
    notebook.page.evaluate(_UNFOLD)
    expect(chat.card("Final answer").locator("math mfrac")).to_be_visible()
    notebook.page.wait_for_function(_ALL_OPEN)
    in_chromium = notebook.page.evaluate(_CARDS)

    engine.goto(lab.address(lab.write(RESEARCHER), "engine"))
    engine.wait_for(_READY)
    engine.evaluate(_RUN)
    engine.wait_for("document.querySelector('.rw-message') !== null")
    engine.type(".rw-message", f"{QUESTION}\n")
    engine.wait_for(_DONE)
    engine.evaluate(_UNFOLD)
    engine.wait_for(_ALL_OPEN)
    engine.wait_for(_DRAWN)

    assert words(engine.evaluate(_CARDS)) == words(in_chromium)
    assert len(in_chromium) == 4
    assert json.loads(engine.evaluate("JSON.stringify(document.querySelectorAll('rect').length)")) == 4
