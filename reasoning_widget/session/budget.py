"""A budget of so much a second, of which a pause lets a little be saved up."""

from __future__ import annotations


class Budget:
    """What may be spent: a token bucket that may be overdrawn.

    Args:
        rate: Units a second.
        burst: Units that may be spent at once after a pause.
    """

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = 0.0

    def spend(self, amount: float, now: float) -> None:
        """Account for `amount` spent at `now`, in seconds of a monotonic clock."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate) - amount
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until something may be spent again; 0 for at once."""
        return max(0.0, -(self._left + (now - self._at) * self._rate) / self._rate)
