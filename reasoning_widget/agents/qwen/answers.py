"""Read the body of a model server's response, whatever its format.

When asked for a stream of events, servers and proxies also answer with a whole completion, an error as JSON, a web
page, or a stream that breaks off.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from ..errors import error_message, explain_interruption, format_address, quoted
from ..exceptions import AgentError
from .chunks import ChunkReader, Delta

_DONE = "[DONE]"
_CHUNK_FIELDS = {"choices", "usage", "id", "object", "x_groq"}
"""Every chunk has at least one of these fields. A non-empty object without them is an error, whatever its name."""
_KEEP_ALIVE_FIELDS = {"type", "event", "time", "timestamp"}
"""Objects with no other fields only keep the connection open."""
_MAX_STRAY_BYTES = 64 * 1024
_MAX_PAGE_TEXT = 80
_HTML = re.compile(r"\s*<(?:!doctype|html|head|body)\b", re.IGNORECASE)
_UNKNOWN_PATH = re.compile(r"endpoint|not found|no route|unknown (?:path|url)|cannot (?:get|post)", re.IGNORECASE)
_ADDRESS_HINT = "Check the address (`model_server`, `OPENAI_BASE_URL`): it usually ends in `/v1`."


def read_answer(response: Any, reader: ChunkReader) -> Iterator[Delta]:
    """Yield the answer of a model as it arrives.

    Args:
        response: An `httpx.Response` with a status below 400, which is not read yet.
        reader: Reads the chunks.

    Raises:
        AgentError: The response is not the answer of a model, or it broke off; the text describes it.
        openai.APIError: The server reported an error within its answer.
    """
    body = _Body(response, reader)
    try:
        for delta in body.read():
            if not delta.empty:
                body.has_content = True
                yield delta
    except Exception as error:
        if type(error).__module__.partition(".")[0] in {"httpx", "httpcore", "httpx2", "httpcore2"}:
            raise AgentError(explain_interruption(str(response.url), received=body.has_content)) from error
        raise
    delta = reader.finish()
    if not delta.empty:
        yield delta


def read_chunks(answer: Any, reader: ChunkReader) -> Iterator[Delta]:
    """Yield the answer of a model whose response was read by a client of the person's own.

    Args:
        answer: The chunks or the whole completion, as objects of OpenAI's client or as dictionaries.
        reader: Reads the chunks.
    """
    whole = isinstance(answer, dict) or hasattr(answer, "choices")
    for chunk in [answer] if whole else answer:
        delta = reader.read(chunk if isinstance(chunk, dict) else chunk.model_dump())
        if not delta.empty:
            yield delta
    delta = reader.finish()
    if not delta.empty:
        yield delta


class _Body:
    def __init__(self, response: Any, reader: ChunkReader) -> None:
        self._response = response
        self._reader = reader
        self._address = str(response.url)
        self._stray = b""
        self._data = ""
        self._done = False
        self._events = 0
        self.has_content = False

    def read(self) -> Iterator[Delta]:
        for line in _lines(self._response.iter_bytes()):
            yield from self._line(line.removeprefix(codecs.BOM_UTF8))
            if self._done:
                return
        if self._data:
            yield from self._event(self._data, last=True)
        if not self._events:
            yield self._whole(self._stray.decode(errors="replace"))
        elif not self._reader.finished:
            if self._stray.strip():  # an error outside of the events
                self._fail(_parsed(self._stray.decode(errors="replace")))
            raise AgentError(explain_interruption(self._address, received=self.has_content))

    def _line(self, line: bytes) -> Iterator[Delta]:
        name, _, value = line.partition(b":")
        if name == b"data":
            yield from self._event(value.decode(errors="replace").strip(), last=False)
        elif name == b"error":  # how llama.cpp's server used to report one
            self._fail(_parsed(value.decode(errors="replace").strip()))
        elif not line:
            if self._data:
                yield from self._event("", last=True)
        elif name not in {b"", b"event", b"id", b"retry"} and len(self._stray) < _MAX_STRAY_BYTES:
            self._stray += line + b"\n"

    def _event(self, data: str, *, last: bool) -> Iterator[Delta]:
        """Read a line of data, which is one event with all servers. JSON on several lines is joined."""
        data = f"{self._data}\n{data}".strip() if self._data else data
        self._data = ""
        if data == _DONE:
            self._done = self._reader.finished = True
            self._events += 1
            return
        if not data:
            return
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            if not last:
                self._data = data
                return
            text = f"The model server at {format_address(self._address)} sent something that cannot be read: "
            raise AgentError(text + quoted(data) + _advice(received=self.has_content)) from None
        self._events += 1
        yield self._chunk(chunk)

    def _chunk(self, chunk: object) -> Delta:
        if chunk is None or (isinstance(chunk, dict) and chunk.keys() <= _KEEP_ALIVE_FIELDS):
            return Delta()
        if not isinstance(chunk, dict):
            self._fail(chunk)
            return Delta()
        if chunk.get("error") or chunk.get("object") == "error" or not chunk.keys() & _CHUNK_FIELDS:
            self._fail(chunk)
        delta = self._reader.read(chunk)
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(choice, dict) and choice.get("error"):
            self._fail(choice)
        return delta

    def _fail(self, body: object) -> None:
        import openai

        raise openai.APIError(error_message(body), request=self._response.request, body=body)

    def _whole(self, text: str) -> Delta:
        """Read the response of a server that sent no events.

        Raises:
            AgentError: It is not the answer of a model.
        """
        body = _parsed(text)
        if isinstance(body, dict) and isinstance(body.get("choices"), list) and body["choices"]:
            delta = self._chunk(body)
            self._reader.finished = True
            return delta
        where = format_address(self._address, path=True)
        kind = self._response.headers.get("content-type", "")
        if _HTML.match(text) or (kind.startswith("text/html") and "<" in text):
            page = quoted(error_message(text)[:_MAX_PAGE_TEXT])
            raise AgentError(
                f"The address {where} answered with a web page ({page}), not with a model's answer. {_ADDRESS_HINT}"
            )
        if not text.strip():
            raise AgentError(
                f"The model server at {where} sent an empty response. Ask again; if this persists, look at its log. "
                + _ADDRESS_HINT
            )
        message = error_message(body)
        hint = f" {_ADDRESS_HINT}" if _UNKNOWN_PATH.search(message) or not isinstance(body, dict) else ""
        raise AgentError(f"The address {where} did not answer like a model server. It said: {quoted(message)}.{hint}")


def _lines(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of a body. They are split as bytes, because text has further line separators within JSON."""
    rest = b""
    for part in parts:
        rest += part
        lines = rest.splitlines(keepends=True)
        # A carriage return at the end may be the first half of a line end.
        rest = b"" if not lines or lines[-1].endswith(b"\n") else lines.pop()
        yield from (line.rstrip(b"\r\n") for line in lines)
    if rest:
        yield rest.rstrip(b"\r\n")


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _advice(*, received: bool) -> str:
    return (
        ". The part before it is above. Ask again." if received else ". Ask again; if this persists, look at its log."
    )
