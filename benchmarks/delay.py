"""The age of a token when it appears in the page, counted from the agent's yield, at 50 tokens per second.

Each token carries the time at which it was made, from the same clock that the browser uses. A MutationObserver records
when it is in the document. The first token of each answer counts like any other. The limits are absolute. A plain
WebSocket to a bare page is measured twice for comparison: A/A compares the medians of all its tokens, because a 99th
percentile depends on only a few of them.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.measure import ROUNDS, Claim, Report, noise, percentile, take_turns
from benchmarks.pages import MeasuredPage, browser_window, plain_page, widget_page
from benchmarks.tokens import Order

MAX_MEDIAN_MS = 3.0
MAX_P99_MS = 20.0
RATE = 50


def run(rounds: int = ROUNDS, tokens: int = 150) -> Report:
    order = Order(tokens, rate=RATE, stamped=True)
    delays: dict[str, list[list[float]]] = {"plain": [], "widget": [], "plain again": []}

    def measured(name: str, page: MeasuredPage) -> Callable[[], float]:
        def measure() -> float:
            delays[name].append(page.delays(order))
            return 0.0

        return measure

    with browser_window() as window, widget_page(window) as widget, plain_page(window) as plain:
        pages = {"plain": plain, "widget": widget, "plain again": plain}
        take_turns(rounds, {name: measured(name, page) for name, page in pages.items()})
    cold = {name: answers.pop(0) for name, answers in delays.items()}
    pooled = {name: [delay for answer in answers for delay in answer] for name, answers in delays.items()}
    first = {name: f"{answers[0]:.1f} ms" for name, answers in cold.items()}
    note = f"The first token of a new kernel and page took {first['widget']}; the plain page's {first['plain']}."
    differs = noise(pooled["plain"], pooled["plain again"])
    firsts = {name: [answer[0] for answer in answers] for name, answers in delays.items()}
    return Report(
        title="From the agent's yield to the page",
        about=__doc__,
        claims=[
            _claim("Half of the tokens are in the page within", 50, MAX_MEDIAN_MS, pooled, differs),
            _claim("99 in 100 of the tokens are in the page within", 99, MAX_P99_MS, pooled, differs),
            _claim("Half of the answers' first tokens are in the page within", 50, MAX_P99_MS, firsts, differs),
        ],
        notes=[note],
        counts={f"tokens in the {name} page": len(pooled[name]) for name in ("plain", "widget")},
    )


def _claim(what: str, percent: int, limit: float, delays: dict[str, list[float]], differs: float) -> Claim:
    baseline = percentile(delays["plain"] + delays["plain again"], percent)
    return Claim(what, percentile(delays["widget"], percent), limit, "ms", f"plain page {baseline:.2f} ms", differs)
