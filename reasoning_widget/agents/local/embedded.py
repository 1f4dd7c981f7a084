"""The embedded model: asking it, and starting it where it does not run. Loads nothing heavy."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base import current_run
from ..exceptions import AgentError, Stopped
from . import weights
from .routing import Recipe, Turn, offered_functions, parse_choice, routing_messages, schema, widen
from .server import Server, ServerGone, idle_seconds, running_server


@dataclass(frozen=True)
class Usage:
    """What a completion cost, under OpenAI's names."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Chunk:
    """A piece of a completion. The last one has no text, and says what it cost."""

    text: str
    usage: Usage | None
    finish_reason: str | None = None


class EmbeddedModel:
    """A model that a process of its own runs for all kernels of this user."""

    def __init__(self, llm: dict[str, Any]) -> None:
        """Take `model` (``0.5b``, ``1.5b`` or the path of a GGUF file), `recipe` and `idle_minutes` from `llm`."""
        self.model = str(llm.get("model") or "0.5b")
        self._recipe = Recipe.of(llm.get("recipe") or {})
        self._idle_seconds = idle_seconds(float(llm.get("idle_minutes") or 10))

    def complete(self, **payload: Any) -> Generator[Chunk]:
        """Stream a chat completion. A server that has just ended is started again, unless some of it had come.

        Raises:
            AgentError: The model is not here or cannot run; the text says what to do.
            Stopped: The run was stopped.
        """
        payload["stream_options"] = {"include_usage": True}
        for last_try in (False, True):
            begun = False
            try:
                for data in self.server().chat(payload):
                    begun = True
                    yield _chunk(data)
            except ServerGone as error:
                if begun or last_try:
                    raise AgentError(f"The local model broke off ({error}). Ask again: it starts anew.") from error
            else:
                return

    def route(
        self, functions: Sequence[dict[str, Any]], turns: Sequence[Turn], complete: Any = None
    ) -> tuple[str, dict[str, Any]] | None:
        """The tool that the last of `turns` needs, with its arguments; None for none. Raises as `complete` does."""
        choices = schema(offered_functions(functions, turns, self._recipe))
        chunks = (complete or self.complete)(
            messages=routing_messages(functions, turns, self._recipe),
            temperature=0,
            max_tokens=160,
            response_format={"type": "json_schema", "json_schema": {"name": "route", "schema": choices}},
            stream=True,
        )
        with contextlib.closing(chunks):
            call = parse_choice("".join(chunk.text for chunk in chunks))
        return widen(call, turns[-1].question, self._recipe) if call else None

    def warm_up(self, functions: Sequence[dict[str, Any]]) -> None:
        """Start it, and let it read what every question begins with. Returns at once; harmless when repeated."""

        def work() -> None:
            with contextlib.suppress(AgentError, Stopped):  # the question that comes will say it
                self.route(functions, [Turn("Hi there!")])

        with _warming_lock:
            if self.model not in _warming or not _warming[self.model].is_alive():
                _warming[self.model] = threading.Thread(target=work, name="reasoning-warm-up", daemon=True)
                _warming[self.model].start()

    def await_warm_up(self) -> None:
        """Wait while it warms up: it reads what a question needs too, and two at once would only take longer.

        Raises:
            Stopped: The run was stopped.
        """
        run = current_run()
        warming = _warming.get(self.model)
        while warming is not None and warming.is_alive():
            warming.join(0.05)
            if run.stopping:
                raise Stopped

    def server(self) -> Server:
        """Its server, started if need be. Raises as `complete` does."""
        path = Path(self.model).expanduser()
        if path.suffix == ".gguf":
            if not path.is_file():
                raise AgentError(f"There is no file {path}: correct the `model` of the embedded model.")
            return running_server(_name_of(path), path.resolve(), self._idle_seconds)
        model = weights.model(self.model)
        return running_server(model.size, weights.verified_path(model), self._idle_seconds)


_warming: dict[str, threading.Thread] = {}
_warming_lock = threading.Lock()


def _name_of(path: Path) -> str:
    """A name for the server of the user's own file."""
    return "own-" + "".join(c if c.isalnum() else "-" for c in str(path.resolve()))[-80:].strip("-")


def _chunk(data: dict[str, Any]) -> Chunk:
    choices = data.get("choices") or [{}]
    counted = data.get("usage") or {}
    usage = Usage(counted.get("prompt_tokens", 0), counted.get("completion_tokens", 0)) if counted else None
    return Chunk((choices[0].get("delta") or {}).get("content") or "", usage, choices[0].get("finish_reason"))
