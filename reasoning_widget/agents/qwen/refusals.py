"""Ask a model server again without the parameters that it does not know.

Qwen-Agent sends `seed` with each request, and the count of tokens has to be asked for. Servers that know neither say
so in forms of their own; what they all do is to name the parameter.
"""

from __future__ import annotations

import json
import logging
import re
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import response_body

_logger = logging.getLogger(__name__)

_NEEDED = frozenset({"model", "messages", "stream", "tools", "timeout", "extra_body"})
_ADDED = frozenset({"seed", "stream_options"})
"""What nobody asked for: it goes as soon as an error names it."""

_REFUSAL = re.compile(
    r"unsupported|not (?:\w+ )?support|unknown|unrecogni[sz]ed|unexpected|not permitted|forbidden|extra inputs|"
    r"cannot find|not (?:\w+ )?allowed|invalid (?:param|field|argument|key)|does not (?:accept|exist)|"
    r"additional propert|not implemented|deprecated|no such",
    re.IGNORECASE,
)
_refused: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()
"""What the server of each model has refused already."""


def create_accepted(llm: Any, create: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `create`, and again without the parameters that the server says it does not take.

    Parameters of the person's own are left out only where the server says that it does not know them, and that is
    logged; one whose value is wrong stays the person's to correct. What a model's server has refused is not sent again.
    """
    refused = _refused.setdefault(llm, set())
    kwargs = _without(kwargs, refused)
    while True:
        try:
            return create(*args, **kwargs)
        except Exception as error:
            names = _refused_by(error, _names_in(kwargs), _ADDED - getattr(llm, "generate_cfg", {}).keys())
            if not names:
                raise
            if own := sorted(names - _ADDED):
                _logger.warning("The model server does not take %s: asking without.", ", ".join(own))
            refused |= names
            kwargs = _without(kwargs, names)


def _refused_by(error: BaseException, names: Iterable[str], added: Iterable[str]) -> set[str]:
    status = getattr(error, "status_code", None)
    if status not in {400, 422, 500}:
        return set()
    body = response_body(error)
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str)
    refuses = _REFUSAL.search(text)
    if status == 500 and not refuses:
        return set()  # it failed for a reason of its own
    return {name for name in names if (name in added and name in text) or (refuses and _is_named(name, text))}


def _is_named(name: str, text: str) -> bool:
    """Whether `text` names the parameter: quoted, behind a colon, or with an underscore that prose has not."""
    word = re.escape(name)
    quoted = rf"""['"`]{word}\\?['"`]|: {word}\b"""
    return bool(re.search(rf"{quoted}|(?<!\w){word}(?!\w)" if "_" in name else quoted, text))


def _names_in(kwargs: dict[str, Any]) -> set[str]:
    return (kwargs.keys() | (kwargs.get("extra_body") or {}).keys()) - _NEEDED


def _without(kwargs: dict[str, Any], names: set[str]) -> dict[str, Any]:
    left = {name: value for name, value in kwargs.items() if name not in names}
    if extra := kwargs.get("extra_body"):
        left["extra_body"] = {name: value for name, value in extra.items() if name not in names}
    if "max_tokens" in names and "max_tokens" in kwargs:
        left["max_completion_tokens"] = kwargs["max_tokens"]  # its name at OpenAI's newer models
    return left
