"""The effect of saving on the stream: the age of tokens in the page while a transcript is saved or code is loaded.

A new kernel and page load and make everything for the first time; their first five tokens are listed separately. In a
conversation of 200 questions, the whole conversation is saved. Each answer lasts ten seconds, so that the saved
transcript is refreshed during the answer. The baseline is the plain page: a new page with a new server for the new
kernel, and one that was used before for the long conversation. A/A compares its medians, measured twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.measure import ROUNDS, Claim, Report, noise, percentile, take_turns
from benchmarks.pages import CHAT, LongWidgetPage, WidgetPage, browser_window, plain_page, widget_pages
from benchmarks.saved_transcript import run_steps
from benchmarks.tokens import Order, markdown
from reasoning_widget.export.log import complete_file
from reasoning_widget.session.sqlite import SQLiteLog
from tests.session.manual import ask, open_session

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

MAX_P99_MS = 20.0
RATE = 50
_FIRST = 5
_STEPS = 5

Delays = list[list[float]]


def run(rounds: int = ROUNDS, tokens: int = 500, questions: int = 200) -> Report:
    order = Order(tokens, rate=RATE, stamped=True)
    conversation = asyncio.run(_conversation(questions))  # before the browser, whose loop is then the only one
    with (
        browser_window() as window,
        widget_pages(window) as open_widget,
        tempfile.TemporaryDirectory(prefix="benchmark-") as folder,
        _plain(window) as used,
    ):
        path = Path(folder) / "conversation.json"
        path.write_bytes(conversation)
        long = open_widget(_long_chat(path), LongWidgetPage)
        delays = _measured(
            rounds,
            {
                "new plain": lambda: _new_plain(window, order),
                "new": lambda: _new_widget(open_widget, order),
                "new plain again": lambda: _new_plain(window, order),
                "plain": lambda: used(order),
                "long": lambda: long.delays(order),
                "plain again": lambda: used(order),
            },
        )
        shown = long.page.locator(".rw-question").count()
    pooled = {name: [delay for answer in answers for delay in answer] for name, answers in delays.items()}
    firsts = {name: [delay for answer in answers for delay in answer[:_FIRST]] for name, answers in delays.items()}
    note = (
        f"The first {_FIRST} tokens of a new kernel: half of them within {percentile(firsts['new'], 50):.1f} ms, "
        f"all within {max(firsts['new']):.1f} ms; of a new plain page {percentile(firsts['new plain'], 50):.1f} ms "
        f"and {max(firsts['new plain']):.1f} ms."
    )
    return Report(
        title="What saving costs the stream",
        about=__doc__,
        claims=[
            _claim("99 in 100 tokens of a new kernel are in the page within", "new", "new plain", pooled),
            _claim(f"99 in 100 tokens behind {questions} questions are in the page within", "long", "plain", pooled),
        ],
        notes=[note],
        counts={"questions in the long conversation": shown, "tokens": len(pooled["new"]) + len(pooled["long"])},
    )


def _claim(what: str, name: str, baseline: str, delays: dict[str, list[float]]) -> Claim:
    plain, again = delays[baseline], delays[f"{baseline} again"]
    beside = f"plain page {percentile(plain + again, 99):.2f} ms"
    return Claim(what, percentile(delays[name], 99), MAX_P99_MS, "ms", beside, noise(plain, again))


def _measured(rounds: int, measures: dict[str, Callable[[], list[float]]]) -> dict[str, Delays]:
    delays: dict[str, Delays] = {name: [] for name in measures}

    def noted(name: str) -> Callable[[], float]:
        def measure() -> float:
            delays[name].append(measures[name]())
            return 0.0

        return measure

    take_turns(rounds, {name: noted(name) for name in measures})
    return {name: answers[1:] for name, answers in delays.items()}  # without the warm-up


def _new_plain(window: BrowserContext, order: Order) -> list[float]:
    with plain_page(window) as page:
        return page.delays(order)


def _new_widget(open_widget: Callable[[str], WidgetPage], order: Order) -> list[float]:
    widget = open_widget(CHAT)
    try:
        return widget.delays(order)
    finally:
        widget.notebook.close()


@contextlib.contextmanager
def _plain(window: BrowserContext) -> Iterator[Callable[[Order], list[float]]]:
    """Within the block, a plain page that was used before."""
    with plain_page(window) as page:
        page.delays(Order(20, rate=RATE, stamped=True))
        yield page.delays


def _long_chat(path: Path) -> str:
    return f"""
from pathlib import Path
from benchmarks.agents import speaker
from reasoning_widget import ReasoningChat

chat = ReasoningChat.from_json(Path({str(path)!r}).read_text(), speaker)
chat
"""


async def _conversation(questions: int) -> bytes:
    """Return an exported session."""
    log = SQLiteLog()
    session, runner = open_session(log)
    words = "".join(markdown(20_000)[:-1]).split("\n\n")
    for number in range(questions):
        ask(session, f"Question {number}: where do the ships wait?", f"m{number}")
        for step in list(run_steps(words, number))[-_STEPS:]:
            runner.run.emit(step)
        runner.run.end()
    return msgspec.json.encode(complete_file(session.state, log))
