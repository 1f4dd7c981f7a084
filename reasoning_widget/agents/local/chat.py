"""The embedded model as a Qwen-Agent model class, ``model_type="embedded"``. Importing this loads Qwen-Agent."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .._qwen_import import import_qwen_agent

import_qwen_agent()

from qwen_agent.llm.base import BaseChatModel, register_llm  # noqa: E402 (what they import must find it imported)
from qwen_agent.llm.schema import ASSISTANT, FUNCTION, SYSTEM, USER, FunctionCall, Message  # noqa: E402

from ..base import AgentError, Stopped, current_run  # noqa: E402
from . import weights  # noqa: E402
from .citations import citation  # noqa: E402
from .routing import (  # noqa: E402
    MAX_QUESTION_CHARS,
    Recipe,
    Turn,
    answer_messages,
    offered,
    parse_choice,
    routing_messages,
    schema,
)
from .server import Server, ServerGone, idle_seconds, running_server  # noqa: E402

_SYSTEM: Final = "You are a helpful assistant. Answer briefly."
_MAX_ANSWER_TOKENS: Final = 900


@dataclass(frozen=True)
class _Usage:
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class _Chunk:
    """A piece of the answer; the last one says what it cost, under OpenAI's names."""

    text: str
    usage: _Usage | None


