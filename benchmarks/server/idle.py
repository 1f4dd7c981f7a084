"""The server's memory for a watcher of an idle session.

It is counted by tracemalloc in the server's process, for 1,000 connected watchers that have read everything. The
baseline uses bare tornado WebSockets in the same server. Neither is compressed. What a watcher takes above the baseline
is mostly what Jupyter Server keeps for every request: its headers, the user, the page's settings. At 8 KiB, a thousand
watchers take 8 MiB more, which nobody would notice in a process of hundreds of megabytes.
"""

from __future__ import annotations

import asyncio
import statistics

from benchmarks.measure import ROUNDS, Claim, Report, noise
from benchmarks.server.place import SPEAKER, Place, place
from benchmarks.server.watchers import RUN_FINISHED, SESSION, Watcher, close_all, connect_many
from benchmarks.tokens import Order

MAX_MORE = 8192.0
_STILL = 20_000.0  # bytes


def run(rounds: int = ROUNDS) -> Report:
    with place() as here:
        return measure(here, rounds)


def measure(here: Place, rounds: int = ROUNDS, watchers: int = 1000) -> Report:
    """Measure five times, whatever `rounds` is: memory is not timed. A first, uncounted time loads what is shared."""
    session, room = here.new_session(), here.new_room()
    here.run(_have_a_run(session, here.token))
    taken: dict[str, list[float]] = {"session": [], "room": [], "room again": []}
    for _ in range(6):
        for name, address in (("session", session), ("room", room), ("room again", room)):
            taken[name].append(_bytes_each(here, address, watchers))
    for each in taken.values():
        each.pop(0)
    bare, ours = statistics.median(taken["room"] + taken["room again"]), statistics.median(taken["session"])
    return Report(
        title="An idle watcher",
        about=__doc__,
        claims=[
            Claim(
                "Memory of a watcher, above a bare WebSocket's",
                ours - bare,
                MAX_MORE,
                "bytes",
                f"{ours / 1024:.1f} KiB, bare {bare / 1024:.1f} KiB",
                noise(taken["room"], taken["room again"]),
            )
        ],
        counts={"bytes of a bare WebSocket": int(bare), "bytes of a watcher": int(ours)},
    )


async def _have_a_run(address: str, token: str) -> None:
    watcher = await Watcher.connect(address, token)
    ended = watcher.until(RUN_FINISHED)
    watcher.ask(SPEAKER, Order(200).as_json())
    await ended
    await watcher.close()


async def _at_rest(here: Place) -> float:
    """Return the server's memory once it no longer changes: closed connections release theirs gradually."""
    before, now = -_STILL, float(await here.probe("memory"))
    while abs(now - before) > _STILL:
        await asyncio.sleep(0.1)
        before, now = now, float(await here.probe("memory"))
    return now


def _bytes_each(here: Place, address: str, count: int) -> float:
    async def measure() -> float:
        left = count
        while left:  # of the previous round
            left = await here.probe("watchers")
        before = await _at_rest(here)
        crowd = await connect_many(address, here.token, count)
        if "/ws/chat/" in address:
            await asyncio.gather(*(watcher.until(SESSION) for watcher in crowd if not watcher.messages))
        taken = await _at_rest(here) - before
        await close_all(crowd)
        return float(taken) / count

    return here.run(measure())
