"""A transcript as Markdown."""

from __future__ import annotations

import re

from ..fold import Transcript
from ..protocol import JSON
from .transcript import cut_note, exchanges, step_code, step_title


def to_markdown(state: Transcript, message_id: str | None = None) -> str:
    """The transcript, or only what came of one message, as GitHub-flavoured Markdown."""
    parts: list[str] = []
    for message, run, steps in exchanges(state, message_id):
        agent = f" → {run['agent_name']}" if run else ""
        parts.append(f"**You{agent}**\n\n{_quoted(message['content'])}")
        parts.extend(_step(step) for step in steps)
        if run is not None and run["status"] not in ("running", "completed"):
            parts.append(f"*The run ended: {run['status']}.*")
    return "\n\n".join(parts) + "\n" if parts else ""


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


def _step(step: JSON) -> str:
    code = step_code(step)
    body = step["content"] if code is None else _fenced(code)
    note = cut_note(step)
    return f"**{step_title(step)}**\n\n{body}" + (f"\n\n*{note}*" if note else "")


def _fenced(code: str) -> str:
    """`code` in a fence longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{code}\n{fence}"
