"""How slow work on the server grows, and whether other users notice it.

Four kinds of work are measured: exports in each format, a search for one letter, deleting expired sessions, and Stop
with many queued messages. Each runs on one server, and on another with four times as much data: four times the CPU time
is linear growth. For an export, that is the CPU time of the process that writes it; otherwise it is the server's. The
letter occurs nowhere, so the search reads everything.

Meanwhile, a task on the server's event loop wakes up every 5 ms. How late it wakes up is how long a token of another
user's answer would wait. If it is as late on an idle server, the machine is too busy to tell. The CPU time that the
loop's thread uses between two wake-ups does not depend on other processes. Both are the longest of a round, and the
median over the rounds. Memory growth is the server's peak, above its memory before the first export.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from typing import Final, NamedTuple

from benchmarks.measure import ROUNDS, Claim, Report, median_ratio, noise, spread, take_turns
from benchmarks.server.agents import Steps
from benchmarks.server.bare import Seen
from benchmarks.server.place import THINKER, place
from benchmarks.server.watchers import RUN_FINISHED, STEP, Watcher
from reasoning_widget.protocol import JSON, MAX_QUEUED, Frame
from reasoning_widget.session.store import SessionStore

FORMATS: Final = ("json", "markdown", "html", "notebook", "table")
MAX_LINEAR = 5.0
"""For four times as much data: linear growth is 4."""
MAX_LATE_MS = 50.0
MAX_MEMORY_MB = 64.0
MAX_ROUNDS = 3
"""For work that takes many seconds each time."""
THOUGHT: Final = """\
Where the **harbour** freezes, the ships wait for the *spring*, and nobody sails before `ice < 0.1`:

