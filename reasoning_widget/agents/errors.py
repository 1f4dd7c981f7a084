"""Explain errors between an agent and its model, and what to do about them.

The errors of OpenAI's client, httpx, DashScope and Qwen-Agent are recognized by their attributes and class names,
without importing these packages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from ..masking import mask
from .exceptions import AgentError

_MAX_DETAIL = 400
_MAX_PAGE = 20_000  # characters of a web page that are searched for its message
_MARKUP = re.compile(r"<(?:!doctype|\?xml|html|head|body|h1|title|center|p|div)\b", re.IGNORECASE)
_MESSAGE_FIELDS = (
    "message",
    "detail",
    "msg",
    "error_msg",
    "error_message",
    "error",
    "errors",
    "details",
    "reason",
    "description",
)
"""Fields of a JSON body that may hold the error message. The first one that is present is used."""
_UNEXPLAINED = "The agent raised"
_CLIENT_PACKAGES = {
    "aiohttp", "dashscope", "httpcore", "httpcore2", "httpx", "httpx2", "openai", "qwen_agent", "requests", "urllib3",
}  # fmt: skip
_STATUS_OF_CODE = {
    "InvalidApiKey": 401,
    "AccessDenied": 403,
    "ModelNotFound": 404,
    "InternalError": 500,
    "ServiceUnavailable": 503,
}
_UNREACHABLE = {
    "ConnectError", "ConnectionError", "ConnectionRefusedError", "APIConnectionError", "gaierror",
    "NewConnectionError", "MaxRetryError", "ProxyError",
}  # fmt: skip
_TIMEOUTS = {
    "APITimeoutError", "TimeoutException", "ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout",
    "TimeoutError", "Timeout",
}  # fmt: skip
_DISCONNECTS = {
    "RemoteProtocolError", "ReadError", "ChunkedEncodingError", "ConnectionResetError", "IncompleteRead",
    "ProtocolError",
}  # fmt: skip


def redact(text: str) -> str:
    """Return the text of an error with keys, passwords, and the users in addresses masked."""
    return mask(text, in_error=True)


def explain(error: BaseException, address: str | None = None, model: str | None = None) -> str:
    """Explain an error in Markdown: what went wrong, and what to do. Keys are masked.

    Args:
        error: The exception.
        address: The base URL of the model server, if known.
        model: The name of the model, if known.
    """
    if isinstance(error, AgentError):
        return redact(str(error))
    chain = list(_causes(error))
    where = format_address(_address(chain) or address)
    status = next((s for s in map(_status, chain) if s is not None), None)
    if status is not None:
        return _explain_status(status, where, model, _detail(chain))
    if isinstance(error, ImportError):
        return f"The agent needs something that is not installed: {redact(str(error))}. Install it, and ask again."
    return _explain_kind(chain, where) or f"{_UNEXPLAINED} {type(error).__name__}: {_short(redact(str(error)))}"


def is_explained(error: BaseException) -> bool:
    """Return whether `explain` recognizes the error, and does not only repeat its text."""
    return not explain(error).startswith(_UNEXPLAINED)


def explain_interruption(address: str, *, received: bool) -> str:
    """Explain an answer that ended before it was complete.

    Args:
        address: The base URL of the model server.
        received: Whether a part of the answer was received.
    """
    where = format_address(address)
    if received:
        return f"The model at {where} broke off in the middle of its answer. What was received is above. Ask again."
    return (
        f"The model at {where} broke off before its answer began. Ask again; if this persists, look at the server's "
        "log: a model that does not fit into its memory ends like this."
    )


def error_message(body: object) -> str:
    """Return the message in the body of an error response, in one line, with keys masked.

    The body may be JSON of any vendor, plain text or a web page.
    """
    return _short(redact(_message_in(body)))


def quoted(text: str) -> str:
    """Format a foreign text for use in a sentence: as code, in one line, shortened, with keys masked."""
    return "`" + _short(redact(text)).replace("`", "'") + "`"


def format_address(address: str | None, *, path: bool = False) -> str:
    """Format a URL as Markdown, without its user, password and query, which may be secret.

    Args:
        address: The URL; None if unknown.
        path: Whether to include the path.
    """
    if not address:
        return "its address"
    parts = urlsplit(address)
    host = parts.hostname or address
    port = f":{parts.port}" if parts.port else ""
    shown = f"{parts.scheme}://{host}{port}" if parts.scheme else host
    return f"`{shown}{parts.path if path else ''}`"


def response_body(error: BaseException) -> object:
    """Return the body of the response that caused an error: JSON, or a text; None if there is none."""
    body = getattr(error, "body", None)
    response = getattr(error, "response", None)
    if body is not None or response is None:
        return body
    try:
        text: str = response.text
    except Exception:  # noqa: BLE001 (the clients raise different errors for a body that was not read)
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _explain_kind(chain: list[BaseException], where: str) -> str:
    """Explain an error by its class; return an empty text if it does not concern a model."""
    names = {name for cause in chain for name in _class_names(cause)}
    if not any(type(cause).__module__.split(".", maxsplit=1)[0] in _CLIENT_PACKAGES for cause in chain):
        return ""
    # The order matters: a timeout is a connection error to some clients.
    if names & _TIMEOUTS:
        return (
            f"The model at {where} did not answer in time. Ask again; if it happens often, raise `request_timeout` in "
            "the model's `generate_cfg`, or choose a smaller model."
        )
    if names & _DISCONNECTS:
        return (
            f"The model at {where} closed the connection before its answer was complete. Ask again; if this persists, "
            "look at the server's log: a model that does not fit into its memory ends like this."
        )
    if names & _UNREACHABLE:
        return (
            f"No model answers at {where}. Is the model server running, and is this machine on the network? Start it, "
            "or set another address (`model_server`, `OPENAI_BASE_URL`)."
        )
    if "ModelServiceError" not in names:
        return ""
    detail = _detail(chain)
    advice = _advice(detail)
    return f"The model at {where} reported an error: {detail}" + (f"\n\n{advice}" if advice else "")


_KEY_ADVICE = (
    "Check the `api_key` of the `llm` configuration, or `DASHSCOPE_API_KEY` or `OPENAI_API_KEY`, whichever chose this "
    "model."
)
_ADVICE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (
            r"content[\s_-]?(?:filter|management|policy)|data ?inspection|inappropriate|moderation|flagged|safety",
            "A content filter on the server rejected it. Ask in other words.",
        ),
        (
            r"context.{0,12}(?:length|size|window)|maximum.{0,20}tokens|too (?:long|many tokens)|reduce the length",
            "The conversation is longer than the context of the model: clear it, or start a new one.",
        ),
        (
            r"quota|billing|balance|credits?\b|arrear|good standing|payment|insufficient.{0,10}funds",
            "The account at this server has no credit or quota left: check its plan and balance.",
        ),
        (r"api[\s_-]?key|credential|unauthori[sz]ed|authenticat|access token|invalid token|token expired", _KEY_ADVICE),
        (
            r"tool[_ ]choice is none|model called a tool|tool_use_failed",
            "The server requires the tools' definitions: set `use_raw_api` to true in the model's `generate_cfg`.",
        ),
        (
            r"parameter|unsupported (?:value|field)|unknown (?:name|field)|extra (?:inputs|fields)|unrecogni[sz]ed",
            "Check the model's `generate_cfg`.",
        ),
    )
)
"""What to do, by the text of the server's message, whatever its status. The first match is used."""


