"""Limit the nesting of values. JSON allows any depth, but each program that reads it has its own limit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

MAX_DEPTH: Final = 64
"""The deepest nesting of lists and objects in a value from an agent, a tool or a person."""

ENVELOPE_DEPTH: Final = 8
"""The most levels that a message, an event or a file adds around such a value."""

TOO_DEEP: Final = f"[left out: nested more than {MAX_DEPTH} levels deep]"
"""Replaces the part of a value that is nested too deeply."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]+|\\.)*+"|[\[\]{}]', re.DOTALL)


def is_deep(value: Any, levels: int = MAX_DEPTH) -> bool:
    """Whether decoded JSON is nested more than `levels` deep."""
    if isinstance(value, Mapping):
        return levels == 0 or any(is_deep(item, levels - 1) for item in value.values())
    if isinstance(value, list | tuple):
        return levels == 0 or any(is_deep(item, levels - 1) for item in value)
    return False


def loads(text: str | bytes) -> Any:
    """Decode JSON. `TOO_DEEP` replaces values that are nested too deeply to be decoded.

    Raises:
        ValueError: The text is not JSON.
    """
    try:
        return json.loads(text)
    except RecursionError:
        return json.loads(shallow(text if isinstance(text, str) else text.decode(), MAX_DEPTH + ENVELOPE_DEPTH))


def shallow(text: str, levels: int) -> str:
    """Replace what is nested more than `levels` deep in a JSON text by `TOO_DEEP`.

    This is for texts that are too deep for any parser. A text that is not JSON does not become JSON.
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
