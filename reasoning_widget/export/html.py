"""A transcript as a static HTML fragment: no script, styled inline, readable with the styling stripped."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import TYPE_CHECKING

from ..fold import Transcript
from ..protocol import JSON
from .transcript import cut_note, exchanges, step_code, step_title

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_HUES = {
    "thought": "#1e88e5",
    "tool_use": "#fb8c00",
    "tool_result": "#8e24aa",
    "final_answer": "#43a047",
    "error": "#e53935",
}
"""The left edge of each card. Half-transparent tints of it fill the card, in light and dark alike."""

_ALWAYS_OPEN = ("final_answer", "error")


def to_html(state: Transcript, message_id: str | None = None) -> str:
    """The transcript, or only what came of one message. Raw HTML, images and scripts in texts are never passed on."""
    parts: list[str] = []
    for message, run, steps in exchanges(state, message_id):
        asked = escape(message["content"])
        parts.append(f'<p style="white-space:pre-wrap;font-weight:600;margin:12px 0 6px">{asked}</p>')
        parts.extend(_step(step) for step in steps)
        if run is not None and run["status"] not in ("running", "completed"):
            parts.append(f"<p><em>The run ended: {escape(run['status'])}.</em></p>")
    return f'<div style="font-size:14px;line-height:1.5">{"".join(parts)}</div>'


def _step(step: JSON) -> str:
    hue = _HUES.get(step["type"], "#757575")
    opened = " open" if step["type"] in _ALWAYS_OPEN or step.get("status") == "failed" else ""
    style = f"border-left:3px solid {hue};background:{hue}1f;border-radius:4px;padding:4px 12px;margin:6px 0"
    summary = f'<summary style="cursor:pointer"><b>{escape(step_title(step))}</b></summary>'
    note = cut_note(step)
    cut = f"<p><em>{escape(note)}</em></p>" if note else ""
    return f'<details{opened} style="{style}">{summary}{_body(step)}{cut}</details>'


def _body(step: JSON) -> str:
    code = step_code(step)
    if code is None:
        return str(_markdown().render(step["content"]))
    return f'<pre style="white-space:pre-wrap;overflow-wrap:anywhere;background:none">{escape(code)}</pre>'


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415 (only needed once something is shown)

    # Images are left as their source: nothing is fetched from anywhere when a notebook is opened.
    return MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")
