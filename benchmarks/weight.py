"""What the package weighs: the time its import takes, and the bytes that every chat sends to the page.

An import is timed as a process of its own, and the time of a process that imports nothing is taken off. What a chat's
user imports, `ReasoningChat`, is loaded when it is first named, so that is timed as well.
"""

from __future__ import annotations

import gzip
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import ROUNDS, Claim, Report, noise, spread, take_turns
from reasoning_widget.widget.link import STATIC

MAX_IMPORT_S = 0.3
MAX_KB = 150.0
MAX_GZIPPED_KB = 50.0
_HEAVY = ("qwen_agent", "openai", "numpy")
_IMPORTS = {
    "import reasoning_widget": "import reasoning_widget",
    "from reasoning_widget import ReasoningChat": "from reasoning_widget import ReasoningChat",
}


def run(rounds: int = ROUNDS) -> Report:
    nothing = {"nothing": lambda: _time_of("pass"), "nothing again": lambda: _time_of("pass")}
    imports = {name: (lambda code=code: _time_of(code)) for name, code in _IMPORTS.items()}
    samples = take_turns(rounds, nothing | imports)
    empty = statistics.median(samples["nothing"] + samples["nothing again"])
    same = noise(samples["nothing"], samples["nothing again"])
    sizes = {path.name: path.read_bytes() for path in (STATIC / "widget.js", STATIC / "widget.css")}
    raw = sum(len(data) for data in sizes.values())
    zipped = sum(len(gzip.compress(data)) for data in sizes.values())
    told = ", ".join(f"{name} {len(data) / 1000:.1f} kB" for name, data in sizes.items())
    claims = [
        Claim(
            f"`{name}`",
            statistics.median(samples[name]) - empty,
            MAX_IMPORT_S,
            "s",
            f"process {spread(samples[name])}, one that imports nothing {empty:.3f} s",
            same,
        )
        for name in _IMPORTS
    ]
    claims += [
        Claim("Script and style of a chat", raw / 1000, MAX_KB, "kB", told),
        Claim("Script and style of a chat, gzipped", zipped / 1000, MAX_GZIPPED_KB, "kB"),
    ]
    return Report("What the package weighs", __doc__, claims, counts={"heavy packages": len(_loaded_heavy())})


def _time_of(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parent.parent)
    return time.perf_counter() - begun


def _loaded_heavy() -> list[str]:
    """What must not be loaded before an agent is used, and is."""
    code = f"from reasoning_widget import ReasoningChat; import sys; print(*set({_HEAVY!r}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.split()
