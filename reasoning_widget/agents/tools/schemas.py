"""The tools of the included agents, as they are described to models."""

from __future__ import annotations

from typing import Any, Final


def _function(name: str, description: str, argument: str, meaning: str) -> dict[str, Any]:
    """Return the OpenAI schema of a function with one text parameter."""
    properties = {argument: {"type": "string", "description": meaning}}
    parameters = {"type": "object", "properties": properties, "required": [argument]}
    return {"name": name, "description": description, "parameters": parameters}


SEARCH_FILES: Final = _function(
    "search_files",
    "search the user's files for a fact: names, dates, prices, rules, plans, code.",
    "query",
    "The words to search for.",
)
READ_FILE: Final = _function(
    "read_file",
    "read one file whose name is given, or list a folder.",
    "path",
    "The file's path, or a folder's; '.' is the notebook's folder.",
)
CALCULATE: Final = _function(
    "calculate", "arithmetic with the numbers in the message.", "expression", "For example 450 * 12 / 100 or sqrt(2)."
)

RESEARCHER_FUNCTIONS: Final = (SEARCH_FILES, READ_FILE, CALCULATE)
