"""How the time to mask a text, or to read a file for the `researcher`, grows if the text is designed to take long.

Each text repeats one piece that is chosen to make a pattern or a parser scan the rest again and again. A megabyte is
compared with a quarter of it, which is measured twice: a ratio of four is linear. All times are CPU time of one thread.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import ROUNDS, Claim, Report, median_ratio, noise, spread, take_turns
from reasoning_widget.agents.tools.files import FileRefused, read_blocks
from reasoning_widget.agents.tools.search import passages_of
from reasoning_widget.masking import mask

MAX_LINEAR = 5.0
"""For four times as much text: linear growth is 4."""
MAX_SECONDS = 10.0
_SIZE = 1_000_000

MASKED = {
    "prose": "The heron stood at the lake, and waited for the fish of the day. ",
    "token=": "token=",
    "token='a": "token='a",
    "password: x": "password: x ",
    "name: password": "name: password ",
    "a table of passwords": "user,password\n",
    "sk-": "sk-",
    "eyJ…-": "eyJaaaaaaaaa-",
    "://a:": "://a:",
    "curl -u": "curl -u ",
    "escapes": '\\"password\\": \\n',
}
READ = {
    "<": ("p.html", "<"),
    "<!--": ("p.html", "<!--"),
    "<a": ("p.html", "<a"),
    "<script>": ("p.html", "<script>"),
    "&": ("p.html", "&"),
    "empty lines": ("t.md", "\n"),
    "[ in a notebook": ("n.ipynb", "["),
}


def run(rounds: int = ROUNDS, size: int = _SIZE) -> Report:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        masked = [_growth(f"Masking {name!r}", partial(_mask, piece), rounds, size) for name, piece in MASKED.items()]
        read = [
            _growth(f"Reading {name!r}", partial(_read, Path(folder, file), piece), rounds, size)
            for name, (file, piece) in READ.items()
        ]
    claims = [claim for pair in (*masked, *read) for claim in pair]
    return Report(title="Texts that are made to take long", about=str(__doc__), claims=claims)


def _growth(what: str, work: Callable[[int], float], rounds: int, size: int) -> tuple[Claim, Claim]:
    candidates: dict[str, Callable[[], float]]
    candidates = {name: partial(work, length) for name, length in (("a", size // 4), ("b", size), ("c", size // 4))}
    short, long, again = take_turns(rounds, candidates).values()
    details = f"{spread(long, 'ms', 1e3)}, a quarter {spread(short + again, 'ms', 1e3)}"
    ratio = Claim(what, median_ratio(long, short + again), MAX_LINEAR, "times", details, noise(short, again))
    return ratio, Claim(f"{what}: {size / 1e6:g} MB within", statistics.median(long), MAX_SECONDS, "s")


def _mask(piece: str, length: int) -> float:
    text = piece * (length // len(piece))
    begun = time.thread_time()
    mask(text)
    return time.thread_time() - begun


def _read(path: Path, piece: str, length: int) -> float:
    path.write_text(piece * (length // len(piece)), "utf-8")
    begun = time.thread_time()
    with contextlib.suppress(FileRefused):  # the file is not a valid notebook
        for _ in passages_of(path.name, read_blocks(path)):
            pass
    return time.thread_time() - begun
