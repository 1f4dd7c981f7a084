"""Say what went wrong between an agent and its model, and what to do about it.

Nothing is imported to know an error: those of OpenAI's client, of httpx, of DashScope and of Qwen-Agent are told by
what they carry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from .base import AgentError

_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), r"\1 …"),
    (
        re.compile(
            r"(?i)((?:api[-_ ]?key|token|secret|password|authorization)"
            r"""["']?(?:\s+provided)?\s*[:=]\s*["']?)[^\s"',;&}]+"""
        ),
        r"\1…",
    ),
    (
        re.compile(
            r"\b(?:(?:sk|pk|rk|hf|gsk|xai|gh[pousr]|glpat|xox[abeoprs]|pplx|nvapi|tvly|lsv2|r8|pypi)[-_]|AIza|A[KS]IA)"
            r"[\w*-]{6,}"
        ),
        "…",
    ),
    (re.compile(r"(?<=://)[^/\s@]+@"), ""),
    (re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9_-]{32,}\b"), "…"),
)

_MAX_DETAIL = 400
_CLIENTS = {
    "aiohttp", "dashscope", "httpcore", "httpcore2", "httpx", "httpx2", "openai", "qwen_agent", "requests", "urllib3",
}  # fmt: skip
_CODES = {
    "InvalidApiKey": 401,
    "AccessDenied": 403,
    "ModelNotFound": 404,
    "InternalError": 500,
    "ServiceUnavailable": 503,
}
_NETWORK = {
    "ConnectError", "ConnectionError", "ConnectionRefusedError", "APIConnectionError", "gaierror",
    "NewConnectionError", "MaxRetryError", "ProxyError",
}  # fmt: skip
_TIMEOUTS = {
    "APITimeoutError", "TimeoutException", "ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout",
    "TimeoutError", "Timeout",
}  # fmt: skip
_BROKEN_OFF = {
    "RemoteProtocolError", "ReadError", "ChunkedEncodingError", "ConnectionResetError", "IncompleteRead",
    "ProtocolError",
}  # fmt: skip


def redact(text: str) -> str:
    """`text` without what looks like a key, a password, or the user in an address."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def explain(error: BaseException, address: str | None = None, model: str | None = None) -> str:
    """Say in Markdown what went wrong and what to do next. Keys never appear in it.

    Args:
        error: What was raised.
        address: The model server's base address, where it is known.
        model: The model's name, where it is known.
    """
    if isinstance(error, AgentError):
        return redact(str(error))
    chain = list(_causes(error))
    where = _where(chain, address)
    status = next((s for s in map(_status, chain) if s is not None), None)
    if status is not None:
        return _explain_status(status, where, model, _detail(chain))
    if isinstance(error, ImportError):
        return f"The agent needs something that is not installed: {redact(str(error))}. Install it, and ask again."
    return _explain_kind(chain, where) or f"The agent raised {type(error).__name__}: {redact(_short(str(error)))}"


def _explain_kind(chain: list[BaseException], where: str) -> str:
    """What the classes of the errors tell; nothing if they have nothing to do with a model."""
    names = {name for cause in chain for name in _class_names(cause)}
    if not any(type(cause).__module__.split(".", maxsplit=1)[0] in _CLIENTS for cause in chain):
        return ""
    # The order matters: a timeout is a connection error to some clients.
    if names & _TIMEOUTS:
        return (
            f"The model at {where} did not answer in time. Ask again; if it happens often, raise `request_timeout` in "
            "the model's `generate_cfg`, or take a smaller model."
        )
    if names & _BROKEN_OFF:
        return f"The model at {where} broke off in the middle of its answer. What came until then is above. Ask again."
    if names & _NETWORK:
        return (
            f"No model answers at {where}. Is the model server running, and is this machine on the network? Start it, "
            "or set another address (`model_server`, `OPENAI_BASE_URL`)."
        )
    return f"The model at {where} reported an error: {_detail(chain)}" if "ModelServiceError" in names else ""


def _explain_status(status: int, where: str, model: str | None, detail: str) -> str:
    said = f"\n\nIt said: {detail}" if detail else ""
    name = f"`{model}`" if model else "the model"
    if status == 401 or status == 403:  # noqa: PLR1714 (reads as it is meant)
        text = (
            f"The model server at {where} refused the key ({status}). Check the `api_key` of the `llm` configuration, "
            "or `DASHSCOPE_API_KEY` or `OPENAI_API_KEY`, whichever chose this model."
        )
    elif status == 404:
        text = (
            f"The model server at {where} does not know {name} (404). Check the model's name (`model`, `OPENAI_MODEL`) "
            "and the address, which usually ends in `/v1`."
        )
    elif status == 429:
        text = (
            f"The model server at {where} is asked too often, or the account's quota is used up (429). Wait a moment "
            "and ask again."
        )
    elif status in {400, 413, 422}:
        text = (
            f"The model server at {where} did not accept the request ({status}). If the conversation has grown long, "
            "clear it; otherwise check the model's `generate_cfg`."
        )
    elif status >= 500:
        text = f"The model server at {where} failed ({status}). Ask again; if it stays so, look at the server's log."
    else:
        text = f"The model server at {where} answered with status {status}."
    return text + said


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made of, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        inner = getattr(current, "exception", None)  # Qwen-Agent's ModelServiceError
        current = inner if isinstance(inner, BaseException) else current.__cause__ or current.__context__


def _class_names(error: BaseException) -> set[str]:
    return {cls.__name__ for cls in type(error).__mro__}


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status
    code = getattr(error, "code", None)
    if isinstance(code, int | str) and "ModelServiceError" in _class_names(error):
        name = str(code).split(".", maxsplit=1)[0]
        if name.isdigit():
            return int(name)
        return 429 if name.startswith("Throttling") else _CODES.get(name)
    return None


def _where(chain: list[BaseException], address: str | None) -> str:
    for error in chain:
        try:
            url: Any = getattr(error, "request", None)
            url = str(url.url) if url is not None else None
        except RuntimeError:  # httpx: it was never set
            url = None
        if url:
            address = url
            break
    if not address:
        return "its address"
    parts = urlsplit(address)
    host = parts.hostname or address
    port = f":{parts.port}" if parts.port else ""
    return f"`{parts.scheme}://{host}{port}`" if parts.scheme else f"`{host}`"


def _detail(chain: list[BaseException]) -> str:
    """What the server said, in a line."""
    for error in chain:
        body = getattr(error, "body", None)
        if isinstance(body, dict):
            body = body.get("error", body)
            text = body.get("message") if isinstance(body, dict) else body
            return redact(_short(text if isinstance(text, str) else json.dumps(body, default=str)))
    first = chain[0]
    return redact(_short(getattr(first, "message", None) or str(chain[-1])))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_DETAIL else text[: _MAX_DETAIL - 1] + "…"
