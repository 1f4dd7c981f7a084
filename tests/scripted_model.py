"""A model server that follows a script: OpenAI's chat completions over real HTTP on loopback.

In a test::

    with ScriptedModel() as model:
        model.script("weather", [[think("Let me look."), call("weather", {"city": "Oslo"})], "It snows."])
        agent = Assistant(llm=model.llm(), function_list=["weather"])

As a process, for browsers and notebooks: ``python tests/scripted_model.py --port 8123 [--scripts scripts.json]``, then

    POST /script         {"match": "weather", "turns": [[{"text": "a"}, {"gate": "g"}, {"text": "b"}]]}
    POST /gate/<name>    opens that gate: every answer that waits there, now or later, continues
    GET  /gates          {"<name>": {"reached": 1, "open": false}}
    GET  /requests       the requests so far: [{"body", "turn", "finished", "closed_by_client"}]
    POST /reset          forgets scripts, gates and requests

A **script** has `match`, `turns` and optionally `system`. It answers a request if the newest user message that is no
tool result contains `match` (and the system message contains `system`). If several scripts match, the last added one
answers; if none matches, the previous user message is tried, and so on. The next turn is determined by the number of
answers that the model gave since that message; the last turn repeats. The server counts nothing, so conversations do
not disturb each other.

A **turn** is one answer: a text, or a list of parts, sent in order:

    {"reasoning": "…"}, {"text": "…"}       split into words; a list is sent unchanged, a delta for each item
    {"call": {"name", "arguments", "id"}}   a tool call; `arguments` is an object, or a text sent unchanged. Native if
                                            the request offers `tools`; else in the text, as Qwen-Agent's prompt asks
    {"gate": "name"}                        waits until the gate is opened
    {"rate": 50}                            from here on, deltas per second; 0, the default: as fast as they are read
    {"usage": {"prompt_tokens", "completion_tokens"}}   sent if the request asks for usage (default: counted words)
    {"status": 429, "message": "…"}         an HTTP error instead of an answer
    {"break": true}                         the connection ends in the middle
    {"hang": true}                          sends no more until the client gives up; as the first part: nothing at all
    {"refuse": "stream_options"}            as the first part: status 400 if the request has that field
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

JSON = dict[str, Any]
Turn = str | list[JSON]

MODEL = "scripted"
_WORDS = re.compile(r"\s*\S+|\s+$")
_BATCH_BYTES = 16 * 1024
_POLL_S = 0.01


def think(text: str | list[str]) -> JSON:
    """Return a part: reasoning."""
    return {"reasoning": text}


def say(text: str | list[str]) -> JSON:
    """Return a part: text of the answer."""
    return {"text": text}


def call(name: str, arguments: JSON | str, call_id: str | None = None) -> JSON:
    """Return a part: a tool call."""
    return {"call": {"name": name, "arguments": arguments, "id": call_id}}


def gate(name: str) -> JSON:
    """Return a part: wait until the gate is opened."""
    return {"gate": name}


def fail(status: int, message: str = "") -> JSON:
    """Return a part: an HTTP error."""
    return {"status": status, "message": message}


BREAK: JSON = {"break": True}
HANG: JSON = {"hang": True}


@dataclass
class Script:
    """The messages to answer, and the answers."""

    match: str
    turns: list[Turn]
    system: str = ""


@dataclass
class Request:
    """A request for an answer, and its outcome."""

    body: JSON
    turn: int
    done: threading.Event = field(default_factory=threading.Event)
    """Set when the answer has ended, in any way."""
    closed_by_client: threading.Event = field(default_factory=threading.Event)
    """Whether the client closed the connection before the answer had ended."""

    @property
    def finished(self) -> bool:
        """Whether the whole answer was sent."""
        return self.done.is_set() and not self.closed_by_client.is_set()

    @property
    def messages(self) -> list[JSON]:
        """The messages that the model received."""
        messages: list[JSON] = self.body["messages"]
        return messages


@dataclass
class Gate:
    """A place where answers wait for the test."""

    opened: threading.Event = field(default_factory=threading.Event)
    reached: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    arrivals: int = 0


class ScriptedModel:
    """The server. It runs within the block, or from `start` until `close`.

    Attributes:
        requests: Every request for an answer, oldest first.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Request] = []
        self._scripts: list[Script] = []
        self._gates: dict[str, Gate] = {}
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._closing = threading.Event()
        handler = type("Handler", (_Handler,), {"model": self})
        self._server = _Server(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), daemon=True)

    # For tests ----------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The base address for clients."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def llm(self, **generate_cfg: Any) -> JSON:
        """Return Qwen-Agent's configuration of a model on this server."""
        config: JSON = {"model": MODEL, "model_type": "oai", "model_server": self.url, "api_key": "sk-scripted-secret"}
        if generate_cfg:
            config["generate_cfg"] = generate_cfg
        return config

    def script(self, match: str, turns: Sequence[Turn], system: str = "") -> None:
        """Answer messages that contain `match` with `turns`."""
        with self._lock:
            self._scripts.append(Script(match, list(turns), system))

    def open(self, name: str) -> None:
        """Open gate `name`: every answer that waits there, now or later, continues."""
        self.gate(name).opened.set()

    def wait_at(self, name: str, timeout: float = 30) -> None:
        """Wait until one more answer has reached gate `name`.

        Raises:
            TimeoutError: None reached it in time.
        """
        if not self.gate(name).reached.acquire(timeout=timeout):
            msg = f"no answer came to gate {name!r}"
            raise TimeoutError(msg)

    def wait_for_request(self, number: int = 1, timeout: float = 30) -> Request:
        """Wait for the request with this number, counted from 1.

        Raises:
            TimeoutError: There were fewer requests in time.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= number, timeout):
                msg = f"only {len(self.requests)} requests came"
                raise TimeoutError(msg)
            return self.requests[number - 1]

    def start(self) -> Self:
        """Start the server."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Release all waiting requests, and end the server."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # For the handler ----------------------------------------------------------------------------------------------

    @property
    def closing(self) -> bool:
        """Whether the server is closing."""
        return self._closing.is_set()

    def gate(self, name: str) -> Gate:
        """Return the gate with this name."""
        with self._lock:
            return self._gates.setdefault(name, Gate())

    def gates(self) -> JSON:
        """Return the gates as JSON."""
        with self._lock:
            return {n: {"reached": g.arrivals, "open": g.opened.is_set()} for n, g in self._gates.items()}

    def reset(self) -> None:
        """Forget scripts, gates and requests."""
        with self._lock:
            for known in self._gates.values():
                known.opened.set()
            self._scripts.clear()
            self._gates.clear()
            self.requests.clear()

    def begin(self, body: JSON) -> tuple[Request, Turn]:
        """Record a request, and choose its answer."""
        with self._arrived:
            number, turn = self._choose(body["messages"])
            request = Request(body, number)
            self.requests.append(request)
            self._arrived.notify_all()
        return request, turn

    def _choose(self, messages: list[JSON]) -> tuple[int, Turn]:
        system = "".join(_text(m) for m in messages if m["role"] == "system")
        questions = [i for i, m in enumerate(messages) if m["role"] == "user" and not _is_tool_result(m)]
        for index in reversed(questions):
            text = _text(messages[index])
            for script in reversed(self._scripts):
                if script.match in text and script.system in system:
                    given = sum(m["role"] == "assistant" for m in messages[index:]) + _react_turns(text)
                    return given, script.turns[min(given, len(script.turns) - 1)]
        return 0, f"You said: {_text(messages[questions[-1]]) if questions else ''}"


