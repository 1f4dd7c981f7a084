"""Watch a run of a Qwen-Agent agent from inside.

What an agent yields tells neither when a tool starts nor whether it failed. So the watch stands around `_call_llm` and
`_call_tool` of the very instances that take part, around `call` of a tool while it is called, and around the function
by which their models are asked; and leaves all of them as they were.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any

from ...bundles import put_together
from ...protocol import Step, ToolCall, Usage
from ..base import AgentError, MaxIterationsReached, RunContext, Stopped
from ..errors import redact
from .chunks import EndReason
from .connections import ModelConnections
from .hooks import call_limit_lifted, hooked, used_by
from .marks import split_thoughts
from .model_seams import model_seams
from .results import render, shown, told
from .steps import ModelCall, OpenStep, Place, StepMaker

_NO_ANSWER = "The model ended without an answer. Ask again, in other words, or ask another model."
_ENDS_WITHOUT_ANSWER: dict[EndReason, str] = {
    "length": (
        "The model ended without an answer: what it wrote until then used up the tokens that it may write. Allow "
        "more (`max_tokens` in the model's `generate_cfg`)."
    ),
    "content_filter": (
        "The model ended without an answer: a filter on its server took it away. Say it in other words."
    ),
    "error": "The model ended without an answer: its server reported an error. Ask again.",
}
_ENDS_IN_ANSWER: dict[EndReason, str] = {
    "length": (
        "The answer was cut short: the model may write no more tokens. Ask it to go on, or allow longer answers "
        "(`max_tokens` in the model's `generate_cfg`)."
    ),
    "content_filter": (
        "The answer was cut short: a filter on the model's server took the rest away. Say it in other words."
    ),
    "error": "The answer was cut short: the model's server reported an error. What came before is above. Ask again.",
}


class Watch:
    """One run, watched.

    Args:
        agent: The `qwen_agent.Agent` that is asked.
        name: How to call it.
        run: The run's context.
        max_iterations: How many model calls the run may make.
        emit: Takes the steps.
    """

    def __init__(
        self, agent: Any, name: str, run: RunContext, max_iterations: int, emit: Callable[[Step], None]
    ) -> None:
        self._agent = agent
        self._name = name
        self._run = run
        self._max_iterations = max_iterations
        self._maker = StepMaker(emit, run.run_id or secrets.token_hex(4))
        self._connections = ModelConnections(self._count, self._note_end)
        self._iteration = 0
        self._asking: ModelCall | None = None
        self._end: EndReason | None = None
        """Why the newest model call ended before it was complete."""
        self._in_vain: tuple[Any, int] | None = None
        """Who was answered with nothing, and how many messages that agent had then."""
        self._answer: OpenStep | None = None
        """The newest text at top level that no other step has followed."""
        self._announced: list[tuple[Any, OpenStep]] = []
        self._open_tools: list[_ToolRun] = []
        self._steering: list[tuple[Any, int, str]] = []
        self._unwatched: ModelCall | None = None
        self._ended: Exception | None = None

    # The run ------------------------------------------------------------------------------------------------------

    def work(self, messages: list[Any]) -> None:
        """Ask the agent, and show what it does, until it has answered.

        Raises:
            Stopped: The run was asked to stop.
            MaxIterationsReached: It needed more model calls than it may make.
            AgentError: There is no answer.
        """
        response: list[Any] = []
        try:
            with self._run.on_stop(self._connections.stop), self._installed():
                responses = self._agent.run(messages)
                try:
                    for response in responses:
                        if self._run.stopping:
                            break
                        self._saw(response)
                finally:
                    with contextlib.suppress(AttributeError):  # an iterator that is no generator
                        responses.close()
        except Exception as error:
            # Whatever a closed connection led to; and an agent may have dressed up the reason why it had to end.
            if self._run.stopping:
                raise Stopped from error
            if self._ended is not None:
                raise self._ended from error
            raise
        self._check()
        self._finish(response)

    def _saw(self, response: list[Any]) -> None:
        """Show a response of an agent that does not call its model the usual way."""
        if self._iteration or not response:
            return
        if self._unwatched is None:
            self._unwatched = ModelCall(self._maker, Place(self._name, 1, None), lambda _: None)
        self._unwatched.update(response)

    def _finish(self, response: list[Any]) -> None:
        """Show the answer, given the agent's last response.

        Raises:
            MaxIterationsReached: The agent gave up after a tool call.
            AgentError: There is no answer.
        """
        if self._unwatched is not None and not self._iteration:
            self._answer = self._unwatched.finish()
        last = response[-1] if response else None
        text, output = _answer_of(last)
        if self._answer is not None:
            shown = str(self._answer.step["content"]).strip()
            if not text.strip() or (shown and text.strip().endswith(shown)):
                self._answer.close("failed" if self._end else "done")
                if self._end:
                    raise AgentError(_ENDS_IN_ANSWER[self._end])
                return
            self._settle()
        if text.strip() or output:
            answer = self._maker.open("final_answer", self._place(self._agent, None))
            answer.step["content"] = text
            if output:
                answer.step["output"] = output
            answer.close()
        elif last is not None and last["role"] == "function":
            raise MaxIterationsReached(self._iteration)
        else:
            raise AgentError(_ENDS_WITHOUT_ANSWER[self._end] if self._end else _NO_ANSWER)

    @contextlib.contextmanager
    def _installed(self) -> Iterator[None]:
        agents = _agents_in(self._agent)
        models = {id(llm): llm for agent in agents if (llm := getattr(agent, "llm", None)) is not None}
        with contextlib.ExitStack() as stack:
            stack.callback(self._connections.close)
            stack.enter_context(call_limit_lifted())
            stack.enter_context(used_by(self))
            for agent in agents:
                stack.enter_context(hooked(agent, "_call_llm", self, partial(self._call_llm, agent)))
                stack.enter_context(hooked(agent, "_call_tool", self, partial(self._call_tool, agent)))
            for llm in models.values():
                for seam in model_seams(llm, self._connections):
                    stack.enter_context(hooked(seam.target, seam.name, self, seam.handler))
            yield

    def _check(self) -> None:
        if self._run.stopping:
            raise Stopped
        if self._ended is not None:
            raise self._ended

    # Model calls --------------------------------------------------------------------------------------------------

    def _call_llm(self, agent: Any, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._check()
        if self._iteration >= self._max_iterations:
            self._ended = MaxIterationsReached(self._max_iterations)
            raise self._ended
        parent_id = self._parent_of(agent)
        if parent_id is None:
            self._settle()
        self._announced = [entry for entry in self._announced if entry[0] is not agent]
        args, kwargs = self._steer(agent, args, kwargs)
        asked = (agent, len(args[0] if args else kwargs["messages"]))
        if asked == self._in_vain:  # Qwen-Agent would ask the same again, as often as it may
            self._ended = AgentError(_ENDS_WITHOUT_ANSWER[self._end] if self._end else _NO_ANSWER)
            raise self._ended
        self._iteration += 1
        call = self._asking = ModelCall(
            self._maker,
            self._place(agent, parent_id),
            lambda use: self._announced.append((agent, use)),
            react=_writes_react(agent),
        )
        self._in_vain = asked
        result = original(*args, **kwargs)
        if isinstance(result, list):  # not streamed
            call.update(result)
            self._end_call(call)
            return result
        return self._stream(call, result)

    def _stream(self, call: ModelCall, responses: Iterable[list[Any]]) -> Iterator[list[Any]]:
        try:
            for response in responses:
                call.update(response)
                yield response
        except GeneratorExit:  # the agent has read enough
            if not self._run.stopping:
                self._end_call(call)
            raise
        self._end_call(call)

    def _end_call(self, call: ModelCall) -> None:
        answer = call.finish()
        self._end = call.end
        if call.said_something:
            self._in_vain = None
        if answer is not None:
            self._settle()
            self._answer = answer

    def _settle(self) -> None:
        """Something follows the text that might have been the answer: it was a thought."""
        answer, self._answer = self._answer, None
        if answer is None and self._unwatched is not None:
            answer, self._unwatched = self._unwatched.finish(), None
        if answer is not None:
            answer.step["type"] = "thought"
            answer.close()

    def _steer(
        self, agent: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Put what the person said meanwhile where it was said, in this and all later calls of the agent."""
        in_args = bool(args)
        messages = args[0] if in_args else kwargs["messages"]
        self._steering += [(agent, len(messages), text) for text in self._run.steering()]
        mine = [(at, text) for known, at, text in self._steering if known is agent]
        if not mine:
            return args, kwargs
        from qwen_agent.llm.schema import USER, Message  # noqa: PLC0415 (heavy)

        messages = list(messages)
        for at, text in reversed(mine):
            messages.insert(at, Message(role=USER, content=text))
        return ((messages, *args[1:]), kwargs) if in_args else (args, {**kwargs, "messages": messages})

    def _count(self, usage: Usage) -> None:
        if self._asking is not None:
            self._asking.usage = usage

    def _note_end(self, end: EndReason | None) -> None:
        if self._asking is not None:
            self._asking.end = end

    # Tool calls ---------------------------------------------------------------------------------------------------

    def _call_tool(
        self, agent: Any, original: Callable[..., Any], tool_name: str, tool_args: Any = "{}", *args: Any, **kwargs: Any
    ) -> Any:
        self._check()
        parent_id = self._parent_of(agent)
        if parent_id is None:
            self._settle()
        use = self._use_of(agent, tool_name, tool_args, parent_id)
        result = self._maker.open("tool_result", self._place(agent, parent_id))
        result.step["tool"] = ToolCall(name=tool_name, call_id=use.step["tool"].get("call_id", ""))
        tools = getattr(agent, "function_map", {})
        run = _ToolRun(agent, result)
        result.emit()
        self._open_tools.append(run)
        try:
            with self._run.capturing(run.show_output), run.observed(tools.get(tool_name), self):
                value = original(tool_name, tool_args, *args, **kwargs)
        except Exception as error:
            self._end_tool(run, error, tool_args)
            raise
        finally:
            self._open_tools.remove(run)
        if run.error is None and tool_name not in tools:
            run.error = AgentError(_unknown_tool(tool_name, tools))
        run.value = value if run.value is None else run.value
        self._end_tool(run, run.error, tool_args)
        return redact(value) if run.error is not None and isinstance(value, str) else value

    def _end_tool(self, run: _ToolRun, error: BaseException | None, arguments: Any) -> None:
        """Close the step of a tool call; or end the run, if that is why the tool came back."""
        self._check()
        step = run.result.step
        if isinstance(error, Stopped | MaxIterationsReached):
            raise error  # Qwen-Agent would make an ordinary result of it
        if error is not None:
            step["content"] = _why_failed(error, arguments)
            run.result.close("failed")
            return
        if not isinstance(run.value, str):
            self._run.keep(run.value, step["id"])
        step["content"], output = shown(told(run.value) if run.told is None else run.told)
        if output:
            step["output"] = put_together(step.get("output", {}), output)
        run.result.close()

    def _use_of(self, agent: Any, name: str, arguments: Any, parent_id: str | None) -> OpenStep:
        """The `tool_use` of a call: announced by the model, or made now if the agent read it out of a text."""
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)
        mine = [entry for entry in self._announced if entry[0] is agent and entry[1].step["tool"]["name"] == name]
        for entry in mine:
            if entry[1].step["tool"].get("arguments") == text:
                mine.insert(0, entry)
                break
        if mine:
            self._announced.remove(mine[0])
            return mine[0][1]
        use = self._maker.open("tool_use", self._place(agent, parent_id))
        use.step["tool"] = ToolCall(name=name, arguments=text, call_id=self._maker.call_id())
        use.close()
        return use

    def _parent_of(self, agent: Any) -> str | None:
        """The tool call within which `agent` works. An agent that was handed the conversation works at top level."""
        runs = (run for run in reversed(self._open_tools) if run.agent is not agent)
        enclosing = next(runs, None)
        return None if enclosing is None else enclosing.result.step["id"]

    def _place(self, agent: Any, parent_id: str | None) -> Place:
        name = self._name if agent is self._agent else getattr(agent, "name", None) or type(agent).__name__
        return Place(name, max(self._iteration, 1), parent_id)


