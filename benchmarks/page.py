"""The time until a Markdown answer is on the screen, from the click on Send to the paint of the last word.

The agent yields as fast as it can. The baseline is a bare HTML page that receives the same tokens over a plain
WebSocket and renders them with marked and the same version of DOMPurify. It draws once per frame and does not redraw
finished blocks. It has no cards, no scrolling and no highlighted code, and stores nothing. But it receives each token
as a message of its own, while the kernel merges the tokens of a frame, so the widget can be faster.
"""

from __future__ import annotations

from benchmarks.measure import ROUNDS, Claim, Report, median_ratio, noise, spread, take_turns
from benchmarks.pages import MeasuredPage, browser_window, plain_page, widget_page
from benchmarks.tokens import Order

MAX_RATIO = 1.5
MAX_GROWTH = 5.0


def run(rounds: int = ROUNDS, tokens: int = 8000, fewer: int = 2000) -> Report:
    long, short = Order(tokens), Order(fewer)
    with browser_window() as window, widget_page(window) as widget, plain_page(window) as plain:
        samples = take_turns(
            rounds,
            {
                "plain": lambda: plain.time_until_shown(long),
                "widget": lambda: widget.time_until_shown(long),
                "plain again": lambda: plain.time_until_shown(long),
                "short": lambda: widget.time_until_shown(short),
                "short again": lambda: widget.time_until_shown(short),
            },
        )
        words = {page: _words_of(page, long) for page in (plain, widget)}
    baseline = samples["plain"] + samples["plain again"]
    shorter = samples["short"] + samples["short again"]
    return Report(
        title="A long answer in the page",
        about=__doc__,
        claims=[
            Claim(
                f"{tokens:,} tokens in the widget, against the plain page",
                median_ratio(samples["widget"], baseline),
                MAX_RATIO,
                "times",
                f"widget {spread(samples['widget'])}, plain page {spread(baseline)}",
                noise(samples["plain"], samples["plain again"]),
            ),
            Claim(
                f"{tokens:,} tokens in the widget, against {fewer:,}",
                median_ratio(samples["widget"], shorter),
                MAX_GROWTH,
                "times",
                f"{fewer:,} tokens {spread(shorter)}",
                noise(samples["short"], samples["short again"]),
            ),
        ],
        counts={"words in the plain page": words[plain], "words in the widget": words[widget]},
    )


def _words_of(page: MeasuredPage, order: Order) -> int:
    page.time_until_shown(order)
    return len(page.text().split())
