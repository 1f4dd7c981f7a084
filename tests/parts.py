"""Images and files for prompts."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Final

from reasoning_widget import BaseAgent, current_run
from reasoning_widget.protocol import Part, Step

PNG: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAQAAAADCAIAAAA7ljmRAAAAEElEQVR4nGP8z4AATAy4OAAmdgEF5PO41QAAAABJRU5ErkJggg=="
)
"""A red picture, 4 by 3 pixels."""


def address(data: bytes, mime: str = "image/png") -> str:
    """Return a `data:` address."""
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


class Looks(BaseAgent):
    """Describes the prompt that it gets, and the earlier prompts."""

    takes_parts = True

    async def run_with_reasoning_stream(
        self, prompt: str | list[Part], max_iterations: int = 20
    ) -> AsyncIterator[Step]:
        before = [told(turn["parts"]) for turn in current_run().history if "parts" in turn]
        yield {"type": "final_answer", "content": f"{prompt if isinstance(prompt, str) else told(prompt)} {before}"}


def told(parts: list[Part]) -> str:
    """Describe parts in one line: texts, and the names, types and lengths of attachments."""
    return " | ".join(map(_told, parts))


def _told(part: Part) -> str:
    if "text" in part:
        return part["text"]
    sent = part["image"] if "image" in part else part["file"]
    head, _, body = sent.partition(",")
    return f"{part.get('name')} {head} {len(base64.b64decode(body))}"
