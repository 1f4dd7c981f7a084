"""The age of a token when a client of the server receives it, at the pace of a usual model: 50 tokens per second.

The agent yields its tokens in a worker process. Each carries the time at which it was made; the client, in another
process of the same machine, records when it has the message. The first token of each answer counts like any other. The
limits are absolute. A bare WebSocket in the same server, which a process feeds over a pipe, is measured twice for
comparison: A/A compares the medians of all its tokens, because 99th percentiles and first tokens depend on only a few.

The start of a run is the time from the prompt's arrival, with a ready worker, until the agent's first token arrives.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Coroutine
from typing import NamedTuple

from benchmarks.measure import ROUNDS, Claim, Report, noise, percentile, take_turns
from benchmarks.server.place import SPEAKER, Place, place
from benchmarks.server.watchers import RUN_FINISHED, Watcher, close_all
from benchmarks.tokens import Order

MAX_MEDIAN_MS = 2.0
MAX_P99_MS = 15.0
MAX_START_MS = 50.0
RATE = 50

_STAMP = re.compile(rb"t(\d{13}\.\d\d) ")


class Answer(NamedTuple):
    """The times of an answer, in ms."""

    start: float
    """The time from asking until the first token was received."""
    delays: list[float]
    """The age of each token when it was received."""


_Answering = Callable[[Watcher, Order], Coroutine[None, None, Answer]]


def run(rounds: int = ROUNDS) -> Report:
    with place() as here:
        return measure(here, rounds)


def measure(here: Place, rounds: int = ROUNDS, tokens: int = 150) -> Report:
    order = Order(tokens, rate=RATE, stamped=True)
    answers: dict[str, list[Answer]] = {"bare": [], "session": [], "bare again": []}
    session, room = (here.run(Watcher.connect(each, here.token)) for each in (here.new_session(), here.new_room()))

    def measured(name: str, answer: _Answering, of: Watcher) -> Callable[[], float]:
        def measure() -> float:
            answers[name].append(here.run(answer(of, order)))
            return 0.0

        return measure

    candidates = {
        "bare": measured("bare", bare_answer, room),
        "session": measured("session", session_answer, session),
        "bare again": measured("bare again", bare_answer, room),
    }
    take_turns(rounds, candidates)
    here.run(close_all([session, room]))
    for each in answers.values():
        each.pop(0)  # the warm-up
    delays = {name: [answer.delays for answer in each] for name, each in answers.items()}
    pooled = {name: list(itertools.chain(*each)) for name, each in delays.items()}
    firsts = {name: [answer[0] for answer in each] for name, each in delays.items()}
    starts = {name: [answer.start for answer in each] for name, each in answers.items()}
    differs = noise(pooled["bare"], pooled["bare again"])
    return Report(
        title="From the agent's yield to a client",
        about=__doc__,
        claims=[
            _claim("Half of the tokens are received within", 50, MAX_MEDIAN_MS, pooled, differs),
            _claim("99 in 100 of the tokens are received within", 99, MAX_P99_MS, pooled, differs),
            _claim("Half of the answers' first tokens are received within", 50, MAX_P99_MS, firsts, differs),
            _claim("Half of the runs have started within", 50, MAX_START_MS, starts, differs),
        ],
        counts={f"tokens in the {name}": len(pooled[name]) for name in ("session", "bare")},
    )


def _claim(what: str, percent: int, limit: float, samples: dict[str, list[float]], differs: float) -> Claim:
    baseline = percentile(samples["bare"] + samples["bare again"], percent)
    return Claim(what, percentile(samples["session"], percent), limit, "ms", f"bare {baseline:.2f} ms", differs)


async def session_answer(client: Watcher, order: Order) -> Answer:
    """Measure an answer of the agent to a client of a session."""
    heard = _Heard(client)
    ended = client.until(RUN_FINISHED)
    client.ask(SPEAKER, order.as_json())
    await ended
    return heard.answer()


async def bare_answer(client: Watcher, order: Order) -> Answer:
    """Measure an answer of the speaker to a bare WebSocket, with a message for each token."""
    heard = _Heard(client)
    ended = client.until(count=order.tokens)
    client.send(order._asdict())
    await ended
    return heard.answer()


class _Heard:
    """Records the tokens that a client receives from now on."""

    def __init__(self, client: Watcher) -> None:
        self._began = time.time() * 1000
        self._received: dict[bytes, float] = {}  # the times, in ms since the epoch
        client.on_message = self._note

    def answer(self) -> Answer:
        delays = [received - float(stamp) for stamp, received in self._received.items()]
        return Answer(min(self._received.values()) - self._began, delays)

    def _note(self, message: bytes) -> None:
        now = time.time() * 1000
        for stamp in _STAMP.findall(message):
            self._received.setdefault(stamp, now)
