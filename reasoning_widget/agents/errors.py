"""Say what went wrong between an agent and its model, and what to do about it.

Nothing is imported to know an error: those of OpenAI's client, of httpx, of DashScope and of Qwen-Agent are told by
what they carry.
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
_MAX_PAGE = 20_000  # characters of a web page that are looked at
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
"""Where a body of JSON holds its words: the first of these that is there."""
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
    """What an error says, without what may be a key, a password, or the user in an address."""
    return mask(text, in_error=True)


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
    where = format_address(_address(chain) or address)
    status = next((s for s in map(_status, chain) if s is not None), None)
    if status is not None:
        return _explain_status(status, where, model, _detail(chain))
    if isinstance(error, ImportError):
        return f"The agent needs something that is not installed: {redact(str(error))}. Install it, and ask again."
    return _explain_kind(chain, where) or f"{_UNEXPLAINED} {type(error).__name__}: {_short(redact(str(error)))}"


def is_explained(error: BaseException) -> bool:
    """Whether `explain` knows what is the matter, and does not only repeat what was raised."""
    return not explain(error).startswith(_UNEXPLAINED)


def explain_interruption(address: str, *, came: bool) -> str:
    """What to say of an answer that ended before it was complete.

    Args:
        address: Where the model server is.
        came: Whether anything of the answer came.
    """
    where = format_address(address)
    if came:
        return f"The model at {where} broke off in the middle of its answer. What came until then is above. Ask again."
    return (
        f"The model at {where} broke off before it answered anything. Ask again; if it stays so, look at the server's "
        "log: a model that does not fit into its memory ends like this."
    )


def error_message(body: object) -> str:
    """What a server said in the body of an error, in a line: JSON of any vendor's shape, plain text or a web page.

    Keys are left out.
    """
    return _short(redact(_message_in(body)))


def quoted(text: str) -> str:
    """Somebody else's text within a sentence: one line, shortened, as code, without keys."""
    return "`" + _short(redact(text)).replace("`", "'") + "`"


def format_address(address: str | None, *, path: bool = False) -> str:
    """An address as Markdown, without what may be secret in it: its user and its query.

    Args:
        address: The address; None where it is not known.
        path: Whether to show its path, too.
    """
    if not address:
        return "its address"
    parts = urlsplit(address)
    host = parts.hostname or address
    port = f":{parts.port}" if parts.port else ""
    shown = f"{parts.scheme}://{host}{port}" if parts.scheme else host
    return f"`{shown}{parts.path if path else ''}`"


def response_body(error: BaseException) -> object:
    """The body of the response that an error is about: JSON, or a text; None where there is none."""
    body = getattr(error, "body", None)
    response = getattr(error, "response", None)
    if body is not None or response is None:
        return body
    try:
        text: str = response.text
    except Exception:  # noqa: BLE001 (a body that was not read, or cannot be)
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _explain_kind(chain: list[BaseException], where: str) -> str:
    """What the classes of the errors tell; nothing if they have nothing to do with a model."""
    names = {name for cause in chain for name in _class_names(cause)}
    if not any(type(cause).__module__.split(".", maxsplit=1)[0] in _CLIENT_PACKAGES for cause in chain):
        return ""
    # The order matters: a timeout is a connection error to some clients.
    if names & _TIMEOUTS:
        return (
            f"The model at {where} did not answer in time. Ask again; if it happens often, raise `request_timeout` in "
            "the model's `generate_cfg`, or take a smaller model."
        )
    if names & _DISCONNECTS:
        return (
            f"The model at {where} closed the connection before its answer was complete. Ask again; if it stays so, "
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
            "A filter on the server refused it. Say it in other words.",
        ),
        (
            r"context.{0,12}(?:length|size|window)|maximum.{0,20}tokens|too (?:long|many tokens)|reduce the length",
            "The conversation has grown longer than the model can read: clear it, or ask in a new one.",
        ),
        (
            r"quota|billing|balance|credits?\b|arrear|good standing|payment|insufficient.{0,10}funds",
            "The account at this server cannot pay for the answer: look at its plan and its balance.",
        ),
        (r"api[\s_-]?key|credential|unauthori[sz]ed|authenticat|access token|invalid token|token expired", _KEY_ADVICE),
        (
            r"tool[_ ]choice is none|model called a tool|tool_use_failed",
            "The server wants to know the tools: set `use_raw_api` to true in the model's `generate_cfg`.",
        ),
        (
            r"parameter|unsupported (?:value|field)|unknown (?:name|field)|extra (?:inputs|fields)|unrecogni[sz]ed",
            "Check the model's `generate_cfg`.",
        ),
    )
)
"""What a person can do, by what servers say, whatever status they say it with. The first that matches counts."""


def _advice(detail: str) -> str:
    return next((advice for pattern, advice in _ADVICE if pattern.search(detail)), "")


def _explain_status(status: int, where: str, model: str | None, detail: str) -> str:
    name = f"`{model}`" if model else "the model"
    advice = _advice(detail)
    if "exceed the maximum input context length" in detail:
        return (
            "The instructions and tools alone are longer than the model may be given: raise `max_input_tokens` in its "
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
        text = f"The model server at {where} is asked too often, or the account's quota is used up (429)."
        advice = advice or "Wait a moment and ask again."
    elif status in {400, 413, 422}:
        text = f"The model server at {where} did not accept the request ({status})."
        advice = advice or ("" if detail else "Check the model's `generate_cfg`.")
    elif status >= 500:
        text = f"The model server at {where} failed ({status})."
        advice = advice or "Ask again; if it stays so, look at the server's log."
    else:
        text = f"The model server at {where} answered with status {status}."
    said = f"\n\nIt said: {detail}" if detail else ""
    return f"{text} {advice}".rstrip() + said


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
        return 429 if name.startswith("Throttling") else _STATUS_OF_CODE.get(name)
    return None


def _address(chain: list[BaseException]) -> str | None:
    """Where the request went, if one of the errors knows."""
    for error in chain:
        try:
            request: Any = getattr(error, "request", None)
        except RuntimeError:  # httpx: it was never set
            continue
        url = getattr(request, "url", None)
        if url:
            return str(url)
    return None


def _detail(chain: list[BaseException]) -> str:
    """What the server said, in a line."""
    for error in chain:
        body = response_body(error)
        if body is not None:
            return error_message(body)
    first = chain[0]
    return error_message(getattr(first, "message", None) or str(chain[-1]))


def _message_in(body: object) -> str:
    """The words in a body. Vendors put them under different names and at different depths."""
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
    """What the server behind a router said: the router's own words are always the same."""
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
