"""What exports show of a transcript, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from ..fold import Transcript, find_run
from ..protocol import JSON

TITLES = {
    "thought": "Thought",
    "tool_use": "Tool use",
    "tool_result": "Tool result",
    "final_answer": "Final answer",
    "error": "Error",
}


class Exchange(NamedTuple):
    """A question and what came of it."""

    message: JSON
    run: JSON | None
    steps: list[JSON]


def exchanges(state: Transcript, message_id: str | None = None) -> Iterator[Exchange]:
    """The questions that were asked, or only one of them; those that were taken back are left out.

    Steps that the person chose not to see, because reasoning was off, are left out too.
    """
    for message in state["messages"]:
        if message["withdrawn"] or message["steered"] or message_id not in (None, message["id"]):
            continue
        run = find_run(state, message["run_id"]) if message["run_id"] else None
        steps = [state["steps"][step_id] for step_id in run["steps"]] if run else []
        if run is not None and not run["enable_reasoning"]:
            steps = [step for step in steps if step["type"] in ("final_answer", "error")]
        yield Exchange(message, run, steps)


def step_title(step: JSON) -> str:
    """A step's heading: what it is, the tool, and how long it took."""
    title = TITLES.get(step["type"], str(step["type"]))
    if "tool" in step:
        title += f": {step['tool']['name']}"
    if step.get("status") in ("failed", "stopped"):
        title += f" ({step['status']})"
    if "duration" in step:
        title += f" · {step['duration']:.1f} s"
    return title


def step_code(step: JSON) -> str | None:
    """What of a step is data rather than prose: a call's arguments, a tool's result. None for prose."""
    if step["type"] == "tool_use":
        arguments = str(step["tool"].get("arguments", ""))
        try:
            return json.dumps(json.loads(arguments), ensure_ascii=False, indent=2)
        except ValueError:
            return arguments
    if step["type"] == "tool_result":
        printed = (step.get("output") or {}).get("text/plain")
        return f"{printed}\n{step['content']}".strip() if isinstance(printed, str) else step["content"]
    return None


def cut_note(step: JSON) -> str | None:
    """How much was left out of the step, in words; None if nothing was."""
    left_out = sum(step.get("cut", {}).values())
    return f"{left_out:,} more characters were cut" if left_out else None
