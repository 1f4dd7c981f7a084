"""Whether a long session costs more: its 10,000th step compared with its 10th, opening it, and catching up.

This is pure Python with a scripted agent. Steps come in runs of 100, and a watcher receives them one by one. Opening
reads the log from a file and folds it; catching up makes the batches that a page requests after a reload.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from benchmarks.measure import ROUNDS, Claim, Report, Samples, median_ratio, noise, spread, take_turns
from reasoning_widget.agents.manager import AgentManager
from reasoning_widget.protocol import Batch, Step, encode
from reasoning_widget.session.runner import RunHandle, RunHost, Runner, RunSpec
from reasoning_widget.session.session import Session
from reasoning_widget.session.sqlite import SQLiteLog
from reasoning_widget.session.watcher import Watcher

MAX_STEP_RATIO = 1.2
MAX_LINEAR = 5.0
"""For four times as many steps: linear growth is 4."""
_IN_A_RUN = 100
_BEFORE, _AROUND = 5, 10  # ten steps are timed together, from the 6th on: a single one is too short
_STEP: Step = {"type": "thought", "content": "Where the harbour freezes, the ships wait for the spring. " * 5}


class _Played(Runner, RunHandle):
    """Runs that the benchmark controls."""

    host: RunHost

    def start(self, spec: RunSpec, host: RunHost) -> RunHandle:
        self.host = host
        return self

    def stop(self) -> None:
        """Do nothing, because nothing runs."""


def run(rounds: int = ROUNDS, steps: int = 10_000) -> Report:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        return asyncio.run(_run(rounds, steps, Path(folder)))


async def _run(rounds: int, steps: int, folder: Path) -> Report:
    files = {"whole": folder / "whole.sqlite", "quarter": folder / "quarter.sqlite"}
    for name, path in files.items():
        _PlayedSession(path).grow(steps // (4 if name == "quarter" else 1)).end()
    late = _PlayedSession().grow(steps - _IN_A_RUN)
    step = take_turns(rounds, {"10th": _tenth, "late": lambda: _time_a_step(late), "10th again": _tenth})
    late.end()
    opened = take_turns(rounds, _three(files, _time_to_open))
    caught_up = take_turns(rounds, _three(files, _time_to_catch_up))
    tenth = step["10th"] + step["10th again"]
    return Report(
        title="A long session",
        about=__doc__,
        claims=[
            Claim(
                f"The {steps:,}th step, against the 10th",
                median_ratio(step["late"], tenth),
                MAX_STEP_RATIO,
                "times",
                f"{spread(step['late'], 'µs', 1e6)}, the 10th {spread(tenth, 'µs', 1e6)}",
                noise(step["10th"], step["10th again"]),
            ),
            _linear(f"Opening {steps:,} steps, against a quarter of them", opened),
            _linear(f"Catching up on {steps:,} steps, against a quarter of them", caught_up),
        ],
        counts={f"events of the {name}": _count_events(path) for name, path in files.items()},
    )


def _three(files: dict[str, Path], measure: Callable[[Path], float]) -> dict[str, Callable[[], float]]:
    order = {"quarter": "quarter", "whole": "whole", "quarter again": "quarter"}
    return {name: functools.partial(measure, files[which]) for name, which in order.items()}


def _linear(what: str, samples: Samples) -> Claim:
    quarter = samples["quarter"] + samples["quarter again"]
    return Claim(
        what,
        median_ratio(samples["whole"], quarter),
        MAX_LINEAR,
        "times",
        f"{spread(samples['whole'], 'ms', 1000)}, a quarter {spread(quarter, 'ms', 1000)}",
        noise(samples["quarter"], samples["quarter again"]),
    )


def _tenth() -> float:
    session = _PlayedSession()
    seconds = _time_a_step(session)
    session.end()
    return seconds


def _time_a_step(session: _PlayedSession) -> float:
    session.grow(_BEFORE)
    begun = time.perf_counter()
    session.grow(_AROUND)
    return (time.perf_counter() - begun) / _AROUND


def _time_to_open(path: Path) -> float:
    begun = time.perf_counter()
    session = _open(path)
    seconds = time.perf_counter() - begun
    session.close()
    return seconds


def _time_to_catch_up(path: Path) -> float:
    session = _open(path)
    begun = time.perf_counter()
    for batch in _batches(session):
        encode(batch)
    seconds = time.perf_counter() - begun
    session.close()
    return seconds


def _count_events(path: Path) -> int:
    session = _open(path)
    count = sum("seq" in frame for batch in _batches(session) for frame in batch["frames"])
    session.close()
    return count


def _open(path: Path) -> Session:
    return Session("benchmark", log=SQLiteLog(path), agents=AgentManager(), runner=_Played())


def _batches(session: Session) -> Iterator[Batch]:
    watcher = Watcher(session, session.epoch, 0)
    while not watcher.up_to_date:
        yield watcher.read()
    watcher.close()


class _PlayedSession:
    """A session, and the runner that acts as its agent. Needs a running loop."""

    def __init__(self, path: str | Path = ":memory:") -> None:
        self._runner = _Played()
        self.session = Session("benchmark", log=SQLiteLog(path), agents=AgentManager(), runner=self._runner)
        self._live = Watcher(self.session)
        self._questions = itertools.count()
        self._left = 0

    def grow(self, steps: int) -> Self:
        """Add this many steps. The watcher receives each before the next is added."""
        for _ in range(steps):
            if self._left == 0:
                self._ask()
            self._runner.host.on_steps([_STEP])
            self._left -= 1
            self._live.read()
        return self

    def end(self) -> None:
        """Finish the run and release the log."""
        self._runner.host.on_end(None, "")
        self.session.close()

    def _ask(self) -> None:
        if self.session.state["runs"]:
            self._runner.host.on_end(None, "")
        payload = {"message": "Where do the ships wait?", "agent_name": "played"}
        self.session.handle({"type": "chat", "id": f"q{next(self._questions)}", "payload": payload})
        self._left = _IN_A_RUN