@register_llm("embedded")
class EmbeddedChat(BaseChatModel):  # type: ignore[misc]
    """A small model on this machine, run by llama.cpp in a process that all kernels of a user share.

    Configuration: `model` (``0.5b``, ``1.5b`` or the path of a GGUF file), `recipe` (see `Recipe`, as plain JSON),
    `idle_minutes`, and a `generate_cfg` of llama.cpp's sampling parameters.
    """

    def __init__(self, cfg: dict[str, Any] | None = None) -> None:
        cfg = dict(cfg or {})
        cfg["generate_cfg"] = {**(cfg.get("generate_cfg") or {}), "use_raw_api": True, "max_input_tokens": -1}
        super().__init__({**cfg, "model": cfg.get("model") or "0.5b"})
        self._recipe = Recipe.of(cfg.get("recipe") or {})
        self._idle_seconds = idle_seconds(float(cfg.get("idle_minutes") or 10))
        self._warming: threading.Thread | None = None

    def raw_chat(
        self,
        messages: list[Any],
        functions: list[dict[str, Any]] | None = None,
        stream: bool = True,
        generate_cfg: dict[str, Any] | None = None,
    ) -> Iterator[list[Any]]:
        """Choose a tool, or answer, and yield the message each time it has grown.

        Raises:
            AgentError: The model is not here or cannot run; the text says what to do.
            Stopped: The run was stopped.
        """
        system, turns = _turns(messages)
        if len(turns[-1].question) > MAX_QUESTION_CHARS:
            raise AgentError(
                f"This question has {len(turns[-1].question):,} characters: the small local model reads "
                f"{MAX_QUESTION_CHARS:,}. Shorten it, or put the text into a file and ask about that."
            )
        self._await_warm_up()
        if functions and not turns[-1].results:
            call = self._route(functions, turns)
            if call is not None:
                arguments = json.dumps(call[1], ensure_ascii=False)
                function_call = FunctionCall(call[0], arguments)
                identity = {"function_id": f"call-{len(messages)}"}
                yield [Message(ASSISTANT, "", function_call=function_call, extra=identity)]
                return
        yield from self._answer(_SYSTEM if functions or not system else system, turns, generate_cfg or {})

    def warm_up(self, functions: Sequence[dict[str, Any]]) -> None:
        """Start the server and let it read what every question begins with, in the background."""

        def work() -> None:
            with contextlib.suppress(AgentError, Stopped, ServerGone):  # the question that comes will say it
                self._route(functions, [Turn("Hi there!")])

        self._warming = threading.Thread(target=work, name="reasoning-widget-warm-up", daemon=True)
        self._warming.start()

    def _await_warm_up(self) -> None:
        """It reads what this question needs too: asking meanwhile would only make both slower."""
        run = current_run()
        while self._warming is not None and self._warming.is_alive():
            self._warming.join(0.05)
            if run.stopping:
                raise Stopped

    def _route(self, functions: Sequence[dict[str, Any]], turns: Sequence[Turn]) -> tuple[str, dict[str, Any]] | None:
        choices = schema(offered(functions, turns, self._recipe))
        chunks = self._chat_complete_create(
            messages=routing_messages(functions, turns, self._recipe),
            temperature=0,
            max_tokens=160,
            response_format={"type": "json_schema", "json_schema": {"name": "route", "schema": choices}},
            stream=True,
        )
        with contextlib.closing(chunks):
            return parse_choice("".join(chunk.text for chunk in chunks))

    def _answer(self, system: str, turns: Sequence[Turn], generate_cfg: dict[str, Any]) -> Iterator[list[Any]]:
        known = {"temperature", "top_p", "top_k", "min_p", "max_tokens", "seed", "stop", "repeat_penalty"}
        options = {name: value for name, value in generate_cfg.items() if name in known}
        defaults = {"temperature": 0 if turns[-1].results else 0.5, "max_tokens": _MAX_ANSWER_TOKENS}
        chunks = self._chat_complete_create(messages=answer_messages(system, turns), stream=True, **defaults | options)
        text = ""
        with contextlib.closing(chunks):
            for chunk in chunks:
                if chunk.text:
                    text += chunk.text
                    yield [Message(ASSISTANT, text)]
        if source := citation(text, turns[-1].results):
            yield [Message(ASSISTANT, f"{text.rstrip()}\n\nSource: {source}")]

    def _chat_complete_create(self, **payload: Any) -> Generator[_Chunk]:
        """Stream a chat completion. Named as in Qwen-Agent's other models, so that a run can count its tokens.

        A server that has just ended is started again, unless part of the answer was there already.
        """
        payload.pop("model", None)
        payload["stream_options"] = {"include_usage": True}
        for last_try in (False, True):
            begun = False
            try:
                for chunk in self._server().chat(payload):
                    begun = True
                    yield _chunk(chunk)
            except ServerGone as error:
                if begun or last_try:
                    raise AgentError(f"The local model broke off ({error}). Ask again: it starts anew.") from error
            else:
                return

    def _server(self) -> Server:
        path = Path(self.model).expanduser()
        if path.suffix == ".gguf":
            if not path.is_file():
                raise AgentError(f"There is no file {path}: correct the `model` of the embedded model.")
            return running_server(_name_of(path), path.resolve(), self._idle_seconds)
        model = weights.model(self.model)
        return running_server(model.size, weights.checked_path(model), self._idle_seconds)

    # Qwen-Agent's other ways to call a model end here too: raw calls are all that this class takes.

    def _chat_with_functions(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _chat_stream(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _chat_no_stream(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


def _name_of(path: Path) -> str:
    """A name for the server of the user's own file."""
    return "own-" + "".join(c if c.isalnum() else "-" for c in str(path.resolve()))[-80:].strip("-")


def _chunk(data: dict[str, Any]) -> _Chunk:
    choices = data.get("choices") or [{}]
    counted = data.get("usage") or {}
    usage = _Usage(counted.get("prompt_tokens", 0), counted.get("completion_tokens", 0)) if counted else None
    return _Chunk((choices[0].get("delta") or {}).get("content") or "", usage)


def _turns(messages: list[Any]) -> tuple[str, list[Turn]]:
    """The system's message, and the conversation by questions."""
    system = ""
    turns: list[Turn] = []
    for message in messages:
        text = _text(message)
        if message.role == SYSTEM:
            system = text
        elif message.role == USER:
            turns.append(Turn(text))
        elif not turns:
            continue  # nothing was asked yet
        elif message.role == FUNCTION:
            turns[-1].results.append((message.name or "", text))
        elif message.role == ASSISTANT and message.function_call:
            turns[-1].call = {"tool": message.function_call.name, **_arguments(message.function_call.arguments)}
        else:
            turns[-1].answer += text
    if not turns:
        raise AgentError("There is no question: write one.")
    return system, turns


def _text(message: Any) -> str:
    content = message.content
    return content if isinstance(content, str) else "".join(item.text or "" for item in content or ())


def _arguments(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
