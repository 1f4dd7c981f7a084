"""The results as tables: printed, and written to docs/performance.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import MAX_NOISE, Claim, Report
from benchmarks.pages import versions

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
COMMAND = "make bench"

_INTRODUCTION = f"""# Performance

This page lists the limits that we claim, and what was measured. `{COMMAND}` writes it. Run a single benchmark with
`python -m benchmarks NAME`; its method is described in `benchmarks/NAME.py` or `benchmarks/server/NAME.py`.

A time means little without the machine, so each is compared with a baseline that is measured in the same session. Both
take turns, in rounds, and their medians are compared. The baseline runs twice in each round; *A/A* is the ratio of the
two. If it is above {MAX_NOISE}, the machine was too busy, and the result is "not decidable here". Numbers in brackets
are quartiles. Counts need no baseline.
"""


def lines(report: Report) -> Iterator[str]:
    """Yield the lines of the report, in Markdown."""
    yield f"## {report.title}"
    yield ""
    yield report.about.strip()
    yield ""
    yield "| | measured | limit | A/A | result | |"
    yield "| --- | ---: | ---: | ---: | --- | --- |"
    for claim in report.claims:
        same = "" if claim.noise is None else f"{claim.noise:.2f}"
        measured, limit = _number(claim.measured, claim), _number(claim.limit, claim)
        yield f"| {claim.what} | {measured} | {limit} | {same} | {claim.verdict} | {claim.details} |"
    for note in report.notes:
        yield ""
        yield note


def document(reports: list[Report], rounds: int) -> str:
    """Return the whole file."""
    parts = [_INTRODUCTION.rstrip(), *_circumstances(rounds), *("\n".join(lines(report)) for report in reports)]
    return "\n\n".join(parts) + "\n"


def _circumstances(rounds: int) -> Iterator[str]:
    shown_with = ", ".join(f"{name} {version}" for name, version in versions().items())
    yield (
        f"Measured on {datetime.now(UTC).date()}, in {rounds} rounds, with `{COMMAND}`: {os.cpu_count()} cores "
        f"({platform.machine()}), {platform.system()}, Python {platform.python_version()}, {shown_with}."
    )


def _number(value: float, claim: Claim) -> str:
    if claim.unit == "times":
        return f"{value:.2f} times"
    return f"{value:.3g} {claim.unit}"
