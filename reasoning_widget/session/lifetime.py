"""The age of sessions, independent of changes to the computer's clock.

If that clock jumped ahead, all sessions would suddenly be old enough to be deleted. So age is measured on a clock of
the database. While the file is open, it follows the monotonic clock. The time for which the file was closed is taken
from the computer's clock, but is at most half of the age at which sessions are deleted.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final

_SAVE_EVERY: Final = 60.0  # seconds


def _steady() -> float:
    """Seconds of a monotonic clock, which includes the time that the computer sleeps, where the system has one."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Lifetime:
    """The clock of a database of sessions, in seconds from an arbitrary start.

    Args:
        db: The database.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        now = time.time()
        saved = db.execute("SELECT lived, at FROM lifetime").fetchone()
        # A database of an earlier version has not saved its clock: continue from its newest session.
        newest = db.execute("SELECT lived, updated FROM session ORDER BY lived DESC LIMIT 1").fetchone()
        lived, at = saved or newest or (now, now)
        self._lived = float(lived)
        self._closed_for = max(0.0, now - float(at))
        self._decided = False
        self._began = _steady()
        self._saved = self._began

    def now(self) -> float:
        """The current time of the clock."""
        return self._lived + self._closed_for + (_steady() - self._began)

    def horizon(self, age: float) -> float:
        """The time of the clock `age` seconds ago: sessions that changed last before it are older than that."""
        if not self._decided:
            self._decided = True
            self._closed_for = min(self._closed_for, max(0.0, age / 2))
        return self.now() - age

    def save(self, *, now: bool = False) -> None:
        """Save the clock for the next time that the database is opened: at most once a minute, unless `now` is set."""
        steady = _steady()
        if now or steady - self._saved >= _SAVE_EVERY:
            self._saved = steady
            self._db.execute("DELETE FROM lifetime")
            self._db.execute("INSERT INTO lifetime VALUES (?, ?)", (self.now(), time.time()))
