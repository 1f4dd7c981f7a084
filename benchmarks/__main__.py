"""Measure the claims about speed: ``python -m benchmarks [NAME…] [--rounds N]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from benchmarks import (
    delay,
    hostile,
    long_session,
    main_thread,
    markdown,
    page,
    qwen,
    report,
    saved_transcript,
    saving,
    traffic,
    weight,
)
from benchmarks.measure import ROUNDS, Report
from benchmarks.server import broadcast, growth, idle, receipt, served_session, sleeper

BENCHMARKS: dict[str, Callable[[int], Report]] = {
    "page": page.run,
    "delay": delay.run,
    "saving": saving.run,
    "traffic": traffic.run,
    "main_thread": main_thread.run,
    "qwen": qwen.run,
    "weight": weight.run,
    "markdown": markdown.run,
    "long_session": long_session.run,
    "saved_transcript": saved_transcript.run,
    "hostile": hostile.run,
    "broadcast": broadcast.run,
    "idle": idle.run,
    "receipt": receipt.run,
    "sleeper": sleeper.run,
    "served_session": served_session.run,
    "growth": growth.run,
}


def main() -> int:
    """Run the named benchmarks, or all. The results of all, in enough rounds, are written to docs/performance.md.

    Returns:
        The number of missed claims.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}; fewer are only a trial")
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    reports = []
    for name in options.names or BENCHMARKS:
        reports.append(BENCHMARKS[name](options.rounds))
        print("\n".join(report.lines(reports[-1])), flush=True)
        print()
    if not options.names and options.rounds >= ROUNDS:
        report.DOCUMENT.parent.mkdir(exist_ok=True)
        report.DOCUMENT.write_text(report.document(reports, options.rounds), encoding="utf-8")
    return sum(claim.verdict == "missed" for done in reports for claim in done.claims)


if __name__ == "__main__":
    sys.exit(main())
