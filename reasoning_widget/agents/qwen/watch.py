"""Watch a run of a Qwen-Agent agent from inside.

What an agent yields tells neither when a tool starts nor whether it failed, and nothing of the agents that it makes
itself. So the watch stands around every agent, model and tool that works for the run, wherever it was made and in
whichever thread it works; and leaves all of them as they were.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ...compat.carried import Ends
from ...compat.pyplot import looks_of
from ...protocol import MimeBundle, Step, ToolCall, Usage
from ..base import RunContext, run_carried
from ..errors import redact
from ..exceptions import AgentError, MaxIterationsReached, Stopped
from . import hooks, people
from .candidates import Candidates
from .chunks import EndReason
from .connections import ModelConnections
from .hooks import Call
from .limits import with_limit
from .marks import split_thoughts
from .mcp_servers import told_of_failure
from .model_seams import model_seams
from .points import AGENT, TOOL, patches, reached_by_its_class
from .reported import Reported, field
from .results import render, sendable, shown, told
from .steps import OWN_CALL, ModelCall, OpenStep, Place, StepMaker

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


SEAM = "seam"


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
        self._take = emit
        self._maker = StepMaker(self._emit, run.run_id or secrets.token_hex(4))
        self._connections = ModelConnections(self._count, self._note_end)
        self._lock = threading.RLock()
        self._hooks = contextlib.ExitStack()
        self._known: dict[tuple[int, str], Any] = {}
        """Objects with a method of their own that is looked at. They are kept: so are their ids."""
        self._models: dict[int, Any] = {}
        self._seams: dict[tuple[int, str], Callable[..., Any]] = {}
        """What steps in where models ask their servers."""
        self._iteration = 0
        self._in_vain: list[tuple[Any, str]] = []
        """Whose models have answered nothing, and what they were given."""
        self._announced: list[tuple[Any, OpenStep]] = []
        """Tool calls that models have asked for, and who is to make them."""
        self._steering: list[tuple[Any, int, str]] = []
        self._response: list[Any] = []
        self._shown: dict[str, Step] = {}
        self._candidates = Candidates(lambda: _answer_of(self._response[-1] if self._response else None)[0])
        self._reported = Reported(
            self._maker,
            lambda: list(self._shown.values()),
            self._place_of_message,
            self._candidates,
            self._announce_own,
        )
        self._at_work = 0
        """How many threads and calls work for the run beside its own thread."""
        self._ends: dict[str, EndReason] = {}
        """Why model calls ended before they were complete, by the ids of their steps."""
        self._end: EndReason | None = None
        """Why the newest one did."""
        self._ended: Exception | None = None
        """Why the run had to end."""
        self._over = False
        self._failed = False
        self._task: Any = agent
        """What the agent that was asked is at work on."""

    # The run ------------------------------------------------------------------------------------------------------

    def work(self, messages: list[Any]) -> None:
        """Ask the agent, and show what it does, until it has answered.

        Raises:
            Stopped: The run was asked to stop.
            MaxIterationsReached: It needed more model calls than it may make.
            AgentError: There is no answer.
        """
        try:
            with self._run.on_stop(self._connections.stop), self._watching():
                self._listen(self._agent.run(messages))
                self.check()
                self._finish()
        except (Exception, Ends) as error:
            # Whatever a closed connection led to; and an agent may have dressed up the reason why it had to end.
            if self._run.stopping and not isinstance(error, Stopped):
                raise Stopped from error
            if self._ended is not None and error is not self._ended:
                raise self._ended from error
            if isinstance(error, Ends):
                raise error.reason from error
            raise

    def _listen(self, responses: Iterable[list[Any]]) -> None:
        try:
            for response in responses:
                if self._run.stopping:
                    break
                self._response = response
                self._candidates.heard()
                if not self._candidates.awaited:
                    self._reported.heard(response)
        finally:
            close = getattr(responses, "close", None)  # there is none if it is no generator
            if close is not None:
                close()

    def _finish(self) -> None:
        """Show the answer, given the agent's last response.

        Raises:
            MaxIterationsReached: The agent gave up after a tool call.
            AgentError: There is no answer.
        """
        self._reported.finish(self._response, but_last=True)
        last = self._response[-1] if self._response else None
        text, outputs = _answer_of(last)
        chosen = self._candidates.choose(text, self._reported.was_seen)
        if chosen is not None:
            end = self._ends.get(chosen.step["id"])
            chosen.close("failed" if end else "done")
            if end:
                raise AgentError(_ENDS_IN_ANSWER[end])
        elif text.strip() or outputs:
            answer = self._maker.open("final_answer", Place(self._name, max(self._iteration, 1), None))
            answer.step["content"] = text
            if outputs:
                answer.step["outputs"] = outputs
            answer.close()
        elif field(last, "role") == "function":
            raise MaxIterationsReached(self._iteration)
        else:
            raise self._no_answer()

    def _no_answer(self) -> AgentError:
        return AgentError(_ENDS_WITHOUT_ANSWER[self._end] if self._end else _NO_ANSWER)

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        self._hooks.callback(self._connections.close)
        self._hooks.enter_context(run_carried())
        self._hooks.enter_context(hooks.watching(self, patches))
        try:
            with hooks.root_of(self):
                yield
        except BaseException as error:
            self._leave(error)
            raise
        self._leave(None)

    def _leave(self, error: BaseException | None) -> None:
        """The run is over. What it has started may go on unseen if it has answered, and has to end if it failed."""
        with self._lock:
            self._over = True
            self._failed = error is not None
            stay = self._refuses and self._at_work > 0
        if error is not None:
            self._connections.stop()
        if not stay:
            self._hooks.close()

    @property
    def _refuses(self) -> bool:
        return self._run.stopping or self._failed or self._ended is not None

    def check(self) -> None:
        """See `Watcher`."""
        if self._refuses:
            raise Ends(self._ended or Stopped())

    def _emit(self, step: Step) -> None:
        with self._lock:
            if self._over:
                return
            if "parent_id" not in step:
                self._shown[step["id"]] = step
            try:
                self._take(step)
            except Stopped as stopped:
                self._ended = self._ended or stopped
                raise Ends(stopped) from None

    def _something_follows(self) -> None:
        """Something begins at top level: what the agent has yielded until now is complete."""
        if not self._candidates.awaited:
            self._reported.finish(self._response)

    def _announce_own(self, use: OpenStep) -> None:
        """The agent that was asked reports a tool call itself: it may make it now."""
        self._announced.append((self._task, use))

    # For the hooks ------------------------------------------------------------------------------------------------

    def handlers(self) -> Mapping[str, hooks.Handler]:
        """See `Watcher`."""
        return {
            "run": self._run_agent,
            "_run": self._run_unlimited,
            "_select_agent": self._select_agent,
            "_call_llm": self._call_llm,
            "chat": self._chat,
            SEAM: self._step_in,
            "_call_tool": self._call_tool,
            "call": self._call,
        }

    def passed_on(self, call: Call) -> None:
        """See `Watcher`."""
        self.check()
        if call.name == "_run":
            self._lift(call)
        elif call.name == "chat" and call.outer is not None and call.outer.passed > 1:
            self._spend()  # it asks once more

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """See `Watcher`."""
        with self._lock:
            if self._over and not self._at_work:
                self.check()  # nobody would see what it does
            counts = not self._over or self._refuses
            self._at_work += counts
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= counts
                leave = counts and self._over and self._refuses and not self._at_work
            if leave:
                self._hooks.close()

    def _look_at(self, target: Any, *names: str) -> None:
        """Look at what an object itself has, too, until the run is over."""
        for name in names:
            if target is not None and not reached_by_its_class(target, name):
                self._hook(target, name, name)

    def _hook(self, target: Any, name: str, handler: str) -> None:
        with self._lock:
            if not self._over and (id(target), name) not in self._known:
                self._known[id(target), name] = target
                with contextlib.suppress(AttributeError, TypeError):  # it takes no attributes
                    self._hooks.enter_context(hooks.own_method(target, name, handler))

    def _worker(self, call: Call) -> _Worker:
        """Who works there: the innermost agent, and the tool call that it works for."""
        agent, task, parent_id = None, None, None
        for each in call.around():
            if isinstance(each.note, _ToolRun):
                parent_id = each.note.result.step["id"]
                break
            if each.name in AGENT:
                agent = each.target if agent is None else agent
                task = each if task is None and each.name == "run" and each.target is agent else task
        if agent is None:  # a tool asks a model itself: it does so for the agent that has called it
            agent = next((each.target for each in call.around() if each.name in AGENT), self._agent)
        return _Worker(agent, agent if task is None else task, parent_id)

    def _place(self, worker: _Worker, iteration: int | None = None) -> Place:
        agent = worker.agent
        name = self._name if agent is self._agent else getattr(agent, "name", None) or type(agent).__name__
        return Place(name, iteration or max(self._iteration, 1), worker.parent_id)

    def _place_of_message(self, message: Any) -> Place:
        name = field(message, "name") if field(message, "role") == "assistant" else None
        own = name is None or name == getattr(self._agent, "name", None)
        return Place(self._name if own else str(name), max(self._iteration, 1), None)

    # Agents -------------------------------------------------------------------------------------------------------

    def _run_agent(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        self.check()
        self._look_at(call.target, "_call_llm", "_call_tool")
        self._look_at(getattr(call.target, "llm", None), "chat")
        if call.target is self._agent and self._task is self._agent:
            self._task = call
        return self._hear_person(call) if people.is_person(call.target) else call(*args, **kwargs)

    def _hear_person(self, call: Call) -> Iterator[list[Any]]:
        """It is a person's turn to speak."""
        from qwen_agent.llm.schema import USER, Message

        worker = self._worker(call)
        text = self._wait_for_person(lambda: people.words_of(self._run, call.target.name))
        said = self._maker.open("thought" if worker.parent_id else "final_answer", self._place(worker))
        said.step["content"] = text
        if worker.parent_id:
            said.close()
        elif text.strip():
            self._something_follows()
            said.emit()
            self._candidates.add(said)
        yield [Message(role=USER, content=text, name=call.target.name)]

    def _select_agent(
        self, call: Call, messages: Any, mentioned_agents_name: list[str] | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """A group needs to know who is to speak next."""
        group = call.target
        if getattr(group, "agent_selection_method", "") == "manual" and not mentioned_agents_name:
            return self._wait_for_person(lambda: people.next_speaker(self._run, group.agents))
        return call(messages, mentioned_agents_name, *args, **kwargs)

    def _wait_for_person(self, ask: Callable[[], Any]) -> Any:
        self.check()
        try:
            return ask()
        except (Stopped, AgentError) as error:
            with self._lock:
                self._ended = self._ended or error
            raise Ends(error) from None

    def _run_unlimited(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        self._lift(call)
        return call.by_itself(*args, **kwargs)

    def _lift(self, call: Call) -> None:
        """Qwen-Agent's own limit ends an agent silently: the run's comes before it."""
        if call.function is not None:
            call.function = with_limit(call.function, self._max_iterations + 1)

    # Model calls --------------------------------------------------------------------------------------------------

    def _spend(self) -> int:
        """The number of a model call that is about to be made.

        Raises:
            Ends: It is one too many.
        """
        with self._lock:
            self.check()
            if self._iteration >= self._max_iterations:
                self._ended = MaxIterationsReached(self._max_iterations)
                raise Ends(self._ended)
            self._iteration += 1
            return self._iteration

    def _call_llm(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        """An agent asks its model; or does in place of it what nobody sees."""
        asking = call.note = self._ask(call, args, kwargs)
        args, kwargs = self._steer(asking, args, kwargs)
        result = self._try(lambda: call(*args, **kwargs))
        if asking.is_heard:
            return result
        if isinstance(result, Iterator):
            return self._stream_unheard(asking, result)
        asking.is_heard = True
        return self._hear(asking, self._model_call(asking), result)

    def _chat(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        """A model is asked: by an agent, or by code of any other kind."""
        self._step_into(call.target)
        outer = next((each.note for each in call.around() if isinstance(each.note, _Asking | _ToolRun)), None)
        if isinstance(outer, _Asking) and not outer.is_heard:
            asking = outer
        else:
            asking = self._ask(call, args, kwargs)
            args, kwargs = self._steer(asking, args, kwargs)
        asking.is_heard = True
        model_call = call.note = self._model_call(asking)
        result = self._try(lambda: call(*args, **kwargs), model_call)
        if isinstance(result, Iterator):
            whole = _Whole() if _in_deltas(call, args, kwargs) else None
            return self._stream(asking, model_call, result, whole)
        return self._hear(asking, model_call, result)

    def _ask(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Asking:
        """A model is about to be asked.

        Raises:
            Ends: It may not be asked any more; or has been, in vain: Qwen-Agent would ask the same as often as it may.
        """
        worker = self._worker(call)
        messages = args[0] if args else kwargs.get("messages", [])
        with self._lock:
            self.check()
            if any(who is worker.task and given == repr(messages) for who, given in self._in_vain):
                self._ended = self._no_answer()
                raise Ends(self._ended)
            number = self._spend()
            self._announced = [entry for entry in self._announced if entry[0] is not worker.task]
        return _Asking(worker, number, messages)

    def _model_call(self, asking: _Asking) -> ModelCall:
        worker = asking.worker
        call = ModelCall(
            self._maker,
            self._place(worker, asking.number),
            lambda use: self._announced.append((worker.task, use)),
            react=_writes_react(worker.agent),
        )
        if worker.parent_id is None:
            self._something_follows()
            self._candidates.begin(call)
        return call

    def _hear(self, asking: _Asking, call: ModelCall, answer: Any) -> Any:
        """The whole answer has come at once."""
        if isinstance(answer, list):
            call.update(answer)
        self._end_call(asking, call)
        return answer

    @hooks.within_calls
    def _stream(
        self, asking: _Asking, call: ModelCall, responses: Iterator[list[Any]], whole: _Whole | None
    ) -> Iterator[list[Any]]:
        try:
            for response in responses:
                call.update(response if whole is None else whole.with_delta(response))
                if self._run.stopping:
                    self.check()
                yield response
        except GeneratorExit:  # the agent has read enough
            self._end_call(asking, call)
            raise
        except BaseException as error:
            self._break_off(call, error)
            raise
        self._end_call(asking, call)

    def _stream_unheard(self, asking: _Asking, responses: Iterator[list[Any]]) -> Iterator[list[Any]]:
        """What an agent says in place of a model; or a model, which it asks as soon as somebody listens."""
        for response in responses:
            if not asking.is_heard:
                asking.is_heard = True
                call = self._model_call(asking)
                call.update(response)
                yield response
                yield from self._stream(asking, call, responses, None)
                return
            yield response

    def _try(self, work: Callable[[], Any], call: ModelCall | None = None) -> Any:
        try:
            return work()
        except BaseException as error:
            self._break_off(call, error)
            raise

    def _break_off(self, call: ModelCall | None, error: BaseException) -> None:
        """A model call has failed.

        Raises:
            Ends: It was broken off because the run ends.
        """
        if call is not None:
            self._candidates.give_up(call)
        if isinstance(error, Exception):
            self.check()

    def _end_call(self, asking: _Asking, call: ModelCall) -> None:
        if self._refuses:
            self._candidates.give_up(call)
            return
        said = call.finish()
        self._end = call.end
        if call.end is not None:
            self._ends |= dict.fromkeys(call.step_ids, call.end)
        if not call.said_something:
            with self._lock:
                self._in_vain.append((asking.worker.task, repr(asking.messages)))
        if asking.worker.parent_id is None:
            self._reported.model_wrote(call.texts)
            self._candidates.end(call, said)

    def _steer(
        self, asking: _Asking, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Put what the person said meanwhile where it was said, in this and all later calls of the agent."""
        in_args = bool(args)
        messages = args[0] if in_args else kwargs.get("messages", [])
        with self._lock:
            self._steering += [(asking.worker.task, len(messages), text) for text in self._run.steering()]
            mine = [(at, text) for known, at, text in self._steering if known is asking.worker.task]
        if not mine:
            return args, kwargs
        from qwen_agent.llm.schema import USER, Message

        messages = list(messages)
        for at, text in reversed(mine):
            messages.insert(at, Message(role=USER, content=text))
        return ((messages, *args[1:]), kwargs) if in_args else (args, {**kwargs, "messages": messages})

    def _step_into(self, llm: Any) -> None:
        """Step in where the model asks its server, and where it reads the answer, until the run is over."""
        with self._lock:
            if self._over or id(llm) in self._models:
                return
            self._models[id(llm)] = llm
            for seam in model_seams(llm, self._connections):
                self._seams[id(seam.target), seam.name] = seam.handler
                self._hook(seam.target, seam.name, SEAM)

    def _step_in(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        self.check()
        return self._seams[id(call.target), call.name](call.found, *args, **kwargs)

    def _count(self, usage: Usage) -> None:
        call = self._answering()
        if call is not None:
            call.usage = usage

    def _note_end(self, end: EndReason | None) -> None:
        call = self._answering()
        if call is not None:
            call.end = end

    @staticmethod
    def _answering() -> ModelCall | None:
        """The model call whose answer is read here."""
        call = hooks.innermost()
        calls = call.around() if call is not None else ()
        return next((each.note for each in calls if isinstance(each.note, ModelCall)), None)

    # Tool calls ---------------------------------------------------------------------------------------------------

    def _call_tool(self, call: Call, tool_name: str, tool_args: Any = "{}", *args: Any, **kwargs: Any) -> Any:
        """An agent has a tool called."""
        tools = getattr(call.target, "function_map", {})
        tool = tools.get(tool_name)
        self._look_at(tool, "call")
        run = self._begin_tool(call, tool_name, tool_args, tool)
        try:
            with self._run.capturing(run.show_outputs):
                value = call(tool_name, tool_args, *args, **kwargs)
        except Ends:
            raise
        except BaseException as error:
            self._end_tool(run, error, tool_args)
            raise
        if run.error is None and tool_name not in tools:
            run.error = AgentError(_unknown_tool(tool_name, tools))
        run.value = value if run.value is None else run.value
        self._end_tool(run, run.error, tool_args)
        if not isinstance(value, str):
            return value
        return sendable(told_of_failure(run.error, value) if run.error is not None else value)

    def _call(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        """A tool is called: by what calls tools for an agent, by the agent itself, or by another tool."""
        self.check()
        caller = next((each for each in call.around() if each is not call and each.name in AGENT | TOOL), None)
        if caller is not None and caller.name in TOOL:
            run = next(each.note for each in caller.around() if isinstance(each.note, _ToolRun))
            if caller.name == "_call_tool" and run.tool is call.target:
                run.observe(lambda: call(*args, **kwargs))
                run.told = told(run.value)
                return run.told
            return call(*args, **kwargs)  # how a tool does its work is its own business
        arguments = args[0] if args else next(iter(kwargs.values()), "{}")
        name = getattr(call.target, "name", None) or type(call.target).__name__
        run = self._begin_tool(call, name, arguments, call.target)
        try:
            with self._run.capturing(run.show_outputs):
                value = run.observe(lambda: call(*args, **kwargs))
        except Ends:
            raise
        except BaseException as error:
            self._end_tool(run, error, arguments)
            raise
        self._end_tool(run, None, arguments)
        return value

    def _begin_tool(self, call: Call, name: str, arguments: Any, tool: Any) -> _ToolRun:
        self.check()
        worker = self._worker(call)
        if worker.parent_id is None:
            self._something_follows()
            self._candidates.something_follows()
        use = self._use_of(worker, name, arguments, OWN_CALL if call.name == "call" else "")
        result = self._maker.open("tool_result", self._place(worker, use.step["iteration"]))
        result.step["tool"] = ToolCall(name=name, call_id=use.step["tool"].get("call_id", ""))
        run = call.note = _ToolRun(tool, result, cut=self._ends.get(use.step["id"]) == "length")
        result.emit()
        return run

    def _end_tool(self, run: _ToolRun, error: BaseException | None, arguments: Any) -> None:
        """Close the step of a tool call; or end the run, if that is why the tool came back."""
        self.check()
        step = run.result.step
        if isinstance(error, Stopped | MaxIterationsReached):
            self._ended = error
            raise Ends(error)  # Qwen-Agent would make an ordinary result of it
        if error is not None:
            step["content"] = _why_failed(error, arguments, cut=run.cut)
            run.result.close("failed")
            return
        if not isinstance(run.value, str):
            self._run.keep(run.value, step["id"])
        step["content"], outputs = shown(told(run.value) if run.told is None else run.told)
        displayed = step.get("outputs", [])
        looks = {look for bundle in displayed for look in looks_of(bundle)}
        # A figure may be displayed, and then returned, too.
        if more := [bundle for bundle in outputs if not looks & looks_of(bundle)]:
            step["outputs"] = [*displayed, *more]
        run.result.close()

    def _use_of(self, worker: _Worker, name: str, arguments: Any, prefix: str) -> OpenStep:
        """The `tool_use` of a call: announced by the model, or made now if the agent read it out of a text."""
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)
        with self._lock:
            mine = [entry for entry in self._announced if entry[0] is worker.task]
            mine = [entry for entry in mine if entry[1].step["tool"]["name"] == name]
            same = (entry for entry in mine if entry[1].step["tool"].get("arguments") == text)
            chosen = next(same, mine[0] if mine else None)
            if chosen is not None:
                self._announced.remove(chosen)
                return chosen[1]
        use = self._maker.open("tool_use", self._place(worker))
        use.step["tool"] = ToolCall(name=name, arguments=text, call_id=self._maker.call_id(prefix))
        use.close()
        return use


class _Worker(NamedTuple):
    """An agent at work."""

    agent: Any
    task: Any
    """What it is at work on: one agent may work in several threads at once."""
    parent_id: str | None
    """The tool call that it works for. An agent that was handed the conversation works at top level."""


class _Asking:
    """A model call that was counted."""

    def __init__(self, worker: _Worker, number: int, messages: Any) -> None:
        self.worker = worker
        self.number = number
        self.messages = messages
        self.is_heard = False
        """What comes of it is shown, by whoever answers."""


class _ToolRun:
    """A tool at work."""

    def __init__(self, tool: Any, result: OpenStep, *, cut: bool) -> None:
        self.tool = tool
        self.result = result
        self.cut = cut
        """The model broke off in the middle of its call."""
        self.value: Any = None
        self.told: Any = None
        """What the model is told of it."""
        self.error: BaseException | None = None

    def show_outputs(self, outputs: list[MimeBundle]) -> None:
        """Show what the tool has printed and displayed until now."""
        self.result.step["outputs"] = outputs
        self.result.emit()

    def observe(self, call: Callable[[], Any]) -> Any:
        """Call the tool, and note what it returns or raises: Qwen-Agent makes text of both."""
        try:
            self.value = call()
        except BaseException as error:
            self.error = error
            raise
        self.error = None
        return self.value


class _Whole:
    """All that was said until now, where a model yields only what is new."""

    def __init__(self) -> None:
        self._texts = {"content": "", "reasoning_content": ""}

    def with_delta(self, messages: list[Any]) -> list[dict[str, Any]]:
        """The messages that say what was said until now, and in `messages`."""
        for message in messages:
            for name in self._texts:
                self._texts[name] += render(field(message, name) or "")[0]
        return [{"role": "assistant", "function_call": None, **self._texts}]


def _in_deltas(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a model was asked to yield only what is new."""
    if "delta_stream" in kwargs or not args:
        return bool(kwargs.get("delta_stream"))
    assert call.function is not None  # noqa: S101 (for the type checker)
    with contextlib.suppress(TypeError):
        return bool(inspect.signature(call.function).bind(call.target, *args, **kwargs).arguments.get("delta_stream"))
    return False


def _writes_react(agent: Any) -> bool:
    from qwen_agent.agents import ReActChat

    return isinstance(agent, ReActChat)


def _answer_of(message: Any) -> tuple[str, list[MimeBundle]]:
    if message is None or message["role"] not in {"assistant", "user"} or message.get("function_call"):
        return "", []
    text, outputs = render(message["content"])
    return split_thoughts(text).text, outputs


def _unknown_tool(name: str, tools: dict[str, Any]) -> str:
    known = f"The agent has {', '.join(f'`{tool}`' for tool in tools)}." if tools else "The agent has no tools."
    return f"The model called `{name}`, and there is no such tool. {known}"


def _why_failed(error: BaseException, arguments: Any, *, cut: bool) -> str:
    if isinstance(error, AgentError):
        return redact(str(error))
    if type(error).__module__.partition(".")[0] == "jsonschema":  # with which Qwen-Agent's tools check them
        return redact(f"The arguments do not fit the tool: {getattr(error, 'message', error)}.")
    text = redact(f"{type(error).__name__}: {error}".removesuffix(": "))
    if not isinstance(arguments, str) or _is_json(arguments):
        return text
    why = (
        "The arguments are not valid JSON, so the tool could not read them. The model is told and may try again; if it "
        "keeps failing, use a model that is better at calling tools."
    )
    if cut:
        why = (
            "The call was cut short, so the tool could not read its arguments: the model may write no more tokens. "
            "Allow longer answers (`max_tokens` in the model's `generate_cfg`)."
        )
    # Parsers' errors are errors of values: what they say of a place in the text helps nobody.
    return why if isinstance(error, ValueError) else f"{text}\n\n{why}"


def _is_json(text: str) -> bool:
    from qwen_agent.utils.utils import json_loads  # heavy, and what its tools read their arguments with

    try:
        json_loads(text)
    except Exception:  # noqa: BLE001 (each of its parsers has errors of its own)
        return False
    return True
