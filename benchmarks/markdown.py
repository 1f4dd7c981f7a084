"""Whether the time to draw Markdown grows in proportion to its length, whatever the text is.

An ordinary text and many texts that are designed to take long are drawn as HTML in Python and as nodes in Chromium,
including layout, once with the given length and once with a quarter of it. The times of the ordinary text are compared,
and those of all other texts together; the slowest of these is also listed alone. Texts that a card would show as source
are included, because finding this out takes time, too.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.measure import ROUNDS, Claim, Report, Samples, median_ratio, noise, spread, take_turns
from benchmarks.pages import ROOT, launch
from benchmarks.tokens import markdown
from reasoning_widget.markdown.html import to_html

MAX_LINEAR = 5.0
"""For four times as much text: linear growth is 4."""
MAX_SLOWEST_S = 2.0
HOSTILE = (
    *("*a_", "**a ", "*a **b ", "~~a~", "[", "![", "[[]", "[a](", "[^a]", "`a``", "`", "<", "<b>", '<a b="', "<!--"),
    *(
        "&",
        "$a ",
        "\\(",
        "$$\n",
        "\\[\n",
        "> ",
        "- ",
        "- a\n",
        "> a\n",
        "a\n",
        "|a|b|\n|-|-|\n",
        "https://",
        "[a]: b\n",
    ),
    *("```\n", "<div>\n", "注**意**", "$" + "\\frac{1}{" * 300 + "}" * 300 + "$\n\n"),
)
_DRAW = """text => {
    const root = document.createElement("div");
    const begun = performance.now();
    drawing.drawMarkdown(root, text);
    document.body.replaceChildren(root);
    void root.offsetHeight;
    return (performance.now() - begun) / 1000;
}"""

_Draw = Callable[[str], float]


def run(rounds: int = ROUNDS, length: int = 20_000) -> Report:
    ordinary = "".join(markdown(length // 2))
    with _page() as in_page:
        drawn = {"as HTML": _in_python, "in the page": in_page}
        claims = [claim for where, draw in drawn.items() for claim in _claims(rounds, where, draw, ordinary, length)]
    return Report(
        title="Drawing Markdown",
        about=__doc__ or "",
        claims=claims,
        counts={"hostile texts": len(HOSTILE), "code points": length},
    )


def _claims(rounds: int, where: str, draw: _Draw, ordinary: str, length: int) -> Iterator[Claim]:
    def sized(text: str, size: int) -> str:
        return (text * (size // len(text) + 1))[:size]

    def all_of(size: int) -> float:
        return sum(draw(sized(text, size)) for text in HOSTILE)

    quarter = length // 4
    usual = take_turns(rounds, _turns(lambda size: draw(sized(ordinary, size)), quarter, length))
    hostile = take_turns(rounds, _turns(all_of, quarter, length))
    yield _growth(f"An ordinary text of {length // 1000} kB {where}, against a quarter of it", usual)
    yield _growth(f"{len(HOSTILE)} hostile texts of {length // 1000} kB {where}, against a quarter of them", hostile)
    slowest = {text: statistics.median(draw(sized(text, length)) for _ in range(3)) for text in HOSTILE}
    worst = max(slowest, key=lambda text: slowest[text])
    shown = worst[:12].encode("unicode_escape").decode().replace("|", "&#124;")
    yield Claim(f"The slowest of them {where}", slowest[worst], MAX_SLOWEST_S, "s", f"made of `` {shown} ``")


def _turns(measure: Callable[[int], float], short: int, long: int) -> dict[str, Callable[[], float]]:
    return {"short": lambda: measure(short), "long": lambda: measure(long), "short again": lambda: measure(short)}


def _growth(what: str, samples: Samples) -> Claim:
    short, long, again = samples.values()
    details = f"{spread(long, 'ms', 1e3)}, a quarter {spread(short + again, 'ms', 1e3)}"
    return Claim(what, median_ratio(long, short + again), MAX_LINEAR, "times", details, noise(short, again))


def _in_python(text: str) -> float:
    begun = time.perf_counter()
    to_html(text)
    return time.perf_counter() - begun


@contextmanager
def _page() -> Iterator[_Draw]:
    """Within the block, a function that draws the Markdown of a card in a page of Chromium, and returns the seconds."""
    js = ROOT / "js"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        script = Path(folder) / "drawing.js"
        program = js / "node_modules" / ".bin" / "esbuild"
        options = ("--bundle", "--format=iife", "--global-name=drawing", f"--outfile={script}", "--log-level=error")
        subprocess.run([program, "src/view/markdown/stream.ts", *options], cwd=js, check=True)
        browser = launch(playwright)
        page = browser.new_page()
        page.add_script_tag(path=script)
        yield lambda text: float(page.evaluate(_DRAW, text))
        browser.close()
