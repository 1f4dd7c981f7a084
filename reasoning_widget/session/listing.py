"""The changes that events make to the list of sessions, and the texts of events that a search finds."""

from __future__ import annotations

from typing import Any

from ..fold import is_open, texts_of
from ..parts import attachments_of
from ..protocol import Frame


def listed_changes(events: list[Frame]) -> dict[str, Any]:
    """Return the changes of a session's row in the list by `events`: counts to add, new values (None: unchanged)."""
    change: dict[str, Any] = {"messages": 0, "runs": 0, "steps": 0, "pending": 0}
    change.update(title=None, agent_name=None, status=None)
    for event in events:
        kind, data = event["type"], event["data"]
        if kind == "session_info":
            change["title"] = data["title"]
        elif kind == "user_message":
            change["messages"] += 1
            change["pending"] += 1
        elif kind in ("message_withdrawn", "message_steered"):
            change["pending"] -= 1
        elif kind == "run_started":
            change["runs"] += 1
            change["pending"] -= 1
            change.update(agent_name=data["agent_name"], status="running")
        elif kind == "run_finished":
            change["status"] = data["status"]
        elif kind == "reasoning_step" and not is_open(data):
            change["steps"] += 1
    return change


def passages_of(event: Frame) -> list[str]:
    """Return the texts of an event that a search finds: prompts, names of attachments, and texts of closed steps."""
    data = event["data"]
    if event["type"] == "session_info":
        texts = [data["title"]]
    elif event["type"] == "user_message":
        texts = [data["content"], *(attachment["name"] for attachment in attachments_of(data))]
    elif event["type"] == "reasoning_step" and not is_open(data):
        texts = list(texts_of(data).values())
    else:
        texts = []
    return [text for text in texts if text.strip()]
