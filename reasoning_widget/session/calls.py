"""Which tool call a result is of."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

from ..protocol import JSON

OURS: Final = "\0call "
"""How the ids begin that we give to results of which something is shown before they come. No agent's do."""


class Called(Protocol):
    """A call that has no result yet."""

    @property
    def tool(self) -> JSON:
        """As its step has it."""

    @property
    def parent(self) -> str | None:
        """The step within which a nested agent made it."""


_Call = TypeVar("_Call", bound=Called)


def call_of(result: JSON, parent: str | None, calls: Iterable[_Call]) -> _Call | None:
    """The call that a result is of: that of its `call_id`; else the oldest of its tool, or of any if it names none.

    Args:
        result: The `tool` of the result's step.
        parent: Its parent.
        calls: The calls that have no result, the oldest first.
    """
    call_id, name = result.get("call_id"), result.get("name", "tool")
    near = [call for call in calls if call.parent == parent]
    same = (call for call in near if call_id and call.tool.get("call_id") == call_id)
    unnamed = [call for call in near if not (call_id and call.tool.get("call_id"))]
    of_tool = (call for call in unnamed if call.tool.get("name") == name)
    return next(itertools.chain(same, of_tool, unnamed if name == "tool" else ()), None)
