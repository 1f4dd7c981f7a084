"""Observe the model calls of a watched run, and emit steps for them."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ...compat.qwen.methods import CALL_MODEL, CHAT
from ...compat.qwen.models import model_methods
from ...protocol import Usage
from ..exceptions import AgentError
from . import hooks
from .chunks import EndReason
from .connections import ModelConnections
from .hooks import Call
from .model_handlers import model_handlers
from .results import field, render
from .steps import ModelCall
from .watched_run import WatchedRun
from .work import ModelRequest, ToolRun

_MODEL_METHOD: Final = "model method"
"""The name of the handler for methods of models; no method has it."""
_NO_ANSWER = "The model ended without an answer. Ask again, in other words, or ask another model."
_ENDS_WITHOUT_ANSWER: dict[EndReason, str] = {
    "length": (
        "The model ended without an answer: it reached its token limit first. Raise the limit (`max_tokens` in the "
        "model's `generate_cfg`)."
    ),
    "content_filter": (
        "The model ended without an answer: a content filter on its server removed it. Ask in other words."
    ),
    "error": "The model ended without an answer: its server reported an error. Ask again.",
}


class ModelCalls:
    """The model calls of one run.

    Args:
        run: The run.

    Attributes:
        connections: The run's connections to its models.
    """

    def __init__(self, run: WatchedRun) -> None:
        self._run = run
        self.connections = ModelConnections(_count, _note_end)
        self._models: dict[int, Any] = {}
        """The models whose methods are replaced. References to them keep their ids unique."""
        self._handlers: dict[tuple[int, str], Callable[..., Any]] = {}
        self._unanswered: list[tuple[Any, str]] = []
        """The tasks whose models gave no answer, and the messages of those requests."""
        self._steering: list[tuple[Any, int, str]] = []

    def handlers(self) -> Mapping[str, hooks.Handler]:
        """Return the functions that are called in place of the methods, by the methods' names."""
        return {CALL_MODEL: self._call_llm, CHAT: self._chat, _MODEL_METHOD: self._call_model_method}

    def no_answer(self) -> AgentError:
        """Return the error for a run whose last model call gave no answer."""
        end = self._run.last_end
        return AgentError(_ENDS_WITHOUT_ANSWER[end] if end else _NO_ANSWER)

    # The hooked methods -------------------------------------------------------------------------------------------

    def _call_llm(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        """Handle an agent's call of its model. A subclass may answer without calling any model."""
        request = call.note = self._request(call, args, kwargs)
        args, kwargs = self._steer(request, args, kwargs)
        result = self._try(lambda: call(*args, **kwargs))
        if request.is_shown:
            return result
        if isinstance(result, Iterator):
            return self._stream_unless_shown(request, result)
        request.is_shown = True
        return self._show_whole(request, self._begin(request), result)

    def _chat(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        """Handle a call of a model, by an agent or by any other code."""
        self._replace_methods(call.target)
        outer = next((each.note for each in call.stack() if isinstance(each.note, ModelRequest | ToolRun)), None)
        if isinstance(outer, ModelRequest) and not outer.is_shown:
            request = outer
        else:
            request = self._request(call, args, kwargs)
            args, kwargs = self._steer(request, args, kwargs)
        request.is_shown = True
        model_call = call.note = self._begin(request)
        result = self._try(lambda: call(*args, **kwargs), model_call)
        if isinstance(result, Iterator):
            return self._stream(
                request, model_call, result, _JoinedDeltas() if _in_deltas(call, args, kwargs) else None
            )
        return self._show_whole(request, model_call, result)

    def _replace_methods(self, llm: Any) -> None:
        """Until the run ends, handle the methods in which a model sends its request and reads the answer."""
        with self._run.lock:
            if self._run.over or id(llm) in self._models:
                return
            self._models[id(llm)] = llm
            handlers = model_handlers(llm, self.connections)
            for method in model_methods(llm):
                self._handlers[id(method.target), method.name] = handlers[method.place]
                self._run.replace(method.target, method.name, _MODEL_METHOD)

    def _call_model_method(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        self._run.check()
        return self._handlers[id(call.target), call.name](call.own_method, *args, **kwargs)

    # A request ----------------------------------------------------------------------------------------------------

    def _request(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ModelRequest:
        """Count a request that is about to be made.

        Raises:
            Ends: The run has to end, or its model gave no answer to the same request, which Qwen-Agent would repeat
                until its own limit.
        """
        worker = self._run.worker(call)
        messages = args[0] if args else kwargs.get("messages", [])
        with self._run.lock:
            self._run.check()
            if any(task is worker.task and sent == repr(messages) for task, sent in self._unanswered):
                raise self._run.end_with(self.no_answer())
            number = self._run.next_iteration()
            self._run.forget_announced(worker.task)
        return ModelRequest(worker, number, messages)

    def _steer(
        self, request: ModelRequest, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Insert steering messages where they arrived, in this and all later requests of the same task."""
        in_args = bool(args)
        messages = args[0] if in_args else kwargs.get("messages", [])
        task = request.worker.task
        with self._run.lock:
            self._steering += [(task, len(messages), text) for text in self._run.context.steering()]
            mine = [(at, text) for known, at, text in self._steering if known is task]
        if not mine:
            return args, kwargs
        from qwen_agent.llm.schema import USER, Message

        messages = list(messages)
        for at, text in reversed(mine):
            messages.insert(at, Message(role=USER, content=text))
        return ((messages, *args[1:]), kwargs) if in_args else (args, {**kwargs, "messages": messages})

    # The answer ---------------------------------------------------------------------------------------------------

    def _begin(self, request: ModelRequest) -> ModelCall:
        worker = request.worker
        call = ModelCall(
            self._run.maker,
            self._run.place(worker, request.number),
            lambda use: self._run.announce(worker.task, use),
            react=_writes_react(worker.agent),
        )
        if worker.parent_id is None:
            self._run.begin_at_top_level()
            self._run.candidates.begin(call)
        return call

    def _show_whole(self, request: ModelRequest, call: ModelCall, answer: Any) -> Any:
        """Show an answer that was not streamed."""
        if isinstance(answer, list):
            call.update(answer)
        self._end(request, call)
        return answer

    @hooks.within_calls
    def _stream(
        self, request: ModelRequest, call: ModelCall, responses: Iterator[list[Any]], joined: _JoinedDeltas | None
    ) -> Iterator[list[Any]]:
        try:
            for response in responses:
                call.update(response if joined is None else joined.add(response))
                if self._run.context.stopping:
                    self._run.check()
                yield response
        except GeneratorExit:  # the agent stopped reading
            self._end(request, call)
            raise
        except BaseException as error:
            self._fail(call, error)
            raise
        self._end(request, call)

    def _stream_unless_shown(self, request: ModelRequest, responses: Iterator[list[Any]]) -> Iterator[list[Any]]:
        """Show an answer that an agent gives without a model; a model that is called at the first `next` is shown."""
        for response in responses:
            if not request.is_shown:
                request.is_shown = True
                call = self._begin(request)
                call.update(response)
                yield response
                yield from self._stream(request, call, responses, None)
                return
            yield response

    def _try(self, work: Callable[[], Any], call: ModelCall | None = None) -> Any:
        try:
            return work()
        except BaseException as error:
            self._fail(call, error)
            raise

    def _fail(self, call: ModelCall | None, error: BaseException) -> None:
        """Handle the failure of a model call.

        Raises:
            Ends: It failed because the run ends.
        """
        if call is not None:
            self._run.candidates.discard(call)
        if isinstance(error, Exception):
            self._run.check()

    def _end(self, request: ModelRequest, call: ModelCall) -> None:
        run = self._run
        if run.must_end:
            run.candidates.discard(call)
            return
        text = call.finish()
        run.last_end = call.end
        if call.end is not None:
            run.end_reasons |= dict.fromkeys(call.step_ids, call.end)
        if not call.has_steps:
            with run.lock:
                self._unanswered.append((request.worker.task, repr(request.messages)))
        if request.worker.parent_id is None:
            run.reported.model_wrote(call.texts)
            run.candidates.end(call, text)


def _count(usage: Usage) -> None:
    call = _answering()
    if call is not None:
        call.usage = usage


def _note_end(end: EndReason | None) -> None:
    call = _answering()
    if call is not None:
        call.end = end


def _answering() -> ModelCall | None:
    """Return the model call whose answer is being read in this context, or None."""
    call = hooks.innermost()
    calls = call.stack() if call is not None else ()
    return next((each.note for each in calls if isinstance(each.note, ModelCall)), None)


class _JoinedDeltas:
    """The whole answer of a model that yields only what is new."""

    def __init__(self) -> None:
        self._texts = {"content": "", "reasoning_content": ""}

    def add(self, messages: list[Any]) -> list[dict[str, Any]]:
        """Append the texts of `messages`, and return the whole answer as messages."""
        for message in messages:
            for name in self._texts:
                self._texts[name] += render(field(message, name) or "")[0]
        return [{"role": "assistant", "function_call": None, **self._texts}]


def _in_deltas(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether a model was asked to yield only what is new."""
    if "delta_stream" in kwargs or not args:
        return bool(kwargs.get("delta_stream"))
    with contextlib.suppress(TypeError):
        return bool(inspect.signature(call.function).bind(call.target, *args, **kwargs).arguments.get("delta_stream"))
    return False


def _writes_react(agent: Any) -> bool:
    from qwen_agent.agents import ReActChat

    return isinstance(agent, ReActChat)
