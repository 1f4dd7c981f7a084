"""How claims are judged: in rounds in which all candidates take turns, by medians, beside a baseline measured twice.

A single time does not show that the machine is busy or throttled. Two measurements of the baseline that differ do show
it: then nothing that was measured beside them is judged.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

ROUNDS = 11
"""With fewer rounds, a benchmark is only a trial, not a measurement."""

MAX_NOISE = 1.2
"""If the baseline differs from itself by more, nothing is decided."""

Verdict = Literal["met", "missed", "not decidable here"]
Samples = dict[str, list[float]]


@dataclass(frozen=True)
class Claim:
    """A number that must not exceed its limit."""

    what: str
    measured: float
    limit: float
    unit: str
    """`times`, `ms`, `s`, `kB`, `bytes` or `a second`."""
    details: str = ""
    """The numbers from which it was computed, and those of the baseline."""
    noise: float | None = None
    """How much the baseline differs from itself, as a ratio of at least 1; None for counts, which are not timed."""

    @property
    def verdict(self) -> Verdict:
        """Whether the limit is met, if this can be decided."""
        if self.noise is not None and not self.noise <= MAX_NOISE:
            return "not decidable here"
        return "met" if self.measured <= self.limit else "missed"


@dataclass(frozen=True)
class Report:
    """The results of one benchmark."""

    title: str
    about: str
    claims: list[Claim]
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """Numbers that do not depend on the machine's speed, for the tests of the benchmarks themselves."""


def take_turns(rounds: int, candidates: dict[str, Callable[[], float]], *, warm_up: bool = True) -> Samples:
    """Call each candidate once per round, each round beginning with another one, and return their results.

    Args:
        rounds: How often each candidate is called.
        candidates: Functions by name. They return a time, or another number to compare.
        warm_up: Whether each candidate is first called once without being counted.
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
    """Return the median of the samples as a multiple of the baseline's median."""
    return statistics.median(samples) / statistics.median(baseline)


def noise(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how much a baseline differs from itself: 1 if not at all."""
    ratio = median_ratio(first, second)
    return max(ratio, 1 / ratio)


def percentile(samples: Sequence[float], percent: int) -> float:
    """Return the value that `percent` in a hundred of the samples do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def spread(samples: Sequence[float], unit: str = "s", scale: float = 1) -> str:
    """Describe the median, and the range that contains the middle half of the samples."""
    low, middle, high = (percentile(samples, p) * scale for p in (25, 50, 75))
    return f"{middle:.3g} {unit} ({low:.3g} to {high:.3g})"
