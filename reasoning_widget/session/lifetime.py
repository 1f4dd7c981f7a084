"""How old sessions are, whatever is done to the computer's clock.

A clock that jumps makes everything look old at once. So age is counted in time that was lived through: while the file
is open, by a clock that cannot be set; while it was closed, by the computer's clock, but never for more than half of
the age at which sessions are deleted.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final

_SAVE_EVERY: Final = 60.0  # seconds


def _steady() -> float:
    """Seconds on a clock that nobody sets; it counts sleep where the system has such a clock."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Lifetime:
    """The time that a database of sessions has lived, in seconds; where it begins means nothing.

    Args:
        db: The database.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        now = time.time()
        saved = db.execute("SELECT lived, at FROM lifetime").fetchone()
        # A database that has not kept it yet has lived until something was last said in it.
        newest = db.execute("SELECT lived, updated FROM session ORDER BY lived DESC LIMIT 1").fetchone()
        lived, at = saved or newest or (now, now)
        self._lived = float(lived)
        self._closed_for = max(0.0, now - float(at))
        self._decided = False
        self._began = _steady()
        self._saved = self._began

    def now(self) -> float:
        """How long it has lived."""
        return self._lived + self._closed_for + (_steady() - self._began)

    def horizon(self, age: float) -> float:
        """What lived last before this is older than `age` seconds."""
        if not self._decided:
            self._decided = True
            self._closed_for = min(self._closed_for, max(0.0, age / 2))
        return self.now() - age

    def save(self, *, now: bool = False) -> None:
        """Remember it for the next time that the database is opened: once a minute is enough, or `now`."""
        steady = _steady()
        if now or steady - self._saved >= _SAVE_EVERY:
            self._saved = steady
            self._db.execute("DELETE FROM lifetime")
            self._db.execute("INSERT INTO lifetime VALUES (?, ?)", (self.now(), time.time()))
