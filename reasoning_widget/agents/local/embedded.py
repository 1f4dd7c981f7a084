"""Ask the embedded model, and start it if needed. Imports nothing heavy."""

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
    """The tokens of a completion, under OpenAI's names."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Chunk:
    """A part of a completion. The last one has no text, but the usage."""

    text: str
    usage: Usage | None
    finish_reason: str | None = None


class EmbeddedModel:
    """A model in a process that all kernels of this user share."""

    def __init__(self, llm: dict[str, Any]) -> None:
        """Use `model` (``0.5b``, ``1.5b`` or the path of a GGUF file), `recipe` and `idle_minutes` of `llm`."""
        self.model = str(llm.get("model") or "0.5b")
        self._recipe = Recipe.of(llm.get("recipe") or {})
        self._idle_seconds = idle_seconds(float(llm.get("idle_minutes") or 10))

    def complete(self, **payload: Any) -> Generator[Chunk]:
        """Stream a chat completion. If the server exits before the first chunk, it is started again.

        Raises:
            AgentError: The model is not downloaded or cannot run; the text says what to do.
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
                    raise AgentError(
                        f"The local model stopped unexpectedly ({error}). Ask again: it is started again."
                    ) from error
            else:
                return

    def route(
        self, functions: Sequence[dict[str, Any]], turns: Sequence[Turn], complete: Any = None
    ) -> tuple[str, dict[str, Any]] | None:
        """Return the tool that the last of `turns` needs, with its arguments, or None. Raises as `complete` does."""
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
        """Start the model, and let it process the beginning that all prompts share. Returns at once."""

        def work() -> None:
            with contextlib.suppress(AgentError, Stopped):  # reported when a prompt is sent
                self.route(functions, [Turn("Hi there!")])

        with _warming_lock:
            if self.model not in _warming or not _warming[self.model].is_alive():
                _warming[self.model] = threading.Thread(target=work, name="reasoning-warm-up", daemon=True)
                _warming[self.model].start()

    def await_warm_up(self) -> None:
        """Wait until the warm-up is finished: both process the same beginning, which would take longer in parallel.

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
        """Return the running server; start it if needed. Raises as `complete` does."""
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
    """Return a name for the server of a person's own model file."""
    return "own-" + "".join(c if c.isalnum() else "-" for c in str(path.resolve()))[-80:].strip("-")


def _chunk(data: dict[str, Any]) -> Chunk:
    choices = data.get("choices") or [{}]
    counted = data.get("usage") or {}
    usage = Usage(counted.get("prompt_tokens", 0), counted.get("completion_tokens", 0)) if counted else None
    return Chunk((choices[0].get("delta") or {}).get("content") or "", usage, choices[0].get("finish_reason"))
