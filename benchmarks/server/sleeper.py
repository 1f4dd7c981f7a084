"""A watcher that stops reading: the memory that the server uses for it, and what the others notice.

Ten clients watch an agent that yields thoughts of many megabytes, then tokens at 50 per second, in a new session each
time. One of the ten stops reading before the first thought, with small system buffers. It resumes after the run, and
must end with the same transcript as the others. The baseline is the same ten clients, all reading, measured twice.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.measure import ROUNDS, Claim, Report, median_ratio, noise, percentile, spread, take_turns
from benchmarks.server.agents import Steps
from benchmarks.server.place import THINKER, Place, place
from benchmarks.server.receipt import RATE, session_answer
from benchmarks.server.watchers import RUN_FINISHED, Watcher, close_all, connect_many
from benchmarks.tokens import Order
from reasoning_widget.fold import Transcript, new_transcript, receive

MAX_KEPT = 1024.0
MAX_RATIO = 1.2
OTHERS = 9
_SENTENCES = 2000  # of 58 bytes each, in a thought


class Seen(NamedTuple):
    """Measurements of a session, with or without a sleeper."""

    memory: float
    """The growth of the server's objects, in kB."""
    delay: float
    """The median age of the tokens when another client received them, in ms."""
    slept_through: int
    """The number of messages that were not sent to the sleeper while it slept."""
    differs: bool
    """Whether its final transcript differs from the others'."""


def run(rounds: int = ROUNDS) -> Report:
    with place() as here:
        return measure(here, rounds)


def measure(here: Place, rounds: int = ROUNDS, thoughts: int = 50, tokens: int = 50) -> Report:
    seen: dict[str, list[Seen]] = {"awake": [], "asleep": [], "awake again": []}
    order = Order(tokens, rate=RATE, stamped=True)

    def measured(name: str) -> Callable[[], float]:
        def measure() -> float:
            seen[name].append(here.run(_see(here, Steps(thoughts, _SENTENCES), order, asleep=name == "asleep")))
            return 0.0

        return measure

    here.run(here.probe("memory"))
    take_turns(rounds, {name: measured(name) for name in seen})
    asleep = seen["asleep"]
    for each in seen.values():
        each.pop(0)  # the warm-up
    memory = {name: [one.memory for one in each] for name, each in seen.items()}
    delays = {name: [one.delay for one in each] for name, each in seen.items()}
    megabytes = thoughts * _SENTENCES * 58 / 1e6
    same = noise(delays["awake"], delays["awake again"])
    baseline = delays["awake"] + delays["awake again"]
    return Report(
        title="A watcher that stops reading",
        about=__doc__,
        claims=[
            Claim(
                f"Memory kept for a watcher that has slept through {megabytes:.0f} MB",
                statistics.median(memory["asleep"]) - statistics.median(memory["awake"] + memory["awake again"]),
                MAX_KEPT,
                "kB",
                f"the session itself {statistics.median(memory['awake']):,.0f} kB",
                noise(memory["awake"], memory["awake again"]),
            ),
            Claim(
                "The others' tokens are received later than with all awake",
                median_ratio(delays["asleep"], baseline),
                MAX_RATIO,
                "times",
                f"{spread(delays['asleep'], 'ms')}, with all awake {spread(baseline, 'ms')}",
                same,
            ),
            Claim("Sleepers that end up with another transcript", sum(one.differs for one in asleep), 0, "of all"),
        ],
        counts={
            "messages slept through": min(one.slept_through for one in asleep),
            "transcripts that differ": sum(one.differs for each in seen.values() for one in each),
        },
    )


async def _see(here: Place, steps: Steps, order: Order, *, asleep: bool) -> Seen:
    address = here.new_session()
    states = {name: new_transcript() for name in ("sleeper", "other")}
    before = await here.probe("memory")
    sleeper = await Watcher.connect(address, here.token, _folding(states["sleeper"]), small=True)
    other = await Watcher.connect(address, here.token, _folding(states["other"]))
    others = [other, *await connect_many(address, here.token, OTHERS - 1)]
    if asleep:
        sleeper.sleep()
    ended = [each.until(RUN_FINISHED) for each in others]
    others[-1].ask(THINKER, steps.as_json())
    await asyncio.gather(*ended)
    answer = await session_answer(others[-1], order)
    memory = await here.probe("memory") - before
    missed = other.messages - sleeper.messages
    if asleep:
        sleeper.wake()
    while states["sleeper"]["last_seq"] < states["other"]["last_seq"]:
        await sleeper.until()
    await close_all([sleeper, *others])
    return Seen(memory / 1000, percentile(answer.delays, 50), missed, states["sleeper"] != states["other"])


def _folding(state: Transcript) -> Callable[[bytes], None]:
    def fold(message: bytes) -> None:
        receive(state, json.loads(message))

    return fold
