"""Export a transcript as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ..fold import Transcript, TranscriptRun
from ..parts import message_as_text
from .transcript import author_name

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = (
    *("run_id", "step_id", "question", "agent", "type", "status", "iteration", "time", "duration"),
    *("tool", "arguments", "content", "input_tokens", "output_tokens", "author"),
)
_MOST: Final = 2**63 - 1
"""The largest integer of a column. Edited files may contain larger numbers."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def to_frame(state: Transcript) -> pd.DataFrame:
    """Return a data frame with one row per step, in order, and the columns `COLUMNS`. `duration` is in seconds.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise ImportError("`to_frame` needs pandas: install it with `pip install pandas`") from None
    rows = list(_rows(state))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True, errors="coerce")
    frame["duration"] = pd.array(frame["duration"].tolist(), dtype="Float64")
    for name in ("input_tokens", "output_tokens"):
        counts = [None if row[name] is None or abs(row[name]) > _MOST else row[name] for row in rows]
        frame[name] = pd.array(counts, dtype="Int64")
    return frame


def to_csv(state: Transcript) -> str:
    """Return the table as comma-separated values, with `time` in ISO 8601. Spreadsheet formulas are defused."""
    written = io.StringIO()
    table = csv.DictWriter(written, COLUMNS)
    table.writeheader()
    for row in _rows(state):
        table.writerow(
            {**{name: _without_formula(value) for name, value in row.items()}, "time": _iso_time(row["time"])}
        )
    return written.getvalue()


def _iso_time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):  # not a valid time
        return ""


def _without_formula(value: Any) -> Any:
    """Quote a text that spreadsheets would execute as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _rows(state: Transcript) -> Iterator[dict[str, Any]]:
    return (_row(state, run, step_id) for run in state["runs"] for step_id in run["steps"])


def _row(state: Transcript, run: TranscriptRun, step_id: str) -> dict[str, Any]:
    step = state["steps"][step_id]
    tool: Mapping[str, Any] = step.get("tool") or {}
    usage = step.get("usage") or {}
    message = next((message for message in state["messages"] if message["id"] == run["message_id"]), None)
    return {
        "run_id": run["run_id"],
        "step_id": step_id,
        "question": message_as_text(message) if message is not None else None,
        "agent": step.get("agent", run["agent_name"]),
        "type": step["type"],
        "status": step.get("status"),
        "iteration": step["iteration"],
        "time": step["timestamp"],
        "duration": step.get("duration"),
        "tool": tool.get("name"),
        "arguments": tool.get("arguments"),
        "content": step["content"],
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "author": author_name(message) if message is not None else None,
    }
