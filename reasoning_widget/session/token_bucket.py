"""Limits a rate: so much a second on average, and a little more at once after a pause."""

from __future__ import annotations


class TokenBucket:
    """A token bucket that may be overdrawn: a large amount is allowed, and paid for by a longer wait after it.

    Args:
        rate: The units that are added each second.
        burst: The most units that can be saved up.
    """

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = 0.0

    def spend(self, amount: float, now: float) -> None:
        """Remove `amount` units at the time `now`, in seconds of a monotonic clock."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate) - amount
        self._at = now

    def wait(self, now: float) -> float:
        """The seconds until the bucket is no longer overdrawn; 0 if it is not."""
        return max(0.0, -(self._left + (now - self._at) * self._rate) / self._rate)