def _text(message: JSON) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _is_tool_result(message: JSON) -> bool:
    return _text(message).lstrip().startswith("<tool_response>")


def _react_turns(text: str) -> int:
    # ReAct continues in the same message; its instructions contain the word once.
    return max(0, text.count("\nObservation:") - 1)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do not report clients that have disconnected."""


class _ClientGone(Exception):
    """The client closed the connection."""


class _Handler(BaseHTTPRequestHandler):
    model: ScriptedModel
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    connection: socket.socket

    def log_message(self, *args: Any, **options: Any) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        path = self.path.rstrip("/")
        if path == "/v1/models":
            self._json({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        elif path == "/requests":
            known = [
                {
                    "body": r.body,
                    "turn": r.turn,
                    "finished": r.finished,
                    "closed_by_client": r.closed_by_client.is_set(),
                }
                for r in list(self.model.requests)
            ]
            self._json(known)
        elif path == "/gates":
            self._json(self.model.gates())
        else:
            self._json({"error": {"message": f"no such page: {path}"}}, 404)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.rstrip("/")
        if path == "/v1/chat/completions":
            self._complete(json.loads(raw))
        elif path == "/script":
            script = json.loads(raw)
            self.model.script(script.get("match", ""), script["turns"], script.get("system", ""))
            self._json({})
        elif path.startswith("/gate/"):
            self.model.open(path.removeprefix("/gate/"))
            self._json({})
        elif path == "/reset":
            self.model.reset()
            self._json({})
        else:
            self._json({"error": {"message": f"no such page: {path}"}}, 404)

    def do_OPTIONS(self) -> None:
        self._json({})

    def _json(self, value: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "*")
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def _complete(self, body: JSON) -> None:
        request, turn = self.model.begin(body)
        parts = [say(turn)] if isinstance(turn, str) else turn
        try:
            if parts and "hang" in parts[0]:
                self.wait(lambda: False)
            elif parts and "refuse" in parts[0] and parts[0]["refuse"] in body:
                self._refuse(400, f"Unknown parameter: '{parts[0]['refuse']}'.")
            elif parts and "status" in parts[0]:
                status = parts[0]["status"]
                self._refuse(status, parts[0].get("message") or f"scripted status {status}")
            elif body.get("stream"):
                _Stream(self, request, parts).run()
            else:
                request.done.set()
                self._json(_whole(body, parts))
        except (_ClientGone, ConnectionError):
            request.closed_by_client.set()
            self.close_connection = True
        finally:
            request.done.set()

    def _refuse(self, status: int, message: str) -> None:
        # OpenAI's client would try again, with pauses.
        self._json({"error": {"message": message, "type": "scripted"}}, status, {"x-should-retry": "false"})

    def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready` or the client has disconnected."""
        while not ready():
            readable, _, _ = select.select([self.connection], [], [], _POLL_S)
            if self.model.closing or (readable and not self.connection.recv(1, socket.MSG_PEEK)):
                raise _ClientGone


