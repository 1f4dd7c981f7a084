"""An agent for the server's workers, in addition to `benchmarks.agents.speaker`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import NamedTuple

from reasoning_widget.protocol import Step

_SENTENCE = "Where the harbour freezes, the ships wait for the spring. "


class Steps(NamedTuple):
    """What to do. In JSON, it is the prompt for the agent.

    Args:
        steps: The number of thoughts.
        sentences: The length of each thought.
        pause: Seconds of silence after each thought.
        rest: Seconds of silence after the first and after the last.
    """

    steps: int
    sentences: int = 5
    pause: float = 0
    rest: float = 0

    def as_json(self) -> str:
        return json.dumps(self._asdict())


async def thinker(prompt: str) -> AsyncIterator[Step]:
    """Yield the thoughts that the prompt, a `Steps` in JSON, asks for."""
    order = Steps(**json.loads(prompt))
    for number in range(1, order.steps + 1):
        yield {"type": "thought", "content": f"{number}. {_SENTENCE * order.sentences}"}
        await asyncio.sleep(order.rest if number in (1, order.steps) else order.pause)
