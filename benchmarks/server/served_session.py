"""Whether a long session costs the server more: CPU time of a step, and the time to open it.

Steps come from an agent in a worker process, are written to disk and sent to a watcher, one by one. Opening starts with
the TCP connection and ends with the first frame; before, the session was only on disk.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Coroutine

from benchmarks.measure import ROUNDS, Claim, Report, Samples, median_ratio, noise, spread, take_turns
from benchmarks.server.agents import Steps
from benchmarks.server.place import SPEAKER, THINKER, Place, place
from benchmarks.server.watchers import RUN_FINISHED, SESSION, STEP, Watcher
from benchmarks.tokens import Order

MAX_STEP_RATIO = 1.2
MAX_LINEAR = 5.0
"""For four times as many steps or tokens: linear growth is 4."""
MAX_OPENING_MS = 300.0
RATE = 4000
_IN_A_RUN = 100
_TIMED = 10
_Work = Callable[[], Coroutine[None, None, float]]

_REST = 0.15  # seconds of silence during which the server is asked for its CPU time


def run(rounds: int = ROUNDS) -> Report:
    with place() as here:
        return measure(here, rounds)


def measure(here: Place, rounds: int = ROUNDS, steps: int = 10_000, tokens: int = 8000) -> Report:
    sessions = _Sessions(here, steps)
    step = take_turns(rounds, sessions.turns("10th", sessions.tenth_step, f"{steps:,}th", sessions.late_step))
    short, long = (sessions.answer(count) for count in (tokens // 4, tokens))
    answer = take_turns(rounds, sessions.turns("short", short, "long", long))
    opened = take_turns(rounds, sessions.turns("quarter", sessions.open_quarter, "whole", sessions.open_whole))
    events = here.run(sessions.count_events())
    linear = f"{steps:,} steps, against a quarter of them"
    return Report(
        title="A long session on the server",
        about=__doc__,
        claims=[
            _ratio(f"The {steps:,}th step, against the 10th", step, MAX_STEP_RATIO, ("µs", 1e6)),
            _ratio(f"An answer of {tokens:,} tokens, against a quarter of them", answer, MAX_LINEAR, ("ms", 1e3)),
            _ratio(f"Opening {linear}", opened, MAX_LINEAR, ("ms", 1e3)),
            _opening(steps, opened),
        ],
        counts=events,
    )


def _opening(steps: int, samples: Samples) -> Claim:
    quarter, whole, again = samples.values()
    what = f"The first frame of a session of {steps:,} steps comes within"
    median = statistics.median(whole) * 1e3
    return Claim(what, median, MAX_OPENING_MS, "ms", spread(whole, "ms", 1e3), noise(quarter, again))


def _ratio(what: str, samples: Samples, limit: float, unit: tuple[str, float]) -> Claim:
    """Compare the second of three candidates with the first, which the third repeats."""
    baseline, measured, again = samples.values()
    details = f"{spread(measured, *unit)}, baseline {spread(baseline + again, *unit)}"
    return Claim(what, median_ratio(measured, baseline + again), limit, "times", details, noise(baseline, again))


class _Sessions:
    """A session with the given number of steps, one with a quarter of them, and new ones."""

    def __init__(self, here: Place, steps: int) -> None:
        self._here = here
        self._whole, self._quarter = here.new_session(), here.new_session()
        here.run(_grow(here, self._whole, steps))
        here.run(_grow(here, self._quarter, steps // 4))

    def turns(self, baseline: str, first: _Work, other: str, second: _Work) -> dict[str, Callable[[], float]]:
        """Return the candidates, with the baseline twice."""

        def measured(work: _Work) -> Callable[[], float]:
            return lambda: float(self._here.run(work()))

        return {baseline: measured(first), other: measured(second), f"{baseline} again": measured(first)}

    async def tenth_step(self) -> float:
        return await self._cost_of_step(self._here.new_session())

    async def late_step(self) -> float:
        return await self._cost_of_step(self._whole)

    async def _cost_of_step(self, address: str) -> float:
        """Return the server's CPU seconds for one of the steps after the first of a run."""
        watcher = await Watcher.connect(address, self._here.token)
        heard, ended = watcher.until(STEP), watcher.until(RUN_FINISHED)
        watcher.ask(THINKER, Steps(1 + _TIMED, pause=0.03, rest=_REST).as_json())
        await heard
        await asyncio.sleep(_REST / 3)
        before = await self._here.probe("cpu")
        await watcher.until(STEP, _TIMED)
        await asyncio.sleep(_REST / 3)
        taken = await self._here.probe("cpu") - before
        await ended
        await watcher.close()
        return float(taken) / _TIMED

    def answer(self, tokens: int) -> _Work:
        """Return a function that measures the server's CPU seconds for an answer in a new session."""

        async def cost() -> float:
            watcher = await Watcher.connect(self._here.new_session(), self._here.token)
            before = await self._here.probe("cpu")
            await _ask(watcher, SPEAKER, Order(tokens, rate=RATE).as_json())
            taken = await self._here.probe("cpu") - before
            await watcher.close()
            return float(taken)

        return cost

    async def open_quarter(self) -> float:
        return await self._time_to_open(self._quarter)

    async def open_whole(self) -> float:
        return await self._time_to_open(self._whole)

    async def _time_to_open(self, address: str) -> float:
        session_id = address.rpartition("/")[2].partition("?")[0]
        still_there = [session_id]
        while session_id in still_there:  # until the server has noticed that the last watcher has disconnected
            still_there = await self._here.probe("forget")
        begun = time.perf_counter()
        watcher = await Watcher.connect(f"{address}&after=0", self._here.token)
        if not watcher.messages:
            await watcher.until(SESSION)
        taken = time.perf_counter() - begun
        await watcher.close()
        return taken

    async def count_events(self) -> dict[str, int]:
        """Return the number of events in each of the two sessions."""
        counts = {}
        for name, address in (("whole", self._whole), ("quarter", self._quarter)):
            opened: list[bytes] = []
            watcher = await Watcher.connect(address, self._here.token, opened.append)
            if not opened:
                await watcher.until(SESSION)
            counts[f"events of the {name}"] = json.loads(opened[0])["data"]["last_seq"]
            await watcher.close()
        return counts


async def _grow(here: Place, address: str, steps: int) -> None:
    watcher = await Watcher.connect(address, here.token)
    for _ in range(steps // _IN_A_RUN):
        await _ask(watcher, THINKER, Steps(_IN_A_RUN).as_json())
    await watcher.close()


async def _ask(watcher: Watcher, agent: str, question: str) -> None:
    ended = watcher.until(RUN_FINISHED)
    watcher.ask(agent, question)
    await ended