- the pilots say so, whom [everybody](https://example.org) asks,
- and so do the charts of the year before.
"""
_LONG: Final = "long"
_STEPS_OF_ONE: Final = 20  # steps in each session that is searched or expires
_AT_ONCE: Final = 1000  # events written together
_HOUR: Final = 3600.0
_IDLE: Final = 10.0  # the most seconds for which an idle server is watched
_ACK: Final = b'{"type":"ack"'
_WITHDRAWN: Final = b'{"type":"message_withdrawn"'

_Work = Callable[["_Server"], Seen]


class Amounts(NamedTuple):
    """The amounts of data on the big server."""

    steps: int = 16_000
    """Steps of the exported session."""
    sessions: int = 2000
    """Further sessions that are searched."""
    expired: int = 20_000
    """Steps that expire."""
    queued: int = MAX_QUEUED

    def quarter(self) -> Amounts:
        """Return the amounts on the small server."""
        return Amounts(*(amount // 4 for amount in self))


def run(rounds: int = ROUNDS, amounts: Amounts | None = None) -> Report:
    amounts = amounts or Amounts()
    with ExitStack() as stack:
        small, big = (_Server(stack, each) for each in (amounts.quarter(), amounts))
        few = min(rounds, MAX_ROUNDS)
        exports = {
            f"Exporting {amounts.steps:,} steps as {kind}": partial(_Server.export, kind=kind) for kind in FORMATS
        }
        claims = [claim for what, work in exports.items() for claim in _claims(what, work, few, small, big)]
        searched = f"Searching {amounts.sessions:,} sessions for one letter"
        claims += _claims(searched, _Server.search, rounds, small, big)
        claims += _claims(f"Deleting {amounts.expired:,} expired steps", _Server.expire, few, small, big)
        claims += _claims(f"Stop with {amounts.queued:,} queued messages", _Server.stop, rounds, small, big)
        memory = Claim(
            "Memory growth of the server during all of this",
            big.grown / 1e6,
            MAX_MEMORY_MB,
            "MB",
            f"the smaller server {small.grown / 1e6:.3g} MB; the largest export has {big.longest_export / 1e6:.3g} MB",
        )
        return Report(
            title="Slow work on the server",
            about=str(__doc__),
            claims=[*claims, memory],
            counts={
                "rows left of what has expired": small.left + big.left,
                "messages withdrawn by Stop": big.withdrawn,
                "bytes of the longest export": big.longest_export,
            },
        )


def _claims(what: str, work: _Work, rounds: int, small: _Server, big: _Server) -> list[Claim]:
    looks: list[Seen] = []
    lasted: list[float] = []

    def measured(server: _Server) -> float:
        begun = time.perf_counter()
        seen = work(server)
        if server is big:
            looks.append(seen)
            lasted.append(time.perf_counter() - begun)
        return seen["cpu"] + seen["others"]

    candidates: dict[str, Callable[[], float]] = {
        "quarter": lambda: measured(small),
        "whole": lambda: measured(big),
        "quarter again": lambda: measured(small),
    }
    quarter, whole, again = take_turns(rounds, candidates, warm_up=rounds > MAX_ROUNDS).values()
    details = f"{spread(whole, 'ms', 1e3)}, a quarter {spread(quarter + again, 'ms', 1e3)}"
    growth = Claim(
        f"{what}, against a quarter of it",
        median_ratio(whole, quarter + again),
        MAX_LINEAR,
        "times",
        details,
        noise(quarter, again),
    )
    idle = big.watched(lambda: big.here.run(asyncio.sleep(min(max(lasted), _IDLE))))["longest"] * 1e3
    late, own = ([seen[name] * 1e3 for seen in looks[-rounds:]] for name in ("longest", "own"))
    return [
        growth,
        Claim(f"{what}: the loop is busy for", statistics.median(own), MAX_LATE_MS, "ms", _most(own)),
        Claim(
            f"{what}: the loop is late by",
            statistics.median(late),
            MAX_LATE_MS,
            "ms",
            f"{_most(late)}; idle {idle:.3g} ms",
            1 + idle / MAX_LATE_MS,
        ),
    ]


def _most(values: list[float]) -> str:
    return f"at most {max(values):.3g} ms"


class _Server:
    """A server with the given amounts of data.

    Attributes:
        left: Rows of expired data that were not deleted.
        withdrawn: Messages that the last Stop withdrew.
        longest_export: Bytes.
    """

    def __init__(self, stack: ExitStack, amounts: Amounts) -> None:
        self._amounts = amounts
        self.left = 0
        self.withdrawn = 0
        self.longest_export = 0
        self.here = stack.enter_context(place(self._fill))
        self._old = self.here.folder / "old.db"
        with closing(SessionStore(self._old, "a benchmark")) as store:
            _write_many(store, amounts.expired // _STEPS_OF_ONE)
        self._numbers = itertools.count()
        self._after = 0
        self._before = self.watched(lambda: None)["peak"]

    @property
    def grown(self) -> int:
        """Bytes by which its peak memory has grown."""
        return self._after - self._before

    def watched(self, work: Callable[[], object]) -> Seen:
        """Return what the server did during `work`."""
        self.here.run(self.here.probe("look out"))
        work()
        seen: Seen = self.here.run(self.here.probe("seen"))
        self._after = max(self._after, seen["peak"])
        return seen

    def export(self, kind: str) -> Seen:
        def export() -> None:
            length = sum(map(len, self.here.fetch(f"sessions/{_LONG}/export?format={kind}")))
            self.longest_export = max(self.longest_export, length)

        return self.watched(export)

    def search(self) -> Seen:
        def search() -> None:
            assert b"".join(self.here.fetch("sessions?q=%D0%B6")) == b'{"sessions":[],"next_cursor":null}'

        return self.watched(search)

    def expire(self) -> Seen:
        path = self.here.folder / f"expires{next(self._numbers)}.db"
        shutil.copy(self._old, path)
        seen = self.here.run(self.here.probe(f"tidy {path}"))
        self.left += seen["left"]
        return Seen(cpu=seen["cpu"], others=0, longest=seen["longest"], own=seen["own"], peak=seen["peak"])

    def stop(self) -> Seen:
        return self.here.run(self._stop())

    async def _stop(self) -> Seen:
        withdrawn = 0

        def count(message: bytes) -> None:
            nonlocal withdrawn
            withdrawn += message.startswith(_WITHDRAWN)

        watcher = await Watcher.connect(self.here.new_session(), self.here.token, count)
        runs = watcher.until(STEP)
        watcher.ask(THINKER, Steps(1, rest=_HOUR).as_json())
        await runs
        queued = watcher.until(_ACK, self._amounts.queued)
        for number in range(self._amounts.queued):
            watcher.send({"type": "chat", "id": f"m{number}", "payload": {"message": "And?", "agent_name": THINKER}})
        await queued
        await self.here.probe("look out")
        ended = watcher.until(RUN_FINISHED)
        watcher.send({"type": "stop", "payload": {}})
        await ended
        seen: Seen = await self.here.probe("seen")
        await watcher.close()
        self.withdrawn = withdrawn
        return {**seen, "others": 0}  # which would be the CPU time of a replaced worker

    def _fill(self, store: SessionStore) -> None:
        _write(store, _LONG, self._amounts.steps)
        _write_many(store, self._amounts.sessions)


def _write_many(store: SessionStore, sessions: int) -> None:
    for number in range(sessions):
        _write(store, f"session-{number}", _STEPS_OF_ONE)


def _write(store: SessionStore, session_id: str, steps: int) -> None:
    """Write a session of one run: thoughts, tools with their results, and an answer."""
    asked: JSON = {"id": "m", "content": "When does the harbour open?", "timestamp": 1.0, "follows": None}
    started: JSON = {
        "run_id": "r",
        "message_id": "m",
        "agent_name": "pilot",
        "enable_reasoning": True,
        "timestamp": 1.0,
    }
    finished: JSON = {"run_id": "r", "status": "completed", "usage": {}, "duration": 1.0}
    events = [
        ("user_message", asked),
        ("run_started", started),
        *(("reasoning_step", _step(number, steps)) for number in range(steps)),
        ("run_finished", finished),
    ]
    store.begin(session_id, "epoch")
    frames: list[Frame] = [{"type": kind, "seq": seq, "data": data} for seq, (kind, data) in enumerate(events, 1)]
    for begin in range(0, len(frames), _AT_ONCE):
        store.append(session_id, begin, frames[begin : begin + _AT_ONCE])


def _step(number: int, steps: int) -> JSON:
    kind = "final_answer" if number == steps - 1 else ("thought", "thought", "tool_use", "tool_result")[number % 4]
    step: JSON = {
        "run_id": "r",
        "id": f"r.{number}",
        "index": number,
        "type": kind,
        "content": f"{number}. {THOUGHT}",
        "iteration": 1,
        "timestamp": 1.0 + number,
        "status": "done",
        "agent": "pilot",
    }
    if kind == "tool_use":
        step["tool"] = {"name": "charts", "arguments": f'{{"year": {1900 + number % 100}}}'}
    return step
