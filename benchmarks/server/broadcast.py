"""The cost of showing a run to many watchers: CPU time of the server's process for each delivered message.

An agent in a worker process yields 8,000 tokens at 4,000 per second; the watchers are in another process. The baseline
uses bare tornado WebSockets in the same server, which receive the same messages at the same times from a process over a
pipe, one by one. Neither is compressed.

With many watchers, the cost of a message limits how many people a server can serve, so it is compared with the
baseline. With a single watcher, most of it is the work for the session, which all watchers share: reading a step from
the worker, storing and folding it. What a person would notice is a server that cannot keep up, so the limit is
absolute: at 1 ms for a message, one core serves 16 people at once with 60 messages per second each, more often than a
page draws.
"""

from __future__ import annotations

import asyncio
import functools
import json
import statistics
import time
from collections.abc import Callable

from benchmarks.measure import ROUNDS, Claim, Report, Samples, median_ratio, noise, spread, take_turns
from benchmarks.server.place import SPEAKER, Place, place
from benchmarks.server.watchers import RUN_FINISHED, Watcher, close_all, connect_many
from benchmarks.tokens import Order

MAX_RATIO = 1.5
MAX_ALONE_MS = 1.0
RATE = 4000
WATCHERS = (1, 100, 1000)


def run(rounds: int = ROUNDS) -> Report:
    with place() as here:
        return measure(here, rounds)


def measure(here: Place, rounds: int = ROUNDS, tokens: int = 8000, watchers: tuple[int, ...] = WATCHERS) -> Report:
    claims = []
    counts = {}
    for count in watchers:
        crowd = _Crowd(here, count, Order(tokens, rate=RATE))
        crowd.watch_run()  # so that there are messages to repeat
        bare, session = crowd.cost_of(crowd.repeat_run), crowd.cost_of(crowd.watch_run)
        samples = take_turns(rounds, {"bare": bare, "session": session, "bare again": bare})
        crowd.close()
        claims.append(_claim(count, samples, crowd.messages))
        counts[f"messages to each of {count} in a session"] = crowd.messages
        counts[f"messages to each of {count} in a room"] = crowd.repeated
    return Report("A run and its watchers", __doc__, claims, counts=counts)


def _claim(count: int, samples: Samples, messages: int) -> Claim:
    ours, baseline = samples["session"], samples["bare"] + samples["bare again"]
    details = f"{spread(ours, 'µs', 1e6)}, bare {spread(baseline, 'µs', 1e6)}; {messages} messages each"
    same = noise(samples["bare"], samples["bare again"])
    if count == 1:
        return Claim(
            "CPU time of a message to 1 watcher", statistics.median(ours) * 1e3, MAX_ALONE_MS, "ms", details, same
        )
    what = f"A message to {count:,} watchers, against bare WebSockets"
    return Claim(what, median_ratio(ours, baseline), MAX_RATIO, "times", details, same)


class _Crowd:
    """The given number of watchers of a session, and as many in a bare room."""

    def __init__(self, here: Place, count: int, order: Order) -> None:
        self._here = here
        self._order = order
        self._file = here.folder / "messages.jsonl"
        self._watchers = here.run(connect_many(here.new_session(), here.token, count))
        self._room = here.run(connect_many(here.new_room(), here.token, count))
        self.messages = self.repeated = 0

    def close(self) -> None:
        self._here.run(close_all([*self._watchers, *self._room]))

    def cost_of(self, work: Callable[[], int]) -> Callable[[], float]:
        """Return a function that measures the server's CPU time for each message that `work` delivers."""

        def measure() -> float:
            before = self._here.run(self._here.probe("cpu"))
            delivered = work()
            return float(self._here.run(self._here.probe("cpu")) - before) / delivered

        return measure

    def watch_run(self) -> int:
        """Run the agent, and return the number of delivered messages."""
        recorded: list[tuple[float, str]] = []
        first, *_ = self._watchers
        first.on_message = lambda message: recorded.append((time.perf_counter(), message.decode()))
        ask = functools.partial(first.ask, SPEAKER, self._order.as_json())
        delivered = self._here.run(_deliver(self._watchers, ask))
        messages = [
            (at - recorded[0][0], message) for at, message in recorded if not message.startswith('{"type":"ack"')
        ]
        self._file.write_text("".join(f"{json.dumps(each)}\n" for each in messages), encoding="utf-8")
        self.messages = len(messages)
        return delivered

    def repeat_run(self) -> int:
        """Send the same messages to the room, and return the number of delivered ones."""
        order = {"replay": str(self._file)}
        delivered = self._here.run(_deliver(self._room, lambda: self._room[0].send(order)))
        self.repeated = delivered // len(self._room)
        return delivered


async def _deliver(watchers: list[Watcher], begin: Callable[[], None]) -> int:
    before = sum(watcher.messages for watcher in watchers)
    ended = [watcher.until(RUN_FINISHED) for watcher in watchers]
    begin()
    await asyncio.gather(*ended)
    return sum(watcher.messages for watcher in watchers) - before
