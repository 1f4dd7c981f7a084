"""How a claim is judged: in rounds in which everything takes its turn, by medians, beside a baseline measured twice.

A machine that is busy, or throttled, is not noticed by looking at a time. It is noticed when the baseline differs from
itself: then nothing is said about anything that was measured beside it.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

ROUNDS = 11
"""Fewer are a trial of the benchmark, not a measurement."""

MAX_NOISE = 1.2
"""A baseline that differs from itself by more decides nothing."""

Verdict = Literal["met", "missed", "not decidable here"]
Samples = dict[str, list[float]]


@dataclass(frozen=True)
class Claim:
    """A number that must not be above its limit."""

    what: str
    measured: float
    limit: float
    unit: str
    """`times`, `ms`, `s`, `kB`, `bytes` or `a second`."""
    details: str = ""
    """The numbers it was made from, and those of the baseline."""
    noise: float | None = None
    """How much the baseline differs from itself, as a ratio of at least 1; None for what is counted, not timed."""

    @property
    def verdict(self) -> Verdict:
        """What the number says."""
        if self.noise is not None and not self.noise <= MAX_NOISE:
            return "not decidable here"
        return "met" if self.measured <= self.limit else "missed"


@dataclass(frozen=True)
class Report:
    """What one benchmark found."""

    title: str
    about: str
    claims: list[Claim]
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """What does not depend on the machine's speed: for the tests of the benchmarks themselves."""


def take_turns(rounds: int, candidates: dict[str, Callable[[], float]], *, warm_up: bool = True) -> Samples:
    """Call each candidate once a round, another one first each time, and return what they returned.

    Args:
        rounds: How often each is called.
        candidates: By name; what they return is a time, or anything else that is to be compared.
        warm_up: Whether each is called once before, and that not counted.
    """
    names = list(candidates)
    samples: Samples = {name: [] for name in names}
    for round_number in range(-1 if warm_up else 0, rounds):
        shift = round_number % len(names)
        for name in [*names[shift:], *names[:shift]]:
            gc.collect()
            value = candidates[name]()
            if round_number >= 0:
                samples[name].append(value)
    return samples


def median_ratio(samples: Sequence[float], baseline: Sequence[float]) -> float:
    """How many times its baseline something is."""
    return statistics.median(samples) / statistics.median(baseline)


def noise(first: Sequence[float], second: Sequence[float]) -> float:
    """How much a baseline differs from itself: 1 if not at all."""
    ratio = median_ratio(first, second)
    return max(ratio, 1 / ratio)


def percentile(samples: Sequence[float], percent: int) -> float:
    """The value that `percent` in a hundred of the samples do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def spread(samples: Sequence[float], unit: str = "s", scale: float = 1) -> str:
    """The median, and between which values half of the samples lie."""
    low, middle, high = (percentile(samples, p) * scale for p in (25, 50, 75))
    return f"{middle:.3g} {unit} ({low:.3g} to {high:.3g})"
