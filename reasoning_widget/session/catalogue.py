"""What events mean for a list of sessions, and for a search in them."""

from __future__ import annotations

from typing import Any

from ..fold import is_open, texts_of
from ..parts import attachments_of
from ..protocol import Frame


def catalogued(events: list[Frame]) -> dict[str, Any]:
    """What `events` change in the catalogue of sessions."""
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
    """The texts of an event that a search looks into: questions with what is attached, and what closed steps say."""
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
