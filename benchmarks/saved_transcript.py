"""The cost of a long saved transcript: a notebook with an output of 2,000 steps, opened without a kernel.

Opening starts with JupyterLab's command and ends when the newest card is painted. Once the earlier cards are drawn, a
mouse wheel scrolls from the end to the beginning. The browser reports tasks above 50 ms from the opening on. Memory is
the growth of the page's process: JavaScript objects, the document, and the layout of everything that was visible. The
baseline is the same notebook with a single question, opened twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import psutil

from benchmarks.measure import ROUNDS, Claim, Report, noise, spread, take_turns
from benchmarks.pages import ROOT, browser_window
from benchmarks.tokens import markdown
from reasoning_widget.export.log import SESSION_MIME
from reasoning_widget.protocol import Step
from reasoning_widget.widget.snapshots import Snapshots
from tests.browser.jupyter import jupyter_lab
from tests.browser.lab import Lab
from tests.session.manual import ask, open_session

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, CDPSession, Page

MAX_OPENING_S = 1.0
MAX_TASK_MS = 50.0
MAX_MEMORY_MB = 100.0
_IN_A_RUN = 20
_WHEEL = 1000  # CSS pixels per frame

_OPEN = """
async ([path, last]) => {
  const { commands, shell } = window.jupyterapp;
  const drawn = () => [...document.querySelectorAll("[data-step-id]")].some((card) => card.dataset.stepId === last);
  const begun = performance.now();
  const shown = new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      if (!drawn()) return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(resolve));
    });
    observer.observe(document.body, { subtree: true, childList: true });
  });
  commands.execute("docmanager:open", { path, factory: "Notebook", kernelPreference: { shouldStart: false } });
  await shown;
  const taken = performance.now() - begun;
  window.tasks = [];
  window.watching = new PerformanceObserver((list) => {
    tasks.push(...list.getEntries().filter((task) => task.startTime > begun + taken).map((task) => task.duration));
  });
  watching.observe({ type: "longtask", buffered: true });
  return taken / 1000;
}
"""
_SCROLLER = "document.querySelector('.jp-WindowedPanel-outer')"


def run(rounds: int = ROUNDS, steps: int = 2000) -> Report:
    # Before the browser is started: from then on its loop is the only one.
    few, many = _Transcript("few", _IN_A_RUN), _Transcript("many", steps)
    with (
        browser_window() as window,
        tempfile.TemporaryDirectory(prefix="benchmark-") as home,
        jupyter_lab(Path(home), {"PYTHONPATH": str(ROOT)}) as server,
    ):
        lab = Lab(window, server, "benchmark")
        with _reading(lab, window) as reader:
            opened = take_turns(
                rounds,
                {
                    "few": lambda: reader.open(few),
                    "many": lambda: reader.open(many),
                    "few again": lambda: reader.open(few),
                },
            )
    baseline = opened["few"] + opened["few again"]
    differs = noise(opened["few"], opened["few again"])
    return Report(
        title="A long transcript in a saved notebook",
        about=__doc__,
        claims=[
            Claim(
                f"{steps:,} steps are open within",
                statistics.median(opened["many"]),
                MAX_OPENING_S,
                "s",
                f"{spread(opened['many'])}, {_IN_A_RUN} steps {spread(baseline)}",
                differs,
            ),
            Claim(
                "The longest task while they are scrolled through (in half of the rounds)",
                statistics.median(reader.tasks),
                MAX_TASK_MS,
                "ms",
                f"none in {reader.tasks.count(0)} rounds of {len(reader.tasks)}, the longest of all "
                f"{max(reader.tasks):.0f} ms; the browser reports none that is shorter than 50 ms",
                differs,
            ),
            _memory(f"Memory of {steps:,} steps that are opened", reader.opened),
            _memory(f"Memory of {steps:,} steps that were scrolled through", reader.scrolled),
        ],
        counts={"cards": reader.cards},
    )


def _memory(what: str, taken: list[float]) -> Claim:
    return Claim(what, statistics.median(taken), MAX_MEMORY_MB, "MB", f"at most {max(taken):.0f} MB")


class _Transcript:
    """A notebook with a saved transcript of the given number of steps."""

    def __init__(self, name: str, steps: int) -> None:
        self._forms, self.last = asyncio.run(_session(steps))
        self.name = f"{name}.ipynb"
        self.steps = steps
        output = nbformat.v4.new_output("display_data", self._forms)
        cell = nbformat.v4.new_code_cell("chat", outputs=[output], execution_count=1)
        self._notebook = nbformat.v4.new_notebook(cells=[cell])
        self._written = 0

    def write(self, folder: Path) -> None:
        """Write the notebook as one that the page has not seen, because pages remember scroll positions."""
        self._written += 1
        self._notebook.cells[0].outputs[0].data[SESSION_MIME]["epoch"] = f"{self.name} {self._written}"
        nbformat.write(self._notebook, folder / self.name)


async def _session(steps: int) -> tuple[Any, str]:
    """Return the snapshot of a session with this many steps, in every form, and the id of the last step."""
    session, runner = open_session()
    words = "".join(markdown(20_000)[:-1]).split("\n\n")
    for number in range(steps // _IN_A_RUN):
        ask(session, f"Question {number}: where do the ships wait?", f"m{number}")
        for step in run_steps(words, number):
            runner.run.emit(step)
        runner.run.end()
    snapshots = Snapshots(session, enabled=True)
    snapshots.note_changes()
    return snapshots.bundle("A chat", None), session.state["runs"][-1]["steps"][-1]


def run_steps(words: list[str], number: int) -> Iterator[Step]:
    """Yield the steps of a typical run: thoughts, searches with their results, then an answer of some paragraphs."""
    part = words[number % 40 :]
    tool: Any = {"name": "search", "arguments": '{"query": "harbour ice", "limit": 5, "folder": "notes/winter"}'}
    found = "".join(
        f'{{"file": "notes/{each}.md", "line": {each}, "text": "{part[0][:120]!r}"}}\n' for each in range(8)
    )
    for _ in range((_IN_A_RUN - 2) // 3):
        yield {"type": "thought", "content": part[1][:400], "duration": 0.4}
        yield {"type": "tool_use", "content": "", "tool": tool, "duration": 0.2}
        yield {"type": "tool_result", "content": found, "tool": {"name": "search"}, "duration": 0.1}
    yield {"type": "thought", "content": part[2][:400], "duration": 0.4}
    yield {"type": "final_answer", "content": "\n\n".join(part[:6]), "duration": 2.0}


@contextlib.contextmanager
def _reading(lab: Lab, window: BrowserContext) -> Iterator[_Reader]:
    """Within the block, JupyterLab with nothing open."""
    page = lab.empty()
    yield _Reader(lab.folder, page, window.new_cdp_session(page))
    page.close()


class _Reader:
    """Opens notebooks, scrolls through them from the end to the beginning, and closes them.

    Attributes:
        tasks: The longest task of each reading of the long notebook, in ms; 0 if none was above 50.
        opened: The memory that the long notebook took each time it was opened, in MB.
        scrolled: The same after the whole notebook had been visible.
        cards: The number of cards in the long notebook.
    """

    def __init__(self, folder: Path, page: Page, session: CDPSession) -> None:
        self.tasks: list[float] = []
        self.opened: list[float] = []
        self.scrolled: list[float] = []
        self.cards = 0
        self._folder = folder
        self._page = page
        self._session = session
        self._process = _process_of(page)

    def open(self, transcript: _Transcript) -> float:
        """Return the seconds until the notebook is shown."""
        page = self._page
        transcript.write(self._folder)
        before = self._held()
        taken = float(page.evaluate(_OPEN, [f"benchmark/{transcript.name}", transcript.last]))
        page.wait_for_function(f"document.querySelectorAll('.rw-card').length >= {transcript.steps}")
        opened = self._held() - before
        self._scroll_up()
        if transcript.steps > _IN_A_RUN:
            self.opened.append(opened / 1e6)
            self.scrolled.append((self._held() - before) / 1e6)
            self.tasks.append(max(page.evaluate("[0, ...tasks]")))
            self.cards = page.locator(".rw-card").count()
        page.evaluate("() => { watching.disconnect(); window.jupyterapp.shell.currentWidget.dispose(); }")
        page.wait_for_function("document.querySelector('.jp-Notebook') === null")
        return taken

    def _scroll_up(self) -> None:
        """Scroll from the end to the beginning, one turn of the wheel per frame."""
        page = self._page
        box = page.locator(".jp-WindowedPanel-outer").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        all_drawn = False
        while not (all_drawn and page.evaluate(f"{_SCROLLER}.scrollTop === 0")):
            all_drawn = page.evaluate(f"{_SCROLLER}.scrollTop === 0")
            page.mouse.wheel(0, -_WHEEL)
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")

    def _held(self) -> int:
        """Return the bytes of the page's process that are not shared, after garbage collection."""
        self._session.send("HeapProfiler.collectGarbage")
        return int(self._process.memory_full_info().uss)


def _process_of(page: Page) -> psutil.Process:
    """Return the browser's process that draws the page: the one that works when the page does."""
    children = psutil.Process().children(recursive=True)
    renderers = [each for each in children if "--type=renderer" in each.cmdline()]
    before = {each.pid: sum(each.cpu_times()[:2]) for each in renderers}
    page.evaluate("() => { const end = performance.now() + 500; while (performance.now() < end); }")
    return max(renderers, key=lambda each: sum(each.cpu_times()[:2]) - before[each.pid])
