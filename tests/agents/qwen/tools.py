"""Tools for the tests of Qwen-Agent agents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reasoning_widget.agents.qwen import import_qwen_agent

import_qwen_agent()

from qwen_agent.tools.base import BaseTool  # noqa: E402


class Tool(BaseTool):  # type: ignore[misc]
    """A tool made of a function of its parsed arguments."""

    name = "tool"
    description = "Does something."
    parameters = {"type": "object", "properties": {"key": {"type": "string"}}, "required": []}  # noqa: RUF012

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self._function = function
        super().__init__()

    def call(self, params: str, **kwargs: Any) -> Any:
        return self._function(**self._verify_json_format_args(params))