_tool_run: ContextVar[_ToolRun | None] = ContextVar("reasoning_widget_tool_run", default=None)


class _ToolRun:
    """A tool at work."""

    def __init__(self, agent: Any, result: OpenStep) -> None:
        self.agent = agent
        self.result = result
        self.value: Any = None
        self.told: Any = None
        """What the model is told of it."""
        self.error: BaseException | None = None

    def show_output(self, bundle: dict[str, Any]) -> None:
        """Show what the tool has printed and displayed until now."""
        self.result.step["output"] = bundle
        self.result.emit()

    @contextlib.contextmanager
    def observed(self, tool: Any, watch: Watch) -> Iterator[None]:
        """Within the block, note what `tool.call` returns or raises: Qwen-Agent makes text of both."""
        if tool is None:
            yield
            return
        token = _tool_run.set(self)
        try:
            with hooked(tool, "call", watch, _observe):
                yield
        finally:
            _tool_run.reset(token)


def _observe(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    run = _tool_run.get()
    if run is None:
        return original(*args, **kwargs)
    try:
        run.value = original(*args, **kwargs)
    except BaseException as error:
        run.error = error
        raise
    run.error = None
    run.told = told(run.value)
    return run.told


def _agents_in(agent: Any) -> list[Any]:
    """`agent` and the agents that it, or one of its tools, holds in an attribute, and so on."""
    from qwen_agent import Agent  # noqa: PLC0415 (heavy)

    found: list[Any] = []
    look_at = [agent]
    while look_at:
        holder = look_at.pop(0)
        if isinstance(holder, Agent):
            if any(holder is known for known in found):
                continue
            found.append(holder)
            tools = list(getattr(holder, "function_map", {}).values())
            look_at += [value for tool in tools for value in _held_by(tool) if isinstance(value, Agent)]
        look_at += [value for value in _held_by(holder) if isinstance(value, Agent)]
    return found


def _held_by(holder: Any) -> Iterator[Any]:
    for value in list(getattr(holder, "__dict__", {}).values()):
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list | tuple):
            yield from value
        else:
            yield value


