"""Finds the tool call that a result belongs to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

from ..protocol import JSON

OURS: Final = "\0call "
"""The prefix of the ids of results that are shown before the agent has yielded them. Agents do not use it."""


class Called(Protocol):
    """A call that has no result yet."""

    @property
    def tool(self) -> JSON:
        """The `tool` of its step."""

    @property
    def parent(self) -> str | None:
        """The id of the step within which a nested agent made the call."""


_Call = TypeVar("_Call", bound=Called)


def call_of(result: JSON, parent: str | None, calls: Iterable[_Call]) -> _Call | None:
    """Return the call that a result belongs to; None if there is none.

    It is the call with the same `call_id`, or else the oldest call of the same tool, or of any tool if the result names
    none.

    Args:
        result: The `tool` of the result's step.
        parent: The parent of the result's step.
        calls: The calls without a result, oldest first.
    """
    call_id, name = result.get("call_id"), result.get("name", "tool")
    near = [call for call in calls if call.parent == parent]
    same = (call for call in near if call_id and call.tool.get("call_id") == call_id)
    unnamed = [call for call in near if not (call_id and call.tool.get("call_id"))]
    of_tool = (call for call in unnamed if call.tool.get("name") == name)
    return next(itertools.chain(same, of_tool, unnamed if name == "tool" else ()), None)