def _advice(detail: str) -> str:
    return next((advice for pattern, advice in _ADVICE if pattern.search(detail)), "")


def _explain_status(status: int, where: str, model: str | None, detail: str) -> str:
    name = f"`{model}`" if model else "the model"
    advice = _advice(detail)
    if "exceed the maximum input context length" in detail:
        return (
            "The instructions and tools alone exceed the limit for the input: raise `max_input_tokens` in its "
            f"`generate_cfg`, or give the agent fewer tools.\n\nQwen-Agent said: {detail}"
        )
    refused_key = status == 401 or (advice == _KEY_ADVICE and status in {400, 403})
    if refused_key:
        text, advice = f"The model server at {where} refused the key ({status}).", _KEY_ADVICE
    elif status == 403:
        text = f"The model server at {where} refused the request (403)."
        advice = advice or f"Check that it may be reached from here, and that the key may use {name}."
    elif status == 404:
        text = f"The model server at {where} does not know {name} (404)."
        advice = "Check the model's name (`model`, `OPENAI_MODEL`) and the address, which usually ends in `/v1`."
    elif status == 402:
        text = f"The model server at {where} asks for payment (402)."
    elif status == 429:
        text = f"The model server at {where} received too many requests, or the quota of the account is used up (429)."
        advice = advice or "Wait a moment and ask again."
    elif status in {400, 413, 422}:
        text = f"The model server at {where} did not accept the request ({status})."
        advice = advice or ("" if detail else "Check the model's `generate_cfg`.")
    elif status >= 500:
        text = f"The model server at {where} failed ({status})."
        advice = advice or "Ask again; if this persists, look at the server's log."
    else:
        text = f"The model server at {where} answered with status {status}."
    said = f"\n\nIt said: {detail}" if detail else ""
    return f"{text} {advice}".rstrip() + said


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes, outermost first."""
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
        return 429 if name.startswith("Throttling") else _STATUS_OF_CODE.get(name)
    return None


def _address(chain: list[BaseException]) -> str | None:
    """Return the URL of the request, if one of the errors has it."""
    for error in chain:
        try:
            request: Any = getattr(error, "request", None)
        except RuntimeError:  # httpx raises this if it was never set
            continue
        url = getattr(request, "url", None)
        if url:
            return str(url)
    return None


def _detail(chain: list[BaseException]) -> str:
    """Return the server's message, in one line."""
    for error in chain:
        body = response_body(error)
        if body is not None:
            return error_message(body)
    first = chain[0]
    return error_message(getattr(first, "message", None) or str(chain[-1]))


def _message_in(body: object) -> str:
    """Return the message in a body. Vendors use different field names and depths."""
    if isinstance(body, str):
        try:
            inner = json.loads(body)
        except (ValueError, RecursionError):
            return _page_text(body) if _MARKUP.search(body) else body
        return _message_in(inner) if isinstance(inner, dict | list) else body
    if isinstance(body, list):
        return "; ".join(dict.fromkeys(text for item in body if (text := _message_in(item))))
    if not isinstance(body, dict):
        return "" if body is None else str(body)
    if isinstance(body.get("error"), dict):
        return _message_in(body["error"])
    for name in _MESSAGE_FIELDS:
        if body.get(name):
            place = body.get("loc")
            where = ".".join(map(str, place)) + ": " if isinstance(place, list) else ""
            return where + _message_in(body[name]) + _upstream_message(body.get("metadata"))
    return json.dumps(body, ensure_ascii=False, default=str)


def _upstream_message(metadata: object) -> str:
    """Return the message of the server behind a router, whose own message is always the same."""
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return f": {said}" if raw and (said := _message_in(raw)) else ""


class _TextParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"script", "style"} and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _page_text(page: str) -> str:
    parser = _TextParser()
    parser.feed(page[:_MAX_PAGE])
    parser.close()
    return " ".join(" ".join(parser.parts).split())


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_DETAIL else text[: _MAX_DETAIL - 1] + "…"