class _Stream:
    """One streamed answer."""

    def __init__(self, handler: _Handler, request: Request, parts: list[JSON]) -> None:
        self._handler = handler
        self._request = request
        self._parts = parts
        self._native = bool(request.body.get("tools"))
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._rate = 0.0
        self._due = 0.0
        self._words = 0
        self._calls = 0
        self._usage: JSON | None = None
        head, tail = json.dumps(_chunk(body=request.body, choices=["@"])).split('"@"')
        self._head = f"data: {head}"
        self._tail = f"{tail}\n\n"

    def run(self) -> None:
        """Send all parts."""
        handler = self._handler
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        self._delta({"role": "assistant", "content": ""})
        for part in self._parts:
            (kind, value), *_ = part.items()
            if kind == "break":
                self._flush()
                handler.connection.shutdown(socket.SHUT_RDWR)
                handler.close_connection = True
                return
            self._TELL[kind](self, value)
        self._end()

    def _end(self) -> None:
        reason = "tool_calls" if self._calls and self._native else "stop"
        self._choice({"index": 0, "delta": {}, "finish_reason": reason})
        if (self._request.body.get("stream_options") or {}).get("include_usage"):
            usage = self._usage or _usage(self._request.body, self._words)
            self._event(json.dumps({**_chunk(self._request.body, []), "usage": usage}))
        self._put(b"data: [DONE]\n\n")
        self._flush()
        self._request.done.set()  # before the client can notice the end, so that it is true when the client asks
        self._handler.wfile.write(b"0\r\n\r\n")

    def _reasoning(self, text: str | list[str]) -> None:
        for word in _deltas(text):
            self._delta({"reasoning_content": word})

    def _text(self, text: str | list[str]) -> None:
        for word in _deltas(text):
            self._delta({"content": word})

    def _call(self, value: JSON) -> None:
        index, self._calls = self._calls, self._calls + 1
        if not self._native:
            self._text(("\n" if index else "") + _call_as_text(value))
            return
        call_id = value.get("id") or f"call_{index}"
        head = {"index": index, "id": call_id, "type": "function", "function": {"name": value["name"], "arguments": ""}}
        self._delta({"tool_calls": [head]})
        for word in _deltas(_arguments(value)):
            self._delta({"tool_calls": [{"index": index, "function": {"arguments": word}}]})

    def _gate(self, name: str) -> None:
        self._flush()
        place = self._handler.model.gate(name)
        place.arrivals += 1
        place.reached.release()
        self._handler.wait(place.opened.is_set)

    def _set_rate(self, rate: float) -> None:
        self._rate = rate
        self._due = time.monotonic()

    def _set_usage(self, usage: JSON) -> None:
        self._usage = usage

    def _ignore(self, _: object) -> None:
        """Ignore a part that was handled before the stream began."""

    def _hang(self, _: object) -> None:
        self._flush()
        self._handler.wait(lambda: False)

    _TELL: dict[str, Callable[[_Stream, Any], None]] = {
        "reasoning": _reasoning,
        "text": _text,
        "call": _call,
        "gate": _gate,
        "rate": _set_rate,
        "usage": _set_usage,
        "hang": _hang,
        "refuse": _ignore,
    }

    def _delta(self, delta: JSON) -> None:
        self._words += 1
        if self._rate:
            self._flush()
            self._due += 1 / self._rate
            self._handler.wait(lambda: time.monotonic() >= self._due)
        self._choice({"index": 0, "delta": delta, "finish_reason": None})

    def _choice(self, choice: JSON) -> None:
        self._put(f"{self._head}{json.dumps(choice)}{self._tail}".encode())

    def _event(self, data: str) -> None:
        self._put(f"data: {data}\n\n".encode())

    def _put(self, event: bytes) -> None:
        self._pending.append(event)
        self._pending_bytes += len(event)
        if self._pending_bytes >= _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            data = b"".join(self._pending)
            self._pending.clear()
            self._pending_bytes = 0
            self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


