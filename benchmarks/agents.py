"""The watched agent: it answers with the ordered tokens, and needs no model."""

from __future__ import annotations

from collections.abc import AsyncIterator

from benchmarks.tokens import Order, stream
from reasoning_widget.protocol import Step


async def speaker(prompt: str) -> AsyncIterator[Step]:
    """Answer with the tokens that the prompt, an `Order` in JSON, asks for."""
    text = ""
    async for token in stream(Order.from_json(prompt)):
        text += token
        yield {"type": "final_answer", "id": "answer", "content": text}
