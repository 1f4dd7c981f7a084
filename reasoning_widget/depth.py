"""How deeply values may be nested. JSON allows any depth, and every program that reads it has another limit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

MAX_DEPTH: Final = 64
"""Lists and objects within each other, counted from the value that an agent, a tool or a person gives."""

ENVELOPE_DEPTH: Final = 8
"""As many levels at most are around such a value in a message, an event or a file."""

TOO_DEEP: Final = f"[left out: nested more than {MAX_DEPTH} levels deep]"
"""What stands where such a value went on."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]+|\\.)*+"|[\[\]{}]', re.DOTALL)


def is_deep(value: Any, levels: int = MAX_DEPTH) -> bool:
    """Whether decoded JSON is nested more than `levels` deep."""
    if isinstance(value, Mapping):
        return levels == 0 or any(is_deep(item, levels - 1) for item in value.values())
    if isinstance(value, list | tuple):
        return levels == 0 or any(is_deep(item, levels - 1) for item in value)
    return False


def loads(text: str | bytes) -> Any:
    """Decoded JSON; words stand for what is nested too deeply to be read.

    Raises:
        ValueError: It is no JSON.
    """
    try:
        return json.loads(text)
    except RecursionError:
        return json.loads(shallow(text if isinstance(text, str) else text.decode(), MAX_DEPTH + ENVELOPE_DEPTH))


def shallow(text: str, levels: int) -> str:
    """JSON text in which `TOO_DEEP` stands for whatever is nested more than `levels` deep.

    For text that no parser takes because it is too deep. Text that is no JSON either way stays none.
    """
    kept: list[str] = []
    depth = begin = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == levels + 1:
                kept.append(text[begin : token.start()])
        elif token[0] in "]}":
            if depth == levels + 1:
                kept.append(json.dumps(TOO_DEEP))
                begin = token.end()
            depth -= 1
    if depth <= levels:
        kept.append(text[begin:])
    return "".join(kept)