def _deltas(text: str | list[str]) -> Iterator[str]:
    return iter(text) if isinstance(text, list) else iter(_WORDS.findall(text) or ([text] if text else []))


def _arguments(value: JSON) -> str:
    arguments = value["arguments"]
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _call_as_text(value: JSON) -> str:
    return f'<tool_call>\n{{"name": "{value["name"]}", "arguments": {_arguments(value)}}}\n</tool_call>'


def _chunk(body: JSON, choices: list[Any]) -> JSON:
    return {
        "id": "scripted",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": body.get("model", MODEL),
        "choices": choices,
    }


def _usage(body: JSON, words: int) -> JSON:
    asked = sum(len(_text(m).split()) for m in body["messages"])
    return {"prompt_tokens": asked, "completion_tokens": words, "total_tokens": asked + words}


def _whole(body: JSON, parts: list[JSON]) -> JSON:
    """Return the answer in one piece. Gates, rates and failures belong to streams."""
    message: JSON = {"role": "assistant", "content": "", "tool_calls": []}
    for part in parts:
        if "text" in part:
            message["content"] += "".join(_deltas(part["text"]))
        elif "reasoning" in part:
            message["reasoning_content"] = message.get("reasoning_content", "") + "".join(_deltas(part["reasoning"]))
        elif "call" in part and not body.get("tools"):
            message["content"] += _call_as_text(part["call"])
        elif "call" in part:
            value = part["call"]
            function = {"name": value["name"], "arguments": _arguments(value)}
            call_id = value.get("id") or f"call_{len(message['tool_calls'])}"
            message["tool_calls"].append({"id": call_id, "type": "function", "function": function})
    if not message["tool_calls"]:
        del message["tool_calls"]
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = _usage(body, len(message["content"].split()))
    return {**_chunk(body, [choice]), "object": "chat.completion", "usage": usage}


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A model server that says what a script tells it to.")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--scripts", type=Path, help="a JSON list of scripts to begin with")
    options = parser.parse_args()
    with ScriptedModel(options.port) as model, contextlib.suppress(KeyboardInterrupt):
        if options.scripts:
            for script in json.loads(options.scripts.read_text(encoding="utf-8")):
                model.script(script.get("match", ""), script["turns"], script.get("system", ""))
        print(model.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
