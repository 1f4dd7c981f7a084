"""The embedded model as a Qwen-Agent model class. `import_qwen_agent` registers it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Final

from qwen_agent.llm.base import BaseChatModel, register_llm
from qwen_agent.llm.schema import ASSISTANT, FUNCTION, SYSTEM, USER, FunctionCall, Message

from ..base import Turn as Earlier
from ..base import current_run
from ..exceptions import AgentError
from ..local.citations import citation, with_source, without_source
from ..local.embedded import Chunk, EmbeddedModel
from ..local.routing import MAX_QUESTION_CHARS, Turn, answer_messages, failure_answer

_SYSTEM: Final = "You are a helpful assistant. Answer briefly."
_MAX_ANSWER_TOKENS: Final = 900
_SAMPLING: Final = frozenset({"temperature", "top_p", "top_k", "min_p", "max_tokens", "seed", "stop", "repeat_penalty"})


class EmbeddedChat(BaseChatModel):  # type: ignore[misc]
    """A small model on this machine, which llama.cpp runs in one process for all kernels of a user.

    Args:
        cfg: `model` (``0.5b``, ``1.5b`` or the path of a GGUF file), `recipe` (a `Recipe` as plain JSON),
            `idle_minutes`, and `generate_cfg`, llama.cpp's sampling parameters.
    """

    def __init__(self, cfg: dict[str, Any] | None = None) -> None:
        cfg = dict(cfg or {})
        cfg["generate_cfg"] = {**(cfg.get("generate_cfg") or {}), "use_raw_api": True, "max_input_tokens": -1}
        self._embedded = EmbeddedModel(cfg)
        super().__init__({**cfg, "model": self._embedded.model})

    def raw_chat(
        self,
        messages: list[Any],
        functions: list[dict[str, Any]] | None = None,
        stream: bool = True,
        generate_cfg: dict[str, Any] | None = None,
    ) -> Iterator[list[Any]]:
        """Choose a tool or answer, and yield the message each time it has grown.

        Raises:
            AgentError: The model is missing or cannot run; the text says what to do.
            Stopped: The run was stopped.
        """
        system, turns = _turns(messages)
        _add_earlier_calls(turns, current_run().history)
        if len(turns[-1].question) > MAX_QUESTION_CHARS:
            raise AgentError(
                f"This question has {len(turns[-1].question):,} characters: the small local model reads "
                f"{MAX_QUESTION_CHARS:,}. Shorten it, or put the text into a file and ask about that."
            )
        self._embedded.await_warm_up()
        if functions and not turns[-1].results:
            call = self._embedded.route(functions, turns, self._chat_complete_create)
            if call is not None:
                function_call = FunctionCall(call[0], json.dumps(call[1], ensure_ascii=False))
                identity = {"function_id": f"call-{len(messages)}"}
                yield [Message(ASSISTANT, "", function_call=function_call, extra=identity)]
                return
        if (answer := failure_answer(turns[-1])) is not None:
            yield [Message(ASSISTANT, answer)]
            return
        yield from self._answer(_SYSTEM if functions or not system else system, turns, generate_cfg or {})

    def _answer(self, system: str, turns: Sequence[Turn], generate_cfg: dict[str, Any]) -> Iterator[list[Any]]:
        options = {name: value for name, value in generate_cfg.items() if name in _SAMPLING}
        defaults = {"temperature": 0 if turns[-1].results else 0.5, "max_tokens": _MAX_ANSWER_TOKENS}
        chunks = self._chat_complete_create(messages=answer_messages(system, turns), stream=True, **defaults | options)
        text = ""
        with contextlib.closing(chunks):
            for chunk in chunks:
                if chunk.text:
                    text += chunk.text
                    yield [Message(ASSISTANT, text)]
        if source := citation(text, turns[-1].results):
            yield [Message(ASSISTANT, with_source(text, source))]

    def _chat_complete_create(self, **payload: Any) -> Generator[Chunk]:
        """Stream a chat completion. The name is that of Qwen-Agent's other models, so that a run counts the tokens."""
        return self._embedded.complete(**payload)

    # The base class requires these methods, but calls none of them in raw mode.

    def _chat_with_functions(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _chat_stream(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _chat_no_stream(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


def register() -> None:
    """Make the class available to Qwen-Agent as ``model_type="embedded"``."""
    register_llm("embedded")(EmbeddedChat)


def _turns(messages: list[Any]) -> tuple[str, list[Turn]]:
    """Return the system message, and the turns of the conversation."""
    system = ""
    turns: list[Turn] = []
    for message in messages:
        text = _text(message)
        if message.role == SYSTEM:
            system = text
        elif message.role == USER:
            turns.append(Turn(text))
        elif not turns:
            continue  # before the first question
        elif message.role == FUNCTION:
            turns[-1].results.append((message.name or "", text))
        elif message.role == ASSISTANT and message.function_call:
            turns[-1].call = {"tool": message.function_call.name, **_arguments(message.function_call.arguments)}
        else:
            turns[-1].answer += without_source(text)
    if not turns:
        raise AgentError("There is no question. Enter one.")
    return system, turns


def _add_earlier_calls(turns: list[Turn], history: Sequence[Earlier]) -> None:
    """Add the tool calls of earlier turns, which are not in the messages, for routing a follow-up."""
    known = {turn["prompt"]: turn["steps"] for turn in history}
    for turn in turns[:-1]:
        called = [
            step["tool"] for step in known.get(turn.question, ()) if step.get("type") == "tool_use" and step.get("tool")
        ]
        if called and turn.call is None:
            turn.call = {"tool": called[0]["name"], **_arguments(called[0].get("arguments") or "")}


def _text(message: Any) -> str:
    content = message.content
    return content if isinstance(content, str) else "".join(item.text or "" for item in content or ())


def _arguments(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
