"""How much slower a cell runs while an answer streams at 50 tokens per second; the main thread should stay free.

The cell is `sum(range(10**7))`, timed inside the cell, in the notebook whose page shows the stream. The baseline is the
same cell without a stream, measured twice.
"""

from __future__ import annotations

from playwright.sync_api import expect

from benchmarks.measure import ROUNDS, Claim, Report, median_ratio, noise, spread, take_turns
from benchmarks.pages import WidgetPage, browser_window, widget_page
from benchmarks.tokens import Order

MAX_RATIO = 1.2
RATE = 50
_CELL = 1
_CODE = """
import time

begun = time.perf_counter()
sum(range({size}))
print(time.perf_counter() - begun)
"""


def run(rounds: int = ROUNDS, size: int = 10**7, tokens: int = 150) -> Report:
    streamed = 0
    with browser_window() as window, widget_page(window) as widget:

        def idle() -> float:
            widget.wait_until_ready()
            return _cell_time(widget, size)

        def streaming() -> float:
            nonlocal streamed
            widget.start(Order(tokens, rate=RATE, stamped=True))
            expect(widget.chat.card("Final answer")).to_be_visible()
            seconds = _cell_time(widget, size)
            streamed += widget.chat.stop.is_enabled()
            return seconds

        samples = take_turns(rounds, {"idle": idle, "streaming": streaming, "idle again": idle})
    baseline = samples["idle"] + samples["idle again"]
    return Report(
        title="The kernel's main thread",
        about=__doc__,
        claims=[
            Claim(
                f"A cell while an answer streams at {RATE} tokens/s, against no stream",
                median_ratio(samples["streaming"], baseline),
                MAX_RATIO,
                "times",
                f"streaming {spread(samples['streaming'], 'ms', 1000)}, idle {spread(baseline, 'ms', 1000)}",
                noise(samples["idle"], samples["idle again"]),
            )
        ],
        counts={"cells that ended before the stream": streamed},
    )


def _cell_time(widget: WidgetPage, size: int) -> float:
    return float(widget.notebook.evaluate(_CELL, _CODE.format(size=size)))
