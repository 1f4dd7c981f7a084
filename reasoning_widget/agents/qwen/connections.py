"""A run's connections to its models: closed when the run stops, with the tokens that the server counted.

Qwen-Agent creates an OpenAI client for each call, which takes 21 ms, and leaves closing the stream to the garbage
collector. Here a run has one client for each model, and knows its sockets from the moment they connect. Shutting a
socket down wakes the thread that waits for it, and tells the server to stop, even before its first token.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from ...compat.http_sockets import httpx_client, requests_session, socket_of
from ...compat.qwen import models
from ...protocol import Usage
from ..exceptions import AgentError, Stopped
from .answers import read_answer, read_chunks
from .chunks import ChunkReader, Delta, EndReason, openai_chunk, openai_completion
from .dashscope import read_responses
from .refusals import create_accepted

answer_ended: ContextVar[bool] = ContextVar("reasoning_widget_answer_ended", default=True)
"""Whether the answer that is being read in this context is complete."""


class ModelConnections:
    """The connections of a run to its models.

    Args:
        on_usage: Called with the tokens of an answer, as the server counted them.
        on_end: Called at the end of each answer, with the reason if it is incomplete.
    """

    def __init__(self, on_usage: Callable[[Usage], None], on_end: Callable[[EndReason | None], None]) -> None:
        self._on_usage = on_usage
        self._on_end = on_end
        self._lock = threading.Lock()
        self._clients: dict[int, tuple[Any, Any]] = {}
        self._streams: dict[Any, threading.Thread] = {}
        """The open streams, each with the thread that opened it."""
        self._waiting: list[threading.Thread] = []
        """The threads that wait for an answer to begin."""
        self._sockets: list[socket.socket] = []
        self._stopped = False
        self._closed = False

    def complete(self, llm: Any, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Send a request through OpenAI's client, in place of the model's own method.

        Raises:
            Stopped: The run has stopped.
        """
        if self._stopped:
            raise Stopped
        if kwargs.get("stream"):
            kwargs.setdefault("stream_options", {"include_usage": True})
        answer = self._opened(lambda: create_accepted(llm, self._create(llm, original), args, kwargs))
        if not kwargs.get("stream"):
            reader = ChunkReader()
            return openai_completion(self._deltas(answer, reader), reader)
        return self._openai_chunks(answer) if models.is_openai(llm) else self._unchanged_chunks(answer)

    def dashscope_stream(self, llm: Any, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Ask a DashScope model for a stream, over a connection of the run."""
        last: list[Any] = []
        with self._dashscope(args, kwargs) as (ours, named):
            for last in original(*ours, **named):
                yield last
        if not models.has_response_stream(llm):  # otherwise its responses were counted
            self._count_dashscope(last)

    def dashscope_whole(self, original: Callable[..., list[Any]], *args: Any, **kwargs: Any) -> list[Any]:
        """Ask a DashScope model for a whole answer, over a connection of the run."""
        with self._dashscope(args, kwargs) as (ours, named):
            messages = original(*ours, **named)
        self._count_dashscope(messages)
        return messages

    def dashscope_responses(self, original: Callable[..., Any], responses: Iterator[Any]) -> Iterator[Any]:
        """Read the responses of a DashScope model, and pass them to its own method in one form."""
        reader = ChunkReader()
        answer_ended.set(False)
        try:
            yield from original(read_responses(responses, reader))
        finally:
            answer_ended.set(True)
            self._report(reader)

    def stop(self) -> None:
        """Shut down all connections, from any thread, and wake the threads that wait for them."""
        with self._lock:
            self._stopped = True
            sockets = self._sockets + [s for s in map(socket_of, self._streams) if s is not None]
        for each in sockets:
            with contextlib.suppress(OSError):  # closed already
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connections, in the thread of the run. A stream that another thread reads is closed after that."""
        with self._lock:
            self._closed = True
            own = threading.current_thread()
            left = [each for each, thread in self._streams.items() if thread is own or not thread.is_alive()]
        for stream in left:
            self._release(stream)
        self._close_clients()

    def _opened(self, create: Callable[[], Any]) -> Any:
        """Return the answer that `create` opens, and register it."""
        thread = threading.current_thread()
        with self._lock:
            self._waiting.append(thread)
        answer: Any = None
        try:
            answer = create()
        finally:
            with self._lock:
                self._waiting.remove(thread)
                if answer is not None:
                    self._streams[answer] = thread
                stopped = self._stopped
            if answer is None:
                self._close_clients()
        if stopped:
            self._release(answer)
            raise Stopped
        return answer

    def _close_clients(self) -> None:
        """Close the clients if the run is over and no thread reads any more."""
        with self._lock:
            if not self._closed or self._streams or self._waiting:
                return
            clients = list(self._clients.values())
            self._clients.clear()
            self._sockets.clear()
        for client, _ in clients:
            client.close()

    def _openai_chunks(self, answer: Any) -> Iterator[Any]:
        for delta in self._deltas(answer, ChunkReader()):
            yield openai_chunk(delta)

    def _unchanged_chunks(self, answer: Any) -> Iterator[Any]:
        """Count the chunks of a model with a format of its own, and pass them on unchanged."""
        reader = ChunkReader()
        try:
            for chunk in answer:
                usage = getattr(chunk, "usage", None)
                choice = {"finish_reason": getattr(chunk, "finish_reason", None)}
                reader.read({"usage": vars(usage) if hasattr(usage, "__dict__") else usage, "choices": [choice]})
                yield chunk
        finally:
            self._release(answer)
            self._report(reader)

    def _deltas(self, answer: Any, reader: ChunkReader) -> Iterator[Delta]:
        """Yield the deltas of an answer, and an empty one at its end, by which a reader of text knows the end."""
        response = getattr(answer, "http_response", None)
        answer_ended.set(False)
        try:
            yield from read_answer(response, reader) if response is not None else read_chunks(answer, reader)
            answer_ended.set(True)
            yield Delta()
        finally:
            answer_ended.set(True)
            self._release(answer)
            self._report(reader)

    def _report(self, reader: ChunkReader) -> None:
        if reader.usage is not None:
            self._on_usage(reader.usage)
        self._on_end(reader.end)

    @contextlib.contextmanager
    def _dashscope(self, args: Any, kwargs: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Add an HTTP session whose sockets are known to the arguments of a DashScope model's method."""
        if self._stopped:
            raise Stopped
        opened: list[socket.socket] = []

        def on_socket(each: socket.socket) -> None:
            opened.append(each)
            self._add_socket(each)

        session = requests_session(on_socket)
        try:
            yield models.with_session(args, kwargs, session)
        except json.JSONDecodeError as error:
            raise AgentError(
                "The server's response could not be read: it is not a model server. "
                "Check the address (`base_http_api_url`)."
            ) from error
        finally:
            session.close()
            for each in opened:
                each.close()  # a session only closes sockets that are not in use

    def _count_dashscope(self, messages: list[Any]) -> None:
        """Count the tokens of an answer if its messages carry the response."""
        reader = ChunkReader()
        for message in messages:
            reader.read({"usage": models.dashscope_usage(message)})
        if reader.usage is not None:
            self._on_usage(reader.usage)

    def _release(self, stream: Any) -> None:
        with self._lock:
            self._streams.pop(stream, None)
        close = getattr(stream, "close", None)
        if close is not None:
            with contextlib.suppress(Exception):  # the answer was read, or is not needed
                close()
        self._close_clients()

    def _create(self, llm: Any, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return `original` with the run's own client, or unchanged if its client cannot be found."""
        options = models.options_of(original)
        if options is None:
            return original
        with self._lock:
            client, _ = self._clients.get(id(llm), (None, None))
        if client is None:
            client = self._client(options)
            with self._lock:
                client, _ = self._clients.setdefault(
                    id(llm), (client, llm)
                )  # a reference to the model keeps its id unique
        complete, signature = client.chat.completions.with_streaming_response.create, client.chat.completions.create
        return lambda *args, **kwargs: complete(*args, **models.openai_parameters(signature, kwargs)).__enter__()

    def _client(self, options: dict[str, Any]) -> Any:
        import openai

        make = openai.AzureOpenAI if "azure_endpoint" in options else openai.OpenAI
        return make(**options, http_client=httpx_client(self._add_socket))

    def _add_socket(self, opened: socket.socket) -> None:
        with self._lock:
            self._sockets.append(opened)
            stopped = self._stopped
        if stopped:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
