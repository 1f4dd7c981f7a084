"""Observe the tool calls of a watched run, and emit steps for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...compat.carried import Ends
from ...compat.pyplot import looks_of
from ...compat.qwen.methods import AGENT_METHODS, CALL, CALL_TOOL, TOOL_METHODS
from ...protocol import ToolCall
from ..errors import redact
from ..exceptions import AgentError, MaxIterationsReached, Stopped
from . import hooks
from .hooks import Call
from .mcp_servers import failure_for_model
from .results import for_model, text_and_outputs, without_surrogates
from .steps import OWN_CALL_PREFIX, OpenStep
from .watched_run import WatchedRun
from .work import ToolRun, Worker


class ToolCalls:
    """The tool calls of one run.

    Args:
        run: The run.
    """

    def __init__(self, run: WatchedRun) -> None:
        self._run = run

    def handlers(self) -> Mapping[str, hooks.Handler]:
        """Return the functions that are called in place of the methods, by the methods' names."""
        return {CALL_TOOL: self._call_tool, CALL: self._call}

    def _call_tool(self, call: Call, tool_name: str, tool_args: Any = "{}", *args: Any, **kwargs: Any) -> Any:
        """Handle an agent's call of one of its tools by name."""
        tools = getattr(call.target, "function_map", {})
        tool = tools.get(tool_name)
        self._run.observe(tool, CALL)
        run = self._begin(call, tool_name, tool_args, tool)
        try:
            with self._run.context.capturing(run.show_outputs):
                value = call(tool_name, tool_args, *args, **kwargs)
        except Ends:
            raise
        except BaseException as error:
            self._end(run, error, tool_args)
            raise
        if run.error is None and tool_name not in tools:
            run.error = AgentError(_unknown_tool(tool_name, tools))
        run.value = value if run.value is None else run.value
        self._end(run, run.error, tool_args)
        if not isinstance(value, str):
            return value
        return without_surrogates(failure_for_model(run.error, value) if run.error is not None else value)

    def _call(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        """Handle a call of a tool, by `_call_tool`, by an agent directly, or by another tool."""
        self._run.check()
        caller = next(
            (each for each in call.stack() if each is not call and each.name in AGENT_METHODS | TOOL_METHODS), None
        )
        if caller is not None and caller.name in TOOL_METHODS:
            run = next(each.note for each in caller.stack() if isinstance(each.note, ToolRun))
            if caller.name == CALL_TOOL and run.tool is call.target:
                run.observe(lambda: call(*args, **kwargs))
                run.model_value = for_model(run.value)
                return run.model_value
            return call(*args, **kwargs)  # a tool's use of other tools has no steps of its own
        arguments = args[0] if args else next(iter(kwargs.values()), "{}")
        name = getattr(call.target, "name", None) or type(call.target).__name__
        run = self._begin(call, name, arguments, call.target)
        try:
            with self._run.context.capturing(run.show_outputs):
                value = run.observe(lambda: call(*args, **kwargs))
        except Ends:
            raise
        except BaseException as error:
            self._end(run, error, arguments)
            raise
        self._end(run, None, arguments)
        return value

    def _begin(self, call: Call, name: str, arguments: Any, tool: Any) -> ToolRun:
        run = self._run
        run.check()
        worker = run.worker(call)
        if worker.parent_id is None:
            run.begin_at_top_level()
            run.candidates.step_follows()
        use = self._use_of(worker, name, arguments, OWN_CALL_PREFIX if call.name == CALL else "")
        result = run.maker.open("tool_result", run.place(worker, use.step["iteration"]))
        result.step["tool"] = ToolCall(name=name, call_id=use.step["tool"].get("call_id", ""))
        tool_run = call.note = ToolRun(tool, result, truncated=run.end_reasons.get(use.step["id"]) == "length")
        result.emit()
        return tool_run

    def _end(self, run: ToolRun, error: BaseException | None, arguments: Any) -> None:
        """Close the step of a tool call.

        Raises:
            Ends: The run has to end, perhaps because the tool raised `Stopped` or `MaxIterationsReached`.
        """
        self._run.check()
        step = run.result.step
        if isinstance(error, Stopped | MaxIterationsReached):
            raise self._run.end_with(error)  # Qwen-Agent would convert it to an ordinary result
        if error is not None:
            step["content"] = _why_failed(error, arguments, truncated=run.truncated)
            run.result.close("failed")
            return
        if not isinstance(run.value, str):
            self._run.context.keep(run.value, step["id"])
        step["content"], outputs = text_and_outputs(
            for_model(run.value) if run.model_value is None else run.model_value
        )
        displayed = step.get("outputs", [])
        looks = {look for bundle in displayed for look in looks_of(bundle)}
        # A tool may display a figure and also return it.
        if more := [bundle for bundle in outputs if not looks & looks_of(bundle)]:
            step["outputs"] = [*displayed, *more]
        run.result.close()

    def _use_of(self, worker: Worker, name: str, arguments: Any, prefix: str) -> OpenStep:
        """Return the `tool_use` of a call: the model's, or a new one if the agent read the call in a text."""
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)
        announced = self._run.pop_announced(worker.task, name, text)
        if announced is not None:
            return announced
        use = self._run.maker.open("tool_use", self._run.place(worker))
        use.step["tool"] = ToolCall(name=name, arguments=text, call_id=self._run.maker.call_id(prefix))
        use.close()
        return use


def _unknown_tool(name: str, tools: dict[str, Any]) -> str:
    known = f"The agent has {', '.join(f'`{tool}`' for tool in tools)}." if tools else "The agent has no tools."
    return f"The model called `{name}`, but there is no such tool. {known}"


def _why_failed(error: BaseException, arguments: Any, *, truncated: bool) -> str:
    if isinstance(error, AgentError):
        return redact(str(error))
    if type(error).__module__.partition(".")[0] == "jsonschema":  # Qwen-Agent's tools check arguments with it
        return redact(f"The arguments do not fit the tool: {getattr(error, 'message', error)}.")
    text = redact(f"{type(error).__name__}: {error}".removesuffix(": "))
    if not isinstance(arguments, str) or _is_json(arguments):
        return text
    why = (
        "The arguments are not valid JSON, so the tool could not read them. The model is told and may try again; if it "
        "keeps failing, use a model that is better at calling tools."
    )
    if truncated:
        why = (
            "The call was cut short, so the tool could not read its arguments: the model reached its token limit. "
            "Allow longer answers (`max_tokens` in the model's `generate_cfg`)."
        )
    # A parser's error is a ValueError; the position that it names does not help.
    return why if isinstance(error, ValueError) else f"{text}\n\n{why}"


def _is_json(text: str) -> bool:
    from qwen_agent.utils.utils import json_loads  # slow to import; Qwen-Agent's tools read arguments with it

    try:
        json_loads(text)
    except Exception:  # noqa: BLE001 (each parser that it tries has its own exceptions)
        return False
    return True
