"""Repeat a request without the parameters that the model server rejects.

Qwen-Agent sends `seed` with each request, and token counts have to be requested. Servers that do not know these
parameters answer with errors in different formats, but all of them name the parameter.
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
"""Parameters that the person did not set. They are removed as soon as an error names them."""

_REFUSAL = re.compile(
    r"unsupported|not (?:\w+ )?support|unknown|unrecogni[sz]ed|unexpected|not permitted|forbidden|extra inputs|"
    r"cannot find|not (?:\w+ )?allowed|invalid (?:param|field|argument|key)|does not (?:accept|exist)|"
    r"additional propert|not implemented|deprecated|no such",
    re.IGNORECASE,
)
_refused: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()
"""The parameters that the server of each model has rejected."""


def create_accepted(llm: Any, create: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `create`, and call it again without the parameters that the server rejects.

    A parameter that the person set is only removed if the server does not know it, and this is logged; a wrong value is
    an error for the person to correct. Rejected parameters are not sent to the same model again.

    Args:
        llm: The model.
        create: Sends the request.
        args: Passed on.
        kwargs: The parameters.
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
                _logger.warning(
                    "The model server does not accept %s; the request is repeated without it.", ", ".join(own)
                )
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
        return set()  # an error of the server itself
    return {name for name in names if (name in added and name in text) or (refuses and _is_named(name, text))}


def _is_named(name: str, text: str) -> bool:
    """Return whether `text` names the parameter: quoted, after a colon, or with an underscore, unlike prose."""
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
        left["max_completion_tokens"] = kwargs["max_tokens"]  # the name in OpenAI's newer models
    return left
