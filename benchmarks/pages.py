"""The two pages that are compared: the widget in a cell of a real JupyterLab, and the plain page.

Jupyter's limits on messages have their default values, and each page is in front while it is measured.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from benchmarks.plain.server import serving
from benchmarks.tokens import END, Order
from tests.browser.jupyter import jupyter_lab
from tests.browser.lab import Lab, Notebook

ROOT = Path(__file__).resolve().parent.parent
PROBE = Path(__file__).parent / "probe.js"
PATIENCE_MS = 180_000
_REST_MS = 250
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
CHAT = """
from benchmarks.agents import speaker
from reasoning_widget import ReasoningChat

chat = ReasoningChat(agent=speaker)
chat
"""


class MeasuredPage(ABC):
    """A page that shows the ordered stream."""

    BEGIN: ClassVar[str]
    """JavaScript that asks for `order`, like a user's click."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.evaluate(PROBE.read_text(encoding="utf-8"))

    @abstractmethod
    def clear(self) -> None:
        """Empty the page, and get ready for the next prompt."""

    @abstractmethod
    def prepare(self, order: Order) -> None:
        """Do everything that precedes the click."""

    def time_until_shown(self, order: Order) -> float:
        """Return the seconds from the click until the whole Markdown text is painted."""
        self._get_ready(order)
        script = f"([end, order]) => probe.untilShown(end, () => {{ {self.BEGIN} }})"
        return float(self.page.evaluate(script, [END, order.as_json()])) / 1000

    def delays(self, order: Order) -> list[float]:
        """Return the age of each stamped token when it appears in the page, in ms."""
        self._get_ready(order)
        ahead = self.page.evaluate("() => probe.clockAhead()")
        script = f"([count, order]) => probe.delays(count, () => {{ {self.BEGIN} }})"
        return [delay - ahead for delay in self.page.evaluate(script, [order.tokens, order.as_json()])]

    def start(self, order: Order) -> None:
        """Ask, without waiting for anything."""
        self._get_ready(order)
        self.page.evaluate(f"order => {{ {self.BEGIN} }}", order.as_json())

    def text(self) -> str:
        """Return the words of the displayed answer."""
        return " ".join(self._answer_text().split())

    @abstractmethod
    def _answer_text(self) -> str: ...

    def _get_ready(self, order: Order) -> None:
        self.page.bring_to_front()
        self.clear()
        self._settle()
        self.prepare(order)

    def _settle(self) -> None:
        """Wait until the page is at rest: JupyterLab redraws a view when its snapshot has changed."""
        self.page.evaluate("ms => probe.settled(ms)", _REST_MS)


class PlainPage(MeasuredPage):
    """The baseline."""

    BEGIN = "plain.ask(order);"

    def clear(self) -> None:
        self.page.evaluate("() => plain.clear()")

    def prepare(self, order: Order) -> None:
        """Do nothing, because nothing is needed."""

    def _answer_text(self) -> str:
        return self.page.locator("#answer").text_content() or ""


class WidgetPage(MeasuredPage):
    """The widget."""

    # The button is looked up when it is clicked: JupyterLab may have redrawn the view since the prompt was written.
    BEGIN = "[...document.querySelectorAll('button')].find(each => each.textContent.trim() === 'Send').click();"

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook
        self.chat = notebook.open_chat()
        super().__init__(notebook.page)

    def clear(self) -> None:
        self.wait_until_ready()
        if self.chat.cards.count():
            self.chat.clear.click()
            self.chat.region.get_by_role("button", name="Clear the conversation").click()
            expect(self.chat.cards).to_have_count(0)

    def prepare(self, order: Order) -> None:
        self.chat.message.fill(order.as_json())

    def wait_until_ready(self) -> None:
        """Wait until no run is active."""
        self.chat.expect_ready()

    def _answer_text(self) -> str:
        self.wait_until_ready()
        return self.chat.card("Final answer").text_content() or ""


class LongWidgetPage(WidgetPage):
    """The widget, with a conversation that continues from round to round."""

    def clear(self) -> None:
        self.wait_until_ready()


@contextlib.contextmanager
def browser_window() -> Iterator[BrowserContext]:
    """Within the block, a window of a separate Chromium."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright, contextlib.closing(launch(playwright)) as browser:
        window = browser.new_context(viewport={"width": 1280, "height": 1000})
        window.set_default_timeout(PATIENCE_MS)
        yield window


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)


@contextlib.contextmanager
def widget_pages(window: BrowserContext) -> Iterator[Callable[..., WidgetPage]]:
    """Within the block, JupyterLab: each call opens a new notebook with a chat in its first cell, in a new kernel.

    The arguments of a call are the code of the cell and the class of the page.
    """
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as home,
        jupyter_lab(Path(home), {"PYTHONPATH": str(ROOT)}) as server,
    ):
        lab = Lab(window, server, "benchmark")
        yield lambda code, kind=WidgetPage: kind(lab.open(code, ""))


@contextlib.contextmanager
def widget_page(window: BrowserContext) -> Iterator[WidgetPage]:
    """Within the block, a chat in a cell of a notebook in JupyterLab."""
    with widget_pages(window) as open_widget:
        widget = open_widget(CHAT)
        yield widget
        widget.page.close()


@contextlib.contextmanager
def plain_page(window: BrowserContext) -> Iterator[PlainPage]:
    """Within the block, the baseline."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, serving(Path(folder)) as address:
        page = window.new_page()
        page.goto(address)
        page.evaluate("() => plain.opened")
        yield PlainPage(page)
        page.close()


def versions() -> dict[str, str]:
    """Return the versions of the software that shows the pages."""
    with sync_playwright() as playwright, contextlib.closing(launch(playwright)) as browser:
        chromium = browser.version
    packages = json.loads((ROOT / "js" / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    return {
        "Chromium": chromium,
        "markdown-it": packages["markdown-it"],
        "marked": packages["marked"],
        "DOMPurify": packages["dompurify"],
    }
