"""Qwen-Agent objects with a scripted model, over HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from qwen_agent import Agent
from qwen_agent.agents import Assistant, FnCallAgent, GroupChat, ReActChat, Router
from qwen_agent.agents import fncall_agent as qwen_fncall_agent
from qwen_agent.llm.base import ModelServiceError
from qwen_agent.llm.schema import ASSISTANT, ContentItem, Message
from qwen_agent.tools.base import BaseTool

from reasoning_widget.agents.base import RunContext, as_current_run
from reasoning_widget.agents.exceptions import AgentError, MaxIterationsReached, Stopped
from reasoning_widget.agents.qwen import QwenAgent
from reasoning_widget.protocol import MimeBundle
from tests.agents.qwen.tools import WAIT_S, Tool, in_thread
from tests.scripted_model import BREAK, HANG, ScriptedModel, call, fail, gate, say, think

Steps = list[dict[str, Any]]


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        yield model


def add_tool() -> Tool:
    return Tool("add", lambda a=0, b=0: str(a + b))


def record(agent: QwenAgent, prompt: str, max_iterations: int = 20, run: RunContext | None = None) -> Steps:
    """Every snapshot of each step, as emitted."""
    steps: Steps = []
    with as_current_run(run or RunContext()):
        agent.run_blocking(prompt, max_iterations, lambda step: steps.append(dict(step)))
    return steps


def last(steps: Steps) -> Steps:
    """The newest snapshot of each step, in order of appearance."""
    return list({step["id"]: step for step in steps}.values())


def told(steps: Steps) -> list[tuple[str, str]]:
    return [(step["type"], step["content"]) for step in last(steps)]


# Steps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("native", [False, True])
def test_steps_are_in_the_order_of_the_agents_work(model: ScriptedModel, native: bool) -> None:
    script = [think("I must add."), say("Let me see."), call("add", {"a": 1, "b": 2})]
    model.script("sum", [script, [think("Got it."), say("It is 3.")]])
    agent = QwenAgent(FnCallAgent(llm=model.llm(use_raw_api=native), function_list=[add_tool()]))

    steps = record(agent, "the sum?")

    assert told(steps) == [
        ("thought", "I must add."),
        ("thought", "Let me see."),
        ("tool_use", ""),
        ("tool_result", "3"),
        ("thought", "Got it."),
        ("final_answer", "It is 3."),
    ]
    assert [step["iteration"] for step in last(steps)] == [1, 1, 1, 1, 2, 2]
    assert all(step["status"] == "done" and step["duration"] >= 0 for step in last(steps))
    assert json.loads(last(steps)[2]["tool"]["arguments"]) == {"a": 1, "b": 2}


def test_an_answer_grows_word_by_word(model: ScriptedModel) -> None:
    model.script("hello", ["one two three four"])

    steps = record(QwenAgent(FnCallAgent(llm=model.llm())), "hello")

    texts = [step["content"] for step in steps]
    assert {"one", "one two", "one two three", "one two three four"} <= set(texts)
    assert texts == sorted(texts, key=len)
    assert {step["id"] for step in steps} == {steps[0]["id"]}
    assert [step["status"] for step in steps[:-1]] == ["streaming"] * (len(steps) - 1)


@pytest.mark.parametrize("native", [False, True])
def test_arguments_grow_before_the_tool_starts(model: ScriptedModel, native: bool) -> None:
    model.script("sum", [[call("add", {"a": 1, "b": 2})], "3"])
    agent = QwenAgent(FnCallAgent(llm=model.llm(use_raw_api=native), function_list=[add_tool()]))

    steps = record(agent, "the sum?")

    opened = next(i for i, step in enumerate(steps) if step["type"] == "tool_result")
    before = [step for step in steps[:opened] if step["type"] == "tool_use"]
    assert len({step["tool"]["arguments"] for step in before}) > 2
    assert before[-1]["status"] == "done"


def test_text_before_a_tool_call_becomes_a_thought_under_the_same_id(model: ScriptedModel) -> None:
    model.script("sum", [[say("Let me see."), call("add", {"a": 1})], "1"])

    steps = record(QwenAgent(FnCallAgent(llm=model.llm(), function_list=[add_tool()])), "the sum?")

    history = [(step["type"], step["status"]) for step in steps if step["id"] == steps[0]["id"]]
    assert history[0] == ("final_answer", "streaming")
    assert history[-1] == ("thought", "done")


def test_the_start_of_a_tool_call_is_never_shown_as_text(model: ScriptedModel) -> None:
    model.script("sum", [[say(["<", "tool", "_call", '>\n{"name": "add", "arguments": {"a": 4}}\n</tool_call>'])], "4"])

    steps = record(QwenAgent(FnCallAgent(llm=model.llm(), function_list=[add_tool()])), "the sum?")

    assert [kind for kind, _ in told(steps)] == ["tool_use", "tool_result", "final_answer"]


def test_text_that_the_model_withdraws_is_removed(model: ScriptedModel) -> None:
    model.script("hello", [[say(["All is well.", " STO", "P and more"])]])

    steps = record(QwenAgent(FnCallAgent(llm=model.llm(stop=["STOP"]))), "hello")

    texts = [step["content"] for step in steps]
    assert "All is well. STO" in texts
    assert texts[-1].rstrip() == "All is well."


def test_a_thought_within_the_text_is_a_thought(model: ScriptedModel) -> None:
    model.script("hello", ["<think>\nHm, a greeting.\n</think>\n\nGood day."])

    assert told(record(QwenAgent(FnCallAgent(llm=model.llm())), "hello")) == [
        ("thought", "Hm, a greeting."),
        ("final_answer", "Good day."),
    ]


@pytest.mark.parametrize("native", [False, True])
def test_parallel_calls_are_separate_steps(model: ScriptedModel, native: bool) -> None:
    calls = [call("add", {"a": n, "b": 1}, "1") if not native else call("add", {"a": n, "b": 1}) for n in (1, 2, 3)]
    model.script("sums", [calls, "done"])
    agent = QwenAgent(FnCallAgent(llm=model.llm(use_raw_api=native), function_list=[add_tool()]))

    steps = last(record(agent, "the sums?"))

    uses = {s["tool"]["call_id"]: json.loads(s["tool"]["arguments"])["a"] for s in steps if s["type"] == "tool_use"}
    results = {s["tool"]["call_id"]: s["content"] for s in steps if s["type"] == "tool_result"}
    assert len(uses) == 3
    assert {uses[call_id]: content for call_id, content in results.items()} == {1: "2", 2: "3", 3: "4"}


def test_tokens_are_counted_if_the_server_counts(model: ScriptedModel) -> None:
    model.script("hello", [[say("Hi."), {"usage": {"prompt_tokens": 11, "completion_tokens": 3}}]])

    steps = record(QwenAgent(FnCallAgent(llm=model.llm())), "hello")

    assert steps[-1]["usage"] == {"input_tokens": 11, "output_tokens": 3}


def test_a_server_that_does_not_count_tokens_is_asked_again(model: ScriptedModel) -> None:
    model.script("hello", [[{"refuse": "stream_options"}, say("Hi.")]])
    agent = QwenAgent(FnCallAgent(llm=model.llm()))

    assert told(record(agent, "hello")) == [("final_answer", "Hi.")]
    assert told(record(agent, "hello")) == [("final_answer", "Hi.")]
    assert ["stream_options" in request.body for request in model.requests] == [True, False, False]


# Tools ------------------------------------------------------------------------------------------------------------


def test_a_result_is_streaming_while_its_tool_works(model: ScriptedModel) -> None:
    steps: Steps = []
    seen: Steps = []

    def look() -> str:
        seen.append(steps[-1])
        return "seen"

    model.script("look", [[call("look", {})], "done"])
    agent = QwenAgent(FnCallAgent(llm=model.llm(), function_list=[Tool("look", look)]))
    with as_current_run(RunContext()):
        agent.run_blocking("look", 20, lambda step: steps.append(dict(step)))

    assert (seen[0]["type"], seen[0]["status"], seen[0]["tool"]["name"]) == ("tool_result", "streaming", "look")
    snapshots = [step["status"] for step in steps if step["id"] == seen[0]["id"]]
    assert snapshots == ["streaming", "done"]


def test_a_tool_that_raises_is_a_failed_step_and_the_model_gets_the_error(model: ScriptedModel) -> None:
    def burn() -> str:
        raise RuntimeError("the oven is on fire")

    model.script("cake", [[call("bake", {})], "Sorry, no cake."])

    steps = last(record(QwenAgent(FnCallAgent(llm=model.llm(), function_list=[Tool("bake", burn)])), "cake"))

    assert (steps[1]["status"], steps[1]["content"]) == ("failed", "RuntimeError: the oven is on fire")
    assert (steps[2]["type"], steps[2]["content"]) == ("final_answer", "Sorry, no cake.")
    assert "the oven is on fire" in json.dumps(model.requests[1].messages)


@pytest.mark.parametrize("dressed", [RuntimeError, AgentError])
def test_a_key_in_a_tools_error_is_masked(model: ScriptedModel, dressed: type[Exception]) -> None:
    def refused() -> str:
        raise dressed("401: Incorrect API key provided: sk-proj-abcDEF123456.")

    model.script("look", [[call("look", {})], "Sorry."])

    steps = last(record(QwenAgent(FnCallAgent(llm=model.llm(), function_list=[Tool("look", refused)])), "look"))

    assert steps[1]["status"] == "failed"
    assert "401: Incorrect API key" in steps[1]["content"]
    assert "abcDEF123456" not in json.dumps(steps)
    given = json.dumps(model.requests[1].messages)
    assert "401: Incorrect API key" in given
    assert "abcDEF123456" not in given


def test_a_call_of_an_unknown_tool_fails_and_names_the_known_ones(model: ScriptedModel) -> None:
    model.script("sum", [[call("subtract", {})], "Sorry."])

    steps = last(record(QwenAgent(FnCallAgent(llm=model.llm(), function_list=[add_tool()])), "the sum?"))

    assert steps[1]["status"] == "failed"
    assert "`subtract`" in steps[1]["content"]
    assert "`add`" in steps[1]["content"]
    assert steps[2]["type"] == "final_answer"


@pytest.mark.parametrize("native", [False, True])
def test_arguments_that_are_not_json_fail_with_advice(model: ScriptedModel, native: bool) -> None:
    model.script("sum", [[call("add", "{'a': 1, oops")], "Sorry."])
    agent = QwenAgent(FnCallAgent(llm=model.llm(use_raw_api=native), function_list=[add_tool()]))

    steps = last(record(agent, "the sum?"))

    assert [step["type"] for step in steps] == ["tool_use", "tool_result", "final_answer"]
    assert steps[1]["status"] == "failed"
    assert "not valid JSON" in steps[1]["content"]


def test_images_and_objects_that_a_tool_returns_are_available(model: ScriptedModel) -> None:
    class Keeper(RunContext):
        kept: list[object] = []

        def keep(self, value: object, step_id: str | None = None) -> None:
            self.kept.append(value)

    pixels = base64.b64encode(b"pixels").decode()
    image = [ContentItem(text="a plot"), ContentItem(image=f"data:image/png;base64,{pixels}")]
    table = {"rows": [1, 2]}
    tools = [Tool("plot", lambda: image), Tool("load", lambda: table)]
    model.script("plot", [[call("plot", {}), call("load", {})], "done"])

    results = [
        step
        for step in last(record(QwenAgent(FnCallAgent(llm=model.llm(), function_list=tools)), "plot", run=Keeper()))
        if step["type"] == "tool_result"
    ]

    assert results[0]["outputs"] == [{"image/png": pixels}]
    assert "a plot" in results[0]["content"]
    assert json.loads(results[1]["content"]) == table
    assert Keeper.kept == [image, table]


def test_what_a_tool_prints_is_shown_while_it_works(model: ScriptedModel) -> None:
    class Capturing(RunContext):
        def capturing(self, on_outputs: Callable[[list[MimeBundle]], None]) -> AbstractContextManager[None]:
            @contextlib.contextmanager
            def captured() -> Iterator[None]:
                on_outputs([{"text/plain": "half"}])
                on_outputs([{"text/plain": "half done"}])
                yield

            return captured()

    model.script("work", [[call("add", {})], "done"])

    steps = record(QwenAgent(FnCallAgent(llm=model.llm(), function_list=[add_tool()])), "work", run=Capturing())

    results = [step for step in steps if step["type"] == "tool_result" and "outputs" in step]
    shown = [(step["status"], step["outputs"][0]["text/plain"]) for step in results]
    assert shown == [("streaming", "half"), ("streaming", "half done"), ("done", "half done")]


# Limits and stopping ----------------------------------------------------------------------------------------------


def test_model_calls_are_limited(model: ScriptedModel) -> None:
    model.script("sum", [[call("add", {"a": 1})]])

    with pytest.raises(MaxIterationsReached, match="3 model calls"):
        record(QwenAgent(FnCallAgent(llm=model.llm(), function_list=[add_tool()])), "the sum?", 3)
    assert len(model.requests) == 3


def test_more_model_calls_than_qwen_agents_own_limit_are_possible(model: ScriptedModel) -> None:
    limit = qwen_fncall_agent.MAX_LLM_CALL_PER_RUN
    model.script("sum", [*[[call("add", {"a": n})] for n in range(limit + 2)], "finally"])

    steps = record(QwenAgent(FnCallAgent(llm=model.llm(), function_list=[add_tool()])), "the sum?", limit + 3)

    assert told(steps)[-1] == ("final_answer", "finally")
    assert type(qwen_fncall_agent.MAX_LLM_CALL_PER_RUN) is int
    assert limit == qwen_fncall_agent.MAX_LLM_CALL_PER_RUN


def test_an_unwatched_agent_keeps_its_own_limit(model: ScriptedModel) -> None:
    limit = qwen_fncall_agent.MAX_LLM_CALL_PER_RUN
    model.script("watched", [[gate("watched"), say("done")]])
    model.script("bare", [[call("add", {"a": 1})]])
    bare = FnCallAgent(llm=model.llm(), function_list=[add_tool()])

    with in_thread(lambda: record(QwenAgent(FnCallAgent(llm=model.llm())), "watched")):
        model.wait_at("watched")
        *_, response = bare.run([{"role": "user", "content": "bare"}])
        model.open("watched")

    assert response[-1]["role"] == "function"
    assert len(model.requests) == limit + 1


def test_an_empty_answer_fails_with_advice(model: ScriptedModel) -> None:
    model.script("hello", [[think("Hm.")]])

    with pytest.raises(AgentError, match="Ask again"):
        record(QwenAgent(FnCallAgent(llm=model.llm())), "hello")


@pytest.mark.parametrize("turns", [[""], [[call("add", {"a": 1})], ""]])
def test_a_model_without_an_answer_is_not_asked_the_same_question_again(model: ScriptedModel, turns: list[Any]) -> None:
    model.script("sum", turns)

    with pytest.raises(AgentError, match="Ask again"):
        record(QwenAgent(FnCallAgent(llm=model.llm(), function_list=[add_tool()])), "the sum?")
    assert len(model.requests) == len(turns)


def test_stop_between_tokens_closes_the_models_response_and_cleans_up(model: ScriptedModel) -> None:
    cleaned_up = threading.Event()

    class Tidy(FnCallAgent):  # type: ignore[misc]
        def _run(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from super()._run(*args, **kwargs)
            finally:
                cleaned_up.set()

    model.script("long", [[say("Once upon a time"), gate("never"), say(" there was")]])
    qwen = Tidy(llm=model.llm())
    found = dict(vars(qwen)), dict(vars(qwen.llm))
    run = RunContext()
    with in_thread(lambda: record(QwenAgent(qwen), "a long story", run=run)) as outcome:
        model.wait_at("never")
        run.request_stop()

    assert isinstance(outcome[0], Stopped)
    assert model.requests[0].closed_by_client.wait(WAIT_S)
    assert cleaned_up.is_set()
    assert (dict(vars(qwen)), dict(vars(qwen.llm))) == found


def test_stop_ends_a_model_that_never_answers(model: ScriptedModel) -> None:
    model.script("hello", [[HANG]])
    run = RunContext()
    with in_thread(lambda: record(QwenAgent(FnCallAgent(llm=model.llm())), "hello", run=run)) as outcome:
        model.wait_for_request()
        run.request_stop()

    assert isinstance(outcome[0], Stopped)
    assert model.requests[0].closed_by_client.wait(WAIT_S)


async def test_stop_during_a_tool_does_not_wait_for_it(model: ScriptedModel) -> None:
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def wait() -> str:
        started.set()
        go_on.wait(WAIT_S)
        ended.set()
        return "late"

    model.script("work", [[call("wait", {})], "never said"])
    qwen = FnCallAgent(llm=model.llm(), function_list=[Tool("wait", wait)])
    found = dict(vars(qwen))
    steps = QwenAgent(qwen).run_with_reasoning_stream("work")
    async for step in steps:
        if step["type"] == "tool_result":
            break
    assert await asyncio.to_thread(started.wait, WAIT_S)

    await steps.aclose()  # type: ignore[attr-defined]

    assert not ended.is_set()
    go_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("agent "):
            await asyncio.to_thread(thread.join, WAIT_S)
    assert len(model.requests) == 1
    assert vars(qwen) == found


def test_a_tool_that_raises_stopped_ends_the_run(model: ScriptedModel) -> None:
    def notice() -> str:
        raise Stopped

    model.script("work", [[call("notice", {})], "never said"])

    with pytest.raises(Stopped):
        record(QwenAgent(FnCallAgent(llm=model.llm(), function_list=[Tool("notice", notice)])), "work")
    assert len(model.requests) == 1


# Other kinds of agents --------------------------------------------------------------------------------------------


def test_the_steps_of_a_react_agent_are_read_from_its_text(model: ScriptedModel) -> None:
    action = 'I should add.\nAction: add\nAction Input: {"a": 1, "b": 2}\n'
    model.script("sum", [action, "I know it now.\nFinal Answer: It is 3."])

    steps = record(QwenAgent(ReActChat(llm=model.llm(), function_list=[add_tool()])), "the sum?")

    assert told(steps) == [
        ("thought", "I should add."),
        ("tool_use", ""),
        ("tool_result", "3"),
        ("thought", "I know it now."),
        ("final_answer", "It is 3."),
    ]
    assert last(steps)[1]["tool"]["arguments"] == '{"a": 1, "b": 2}'


def test_a_router_and_the_agent_it_calls_are_shown_together(model: ScriptedModel) -> None:
    model.script("sum", [[call("add", {"a": 1, "b": 2})], "It is 3."])
    model.script("sum", ["Call: adder\nReply:"], system="adder")
    adder = FnCallAgent(llm=model.llm(), name="adder", description="adds", function_list=[add_tool()])
    router = Router(llm=model.llm(), agents=[adder], name="router")
    found = dict(vars(adder)), dict(vars(router))

    steps = last(record(QwenAgent(router), "the sum?"))

    assert [(s["agent"], s["type"]) for s in steps] == [
        ("router", "thought"),
        ("adder", "tool_use"),
        ("adder", "tool_result"),
        ("adder", "final_answer"),
    ]
    assert steps[-1]["content"] == "It is 3."
    assert (vars(adder), vars(router)) == found


def test_in_a_group_only_the_last_message_is_the_answer(model: ScriptedModel) -> None:
    model.script("topic", ["I say A."], system="anna")
    model.script("I say A.", ["I say B."], system="bert")
    members = [FnCallAgent(llm=model.llm(), name=n, system_message=f"You are {n}") for n in ("anna", "bert")]
    group = GroupChat(agents=members, agent_selection_method="round_robin", name="group")

    class TwoRounds(GroupChat):  # type: ignore[misc]
        def _run(self, messages: Any = None, **kwargs: Any) -> Iterator[Any]:
            result: Iterator[Any] = super()._run(messages=messages, max_round=2, **kwargs)
            return result

    group.__class__ = TwoRounds
    steps = last(record(QwenAgent(group), "topic"))

    assert [(s["agent"], s["type"], s["content"]) for s in steps] == [
        ("anna", "thought", "I say A."),
        ("bert", "final_answer", "I say B."),
    ]


def test_steps_of_an_agent_within_a_tool_are_nested_in_its_result(model: ScriptedModel) -> None:
    class Expert(BaseTool):  # type: ignore[misc]
        name = "expert"
        description = "Asks an expert."
        parameters = {"type": "object", "properties": {}, "required": []}

        def __init__(self, agent: Agent) -> None:
            super().__init__()
            self.agent = agent

        def call(self, params: str, **kwargs: Any) -> str:
            *_, response = self.agent.run([{"role": "user", "content": "expertise"}])
            return str(response[-1]["content"])

    model.script("expertise", [[think("Deep."), say("It is so.")]])
    model.script("question", [[call("expert", {})], "The expert says: it is so."])
    expert = FnCallAgent(llm=model.llm(), name="expert")
    boss = FnCallAgent(llm=model.llm(), name="boss", function_list=[Expert(expert)])

    steps = last(record(QwenAgent(boss), "question"))

    result = next(s for s in steps if s["type"] == "tool_result")
    below = [s for s in steps if "parent_id" in s]
    assert [(s["agent"], s["type"], s["content"], s["parent_id"]) for s in below] == [
        ("expert", "thought", "Deep.", result["id"]),
        ("expert", "thought", "It is so.", result["id"]),
    ]
    assert result["content"] == "It is so."
    assert [s["content"] for s in steps if s["type"] == "final_answer"] == ["The expert says: it is so."]


def test_an_agent_without_a_model_is_shown_by_its_messages() -> None:
    class Echo(Agent):  # type: ignore[misc]
        def _run(self, messages: Any, **kwargs: Any) -> Iterator[list[Message]]:
            for text in ("one", "one two"):
                yield [Message(role=ASSISTANT, content=text)]

    steps = record(QwenAgent(Echo(name="echo")), "hello")

    assert (steps[0]["type"], steps[0]["content"], steps[0]["status"]) == ("final_answer", "one", "streaming")
    assert told(steps) == [("final_answer", "one two")]
    assert steps[-1]["status"] == "done"


def test_an_answer_that_the_agent_changes_is_shown_as_changed(model: ScriptedModel) -> None:
    class Shouting(FnCallAgent):  # type: ignore[misc]
        def _run(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
            for response in super()._run(*args, **kwargs):
                yield [Message(role=ASSISTANT, content=response[-1].content.upper())]

    model.script("hello", ["good day"])

    assert told(record(QwenAgent(Shouting(llm=model.llm())), "hello")) == [
        ("thought", "good day"),
        ("final_answer", "GOOD DAY"),
    ]


def test_two_runs_of_one_agent_object_do_not_mix(model: ScriptedModel) -> None:
    for name in ("first", "second"):
        model.script(name, [[say("This is"), gate(name), say(f" the {name}.")]])
    qwen = FnCallAgent(llm=model.llm())
    found = dict(vars(qwen)), dict(vars(qwen.llm))
    with in_thread(lambda: record(QwenAgent(qwen), "first")) as first:
        model.wait_at("first")
        with in_thread(lambda: record(QwenAgent(qwen), "second")) as second:
            model.wait_at("second")
            model.open("first")
            model.open("second")

    assert told(first[0]) == [("final_answer", "This is the first.")]
    assert told(second[0]) == [("final_answer", "This is the second.")]
    assert (vars(qwen), vars(qwen.llm)) == found


def test_a_method_replaced_by_the_person_is_restored(model: ScriptedModel) -> None:
    model.script("hello", ["Good day."])
    qwen = FnCallAgent(llm=model.llm())
    asked: list[Any] = []
    original = qwen._call_llm

    def own(*args: Any, **kwargs: Any) -> Any:
        asked.append(kwargs)
        return original(*args, **kwargs)

    qwen._call_llm = own
    record(QwenAgent(qwen), "hello")

    assert qwen._call_llm is own
    assert len(asked) == 1


# Input of the model -----------------------------------------------------------------------------------------------


def test_a_follow_up_sees_the_earlier_turns(model: ScriptedModel) -> None:
    run = RunContext(
        history=[
            {"prompt": "Who was Ada?", "answer": "A mathematician.", "steps": []},
            {"prompt": "And Bob?", "answer": "", "steps": []},
        ]
    )

    record(QwenAgent(FnCallAgent(llm=model.llm(), system_message="")), "When was she born?", run=run)

    messages = [(m["role"], m["content"]) for m in model.requests[0].messages if m["role"] != "system"]
    assert messages == [
        ("user", "Who was Ada?"),
        ("assistant", "A mathematician."),
        ("user", "And Bob?"),
        ("assistant", "(no answer)"),
        ("user", "When was she born?"),
    ]


def test_a_steering_message_reaches_the_next_and_all_later_model_calls(model: ScriptedModel) -> None:
    class Steered(RunContext):
        said = [[], ["Use metres."], []]

        def steering(self) -> list[str]:
            return self.said.pop(0)

    model.script("height", [[call("add", {"a": 1})], [call("add", {"a": 2})], "It is high."])

    record(QwenAgent(FnCallAgent(llm=model.llm(), function_list=[add_tool()])), "the height?", run=Steered())

    asked = [[m["content"] for m in r.messages if m["content"] == "Use metres."] for r in model.requests]
    assert asked == [[], ["Use metres."], ["Use metres."]]
    assert model.requests[1].messages[-1]["content"] == "Use metres."
    assert model.requests[2].messages[-1]["content"] != "Use metres."


# Errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "api_key"), (404, "OPENAI_MODEL"), (429, "Wait a moment"), (500, "Ask again"), (400, "did not accept")],
)
def test_an_error_of_the_model_server_is_explained(model: ScriptedModel, status: int, advice: str) -> None:
    model.script("hello", [[fail(status, "No, sk-scripted-secret.")]])
    agent = QwenAgent(FnCallAgent(llm=model.llm()))

    with pytest.raises(ModelServiceError) as caught:
        record(agent, "hello")

    text = agent.explain(caught.value)
    assert str(status) in text
    assert advice in text
    assert "secret" not in text


def test_an_answer_that_breaks_off_is_explained_and_its_text_is_shown(model: ScriptedModel) -> None:
    model.script("hello", [[say("Once upon"), gate("shown"), BREAK]])
    agent = QwenAgent(FnCallAgent(llm=model.llm()))
    steps: Steps = []

    def emit(step: Any) -> None:
        steps.append(dict(step))
        if step["content"] == "Once upon":
            model.open("shown")

    with pytest.raises(AgentError) as caught, as_current_run(RunContext()):
        agent.run_blocking("hello", 20, emit)

    assert "broke off" in agent.explain(caught.value)
    assert told(steps) == [("final_answer", "Once upon")]


def test_an_unreachable_server_is_explained() -> None:
    with socket.socket() as deaf:  # it occupies the port without listening
        deaf.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{deaf.getsockname()[1]}"
        llm = {
            "model": "scripted",
            "model_type": "oai",
            "model_server": f"http://user:hidden@{host}/v1",
            "api_key": "EMPTY",
        }
        agent = QwenAgent(FnCallAgent(llm=llm))

        with pytest.raises(ModelServiceError) as caught:
            record(agent, "hello")

    text = agent.explain(caught.value)
    assert f"http://{host}" in text
    assert "running" in text
    assert "hidden" not in text


# Creation and imports ---------------------------------------------------------------------------------------------


def test_an_agent_may_be_created_when_it_is_first_asked(model: ScriptedModel) -> None:
    model.script("hello", ["Good day."])
    made: list[Any] = []

    def helper() -> Agent:
        made.append(Assistant(llm=model.llm()))
        return made[-1]

    agent = QwenAgent(helper, description="Helps.")
    assert (made, agent.name, agent.description, agent.model_name) == ([], "helper", "Helps.", None)

    assert told(record(agent, "hello")) == [("final_answer", "Good day.")]
    assert agent.agent is made[0]
    assert agent.model_name == "scripted"


def python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{code}"],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )


def test_nothing_heavy_is_imported_before_an_agent_is_used(tmp_path: Path) -> None:
    code = (
        "import reasoning_widget.agents.qwen, reasoning_widget.agents.manager\n"
        "print(sorted({'qwen_agent', 'openai', 'numpy', 'dashscope'} & set(sys.modules)))"
    )
    assert python(code, tmp_path).stdout == "[]\n"


@pytest.mark.slow
def test_a_notebook_keeps_its_signal_handlers_and_its_folder(model: ScriptedModel, tmp_path: Path) -> None:
    model.script("hello", ["Good day."])
    code = f"""
import asyncio, signal
before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
from reasoning_widget.agents.qwen import QwenAgent, import_qwen_agent
import_qwen_agent()
from qwen_agent.agents import Assistant
print(asyncio.run(QwenAgent(Assistant(llm={model.llm()!r})).run("hello")))
print(before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)))
"""
    done = python(code, tmp_path)

    assert done.stdout == "Good day.\nTrue\n"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