def _writes_react(agent: Any) -> bool:
    from qwen_agent.agents import ReActChat  # noqa: PLC0415 (heavy)

    return isinstance(agent, ReActChat)


def _answer_of(message: Any) -> tuple[str, dict[str, Any] | None]:
    if message is None or message["role"] != "assistant" or message.get("function_call"):
        return "", None
    text, output = render(message["content"])
    return split_thoughts(text).text, output


def _unknown_tool(name: str, tools: dict[str, Any]) -> str:
    known = f"The agent has {', '.join(f'`{tool}`' for tool in tools)}." if tools else "The agent has no tools."
    return f"The model called `{name}`, and there is no such tool. {known}"


def _why_failed(error: BaseException, arguments: Any) -> str:
    if isinstance(error, AgentError):
        return redact(str(error))
    text = redact(f"{type(error).__name__}: {error}".removesuffix(": "))
    if isinstance(arguments, str) and not _is_json(arguments):
        text += (
            "\n\nThe arguments are not valid JSON, so the tool could not read them. The model is told and may try "
            "again; if it keeps failing, use a model that is better at calling tools."
        )
    return text


def _is_json(text: str) -> bool:
    from qwen_agent.utils.utils import json_loads  # noqa: PLC0415 (heavy, and what its tools read their arguments with)

    try:
        json_loads(text)
    except Exception:  # noqa: BLE001 (each of its parsers has errors of its own)
        return False
    return True
