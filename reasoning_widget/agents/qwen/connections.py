"""The model's answers while a run is on: closed when it stops, counted where the server counts.

Qwen-Agent makes a new OpenAI client for each call (21 ms) and lets go of the stream only at some garbage collection.
Here a run has one client for each model, whose sockets are known from the moment they connect: shutting a socket down
is what wakes a thread that waits for it, and what tells the server to stop, also before its first token.
"""

from __future__ import annotations

import contextlib
import inspect
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from ...protocol import Usage
from ..base import Stopped

_refuses_usage: weakref.WeakSet[Any] = weakref.WeakSet()
"""Models whose server does not take `stream_options`."""


class ModelConnections:
    """What a run has open towards its models."""

    def __init__(self, on_usage: Callable[[Usage], None]) -> None:
        self._on_usage = on_usage
        self._lock = threading.Lock()
        self._clients: dict[int, tuple[Any, Any]] = {}
        self._streams: set[Any] = set()
        self._sockets: list[socket.socket] = []
        self._stopped = False

    def complete(self, llm: Any, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Stand in for `llm._chat_complete_create`.

        Raises:
            Stopped: The run has stopped.
        """
        if self._stopped:
            raise Stopped
        create = self._create(llm, original)
        if not kwargs.get("stream"):
            answer = create(*args, **kwargs)
            self._count(getattr(answer, "usage", None))
            return answer
        stream = _create_with_usage(llm, create, args, kwargs)
        with self._lock:
            self._streams.add(stream)
            stopped = self._stopped
        if stopped:
            self._release(stream)
            raise Stopped
        return self._chunks(stream)

    def stop(self) -> None:
        """Close everything, from any thread, and wake whoever waits for it."""
        with self._lock:
            self._stopped = True
            sockets = self._sockets + [s for s in map(_socket_of, self._streams) if s is not None]
        for each in sockets:
            with contextlib.suppress(OSError):  # closed already
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of what is left, in the run's own thread."""
        with self._lock:
            streams, clients = list(self._streams), list(self._clients.values())
            self._clients.clear()
            self._sockets.clear()
        for stream in streams:
            self._release(stream)
        for client, _ in clients:
            client.close()

    def _chunks(self, stream: Any) -> Iterator[Any]:
        try:
            for chunk in stream:
                usage = getattr(chunk, "usage", None)
                if usage is not None:
                    self._count(usage)
                yield chunk
        finally:
            self._release(stream)

    def _release(self, stream: Any) -> None:
        with self._lock:
            self._streams.discard(stream)
        close = getattr(stream, "close", None)
        if close is not None:
            with contextlib.suppress(Exception):  # the run has what it wanted of it
                close()

    def _count(self, usage: Any) -> None:
        counted: Usage = {}
        if isinstance(tokens := getattr(usage, "prompt_tokens", None), int):
            counted["input_tokens"] = tokens
        if isinstance(tokens := getattr(usage, "completion_tokens", None), int):
            counted["output_tokens"] = tokens
        if counted:
            self._on_usage(counted)

    def _create(self, llm: Any, original: Callable[..., Any]) -> Callable[..., Any]:
        """`original` on the run's own client, or as it is where its client cannot be known."""
        options = client_options(original)
        if options is None:
            return original
        with self._lock:
            client, _ = self._clients.get(id(llm), (None, None))
        if client is None:
            client = self._client(options)
            with self._lock:
                client, _ = self._clients.setdefault(id(llm), (client, llm))  # the model is kept: so is its id
        complete = client.chat.completions.create
        return lambda *args, **kwargs: complete(*args, **_as_openai_takes_them(kwargs))

    def _client(self, options: dict[str, Any]) -> Any:
        import openai  # noqa: PLC0415 (heavy)

        http = openai.DefaultHttpxClient(event_hooks={"request": [self._trace]})
        make = openai.AzureOpenAI if "azure_endpoint" in options else openai.OpenAI
        return make(**options, http_client=http)

    def _trace(self, request: Any) -> None:
        request.extensions = {**request.extensions, "trace": self._opened}

    def _opened(self, event: str, info: dict[str, Any]) -> None:
        if not event.endswith(("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")):
            return
        opened = info["return_value"].get_extra_info("socket")
        if isinstance(opened, socket.socket):
            with self._lock:
                self._sockets.append(opened)
                stopped = self._stopped
            if stopped:
                with contextlib.suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)


def client_options(create: Any) -> dict[str, Any] | None:
    """The arguments Qwen-Agent would make a client of: they are in the closure of its function, and nowhere else."""
    if not inspect.isfunction(create) or not create.__module__.startswith("qwen_agent.llm."):
        return None
    options = inspect.getclosurevars(create).nonlocals.get("api_kwargs")
    return dict(options) if isinstance(options, dict) else None


def _as_openai_takes_them(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments as Qwen-Agent passes them on: two parameters are not OpenAI's, and one has another name there."""
    extra = {name: kwargs[name] for name in ("top_k", "repetition_penalty") if name in kwargs}
    kwargs = {name: value for name, value in kwargs.items() if name not in extra}
    if extra:
        kwargs["extra_body"] = {**(kwargs.get("extra_body") or {}), **extra}
    if "request_timeout" in kwargs:
        kwargs["timeout"] = kwargs.pop("request_timeout")
    return kwargs


def _create_with_usage(llm: Any, create: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """Ask for a stream that ends with the count of tokens, unless the server does not know how."""
    if "stream_options" in kwargs or llm in _refuses_usage:
        return create(*args, **kwargs)
    try:
        return create(*args, **kwargs, stream_options={"include_usage": True})
    except Exception as error:
        if getattr(error, "status_code", None) not in {400, 422} or "stream_options" not in str(error):
            raise
        _refuses_usage.add(llm)
        return create(*args, **kwargs)


def _socket_of(stream: Any) -> socket.socket | None:
    extensions = getattr(getattr(stream, "response", None), "extensions", None) or {}
    network = extensions.get("network_stream")
    found = network.get_extra_info("socket") if network is not None else None
    return found if isinstance(found, socket.socket) else None
