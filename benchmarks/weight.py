"""What the package weighs: the time its import takes, and the bytes that a kernel, and each chat, sends to the page.

Each import is timed in a process of its own, and the time of the same process without the import is subtracted.
`ReasoningChat` is loaded when it is first used, here in a process that has already loaded IPython, as every kernel has.
"""

from __future__ import annotations

import functools
import gzip
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import ROUNDS, Claim, Report, noise, spread, take_turns
from reasoning_widget.widget.built import STATIC

MAX_IMPORT_S = 0.3
MAX_GZIPPED_KB = 100.0
MAX_LOADER_KB = 2.0
_HEAVY = ("qwen_agent", "openai", "numpy")
_KERNEL = "import ipykernel.kernelapp"
_IMPORTS = {
    "`import reasoning_widget`": ("pass", "import reasoning_widget"),
    "`from reasoning_widget import ReasoningChat` in a kernel": (
        _KERNEL,
        f"{_KERNEL}; from reasoning_widget import ReasoningChat",
    ),
}


def run(rounds: int = ROUNDS) -> Report:
    sizes = {path.name: path.read_bytes() for path in (STATIC / "widget.js", STATIC / "widget.css")}
    zipped = sum(len(gzip.compress(data)) for data in sizes.values())
    told = ", ".join(f"{name} {len(data) / 1000:.1f} kB" for name, data in sizes.items())
    return Report(
        title="Weight",
        about=__doc__,
        claims=[
            *(_import_claim(rounds, what, *codes) for what, codes in _IMPORTS.items()),
            Claim("What draws the chats of a page, gzipped", zipped / 1000, MAX_GZIPPED_KB, "kB", told),
            Claim("What each chat sends", len((STATIC / "loader.js").read_bytes()) / 1000, MAX_LOADER_KB, "kB"),
        ],
        counts={"heavy packages": len(_loaded_heavy())},
    )


def _import_claim(rounds: int, what: str, without: str, code: str) -> Claim:
    codes = {"without": without, "with": code, "without again": without}
    samples = take_turns(rounds, {name: functools.partial(_time_of, each) for name, each in codes.items()})
    baseline = samples["without"] + samples["without again"]
    return Claim(
        what,
        statistics.median(samples["with"]) - statistics.median(baseline),
        MAX_IMPORT_S,
        "s",
        f"the process takes {spread(samples['with'])}, without the import {spread(baseline)}",
        noise(samples["without"], samples["without again"]),
    )


def _time_of(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parent.parent)
    return time.perf_counter() - begun


def _loaded_heavy() -> list[str]:
    """Return the heavy packages that are loaded before an agent is used."""
    code = f"from reasoning_widget import ReasoningChat; import sys; print(*set({_HEAVY!r}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.split()
