"""Claims about speed, measured beside a baseline in the same session: `python -m benchmarks`."""
