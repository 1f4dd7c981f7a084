"""All work of a run is observed, regardless of how its objects are created and in which thread they work."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from qwen_agent import Agent
from qwen_agent.agents import Assistant, FnCallAgent
from qwen_agent.agents import fncall_agent as qwen_fncall_agent
from qwen_agent.llm import get_chat_model
from qwen_agent.llm.base import BaseChatModel
from qwen_agent.llm.oai import TextChatAtOAI
from qwen_agent.llm.schema import ASSISTANT, Message
from qwen_agent.tools.base import BaseTool
from qwen_agent.utils.parallel_executor import parallel_exec

from reasoning_widget.agents.base import RunContext, as_current_run, current_run
from reasoning_widget.agents.exceptions import MaxIterationsReached, Stopped
from reasoning_widget.agents.qwen import QwenAgent, hooks
from tests.agents.qwen.tools import WAIT_S, Tool, in_thread
from tests.scripted_model import HANG, ScriptedModel, call, gate, say

pytestmark = pytest.mark.slow

Steps = list[dict[str, Any]]
CLASSES = (Agent, FnCallAgent, Assistant, BaseChatModel, TextChatAtOAI, BaseTool, Tool, Executor, ThreadPoolExecutor)


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        yield model


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After each test the classes are as before, and no thread has raised an exception."""
    found = {each: dict(vars(each)) for each in CLASSES}
    complaints: list[Any] = []
    hook, threading.excepthook = threading.excepthook, complaints.append
    try:
        yield
        wait_until(lambda: all(dict(vars(each)) == found[each] for each in CLASSES))
    finally:
        threading.excepthook = hook
    assert complaints == []


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        threading.Event().wait(0.005)


def record(agent: Any, prompt: str, max_iterations: int = 20, run: RunContext | None = None) -> Steps:
    """The newest snapshot of each step, in order of appearance, even if the run fails."""
    steps: dict[str, dict[str, Any]] = {}
    with as_current_run(run or RunContext()):
        QwenAgent(agent).run_blocking(prompt, max_iterations, lambda step: steps.__setitem__(step["id"], dict(step)))
    return list(steps.values())


# Ways of creating agents and of running them ----------------------------------------------------------------------


class Expert:
    """Creates the agent that a tool asks, and asks it."""

    def __init__(self, llm: dict[str, Any]) -> None:
        self.llm = llm

    def make(self, kind: type[FnCallAgent] = FnCallAgent) -> Any:
        return kind(llm=self.llm, name="expert", system_message="EXPERT", function_list=[touch_tool()])

    @staticmethod
    def ask(agent: Any) -> str:
        return str(agent.run_nonstream([{"role": "user", "content": "expertise"}])[-1]["content"])


def touch_tool() -> Tool:
    return Tool("touch", lambda: "touched")


Way = Callable[[Expert], Callable[[], str]]
"""How the tool uses the expert."""


def attribute(expert: Expert) -> Callable[[], str]:
    class Holder:
        agent = expert.make()

        def work(self) -> str:
            return expert.ask(self.agent)

    return Holder().work


def closure(expert: Expert) -> Callable[[], str]:
    agent = expert.make()
    return lambda: expert.ask(agent)


def dict_of_dicts(expert: Expert) -> Callable[[], str]:
    box = {"inner": {"agent": expert.make()}}
    return lambda: expert.ask(box["inner"]["agent"])


def made_inside(expert: Expert) -> Callable[[], str]:
    return lambda: expert.ask(expert.make())


def made_of_a_class_made_inside(expert: Expert) -> Callable[[], str]:
    def work() -> str:
        class Late(FnCallAgent):  # type: ignore[misc]
            def _call_tool(self, tool_name: str, tool_args: Any = "{}", **kwargs: Any) -> Any:
                return self.function_map[tool_name].call(tool_args)

        return expert.ask(expert.make(Late))

    return work


class WithoutSuper(FnCallAgent):  # type: ignore[misc]
    """Overrides the observed methods without calling `super()`."""

    def _call_llm(self, messages: Any, functions: Any = None, stream: bool = True, **kwargs: Any) -> Iterator[Any]:
        yield from self.llm.chat(messages=messages, functions=functions, stream=True)

    def _call_tool(self, tool_name: str, tool_args: Any = "{}", **kwargs: Any) -> Any:
        return self.function_map[tool_name].call(tool_args)

    def run(self, messages: Any, **kwargs: Any) -> Iterator[Any]:
        messages = [Message(**message) if isinstance(message, dict) else message for message in messages]
        messages.insert(0, Message(role="system", content=self.system_message))
        yield from self._run(messages=messages, **kwargs)


class WithSuper(FnCallAgent):  # type: ignore[misc]
    """Overrides the observed methods and calls `super()`."""

    def _call_llm(self, *args: Any, **kwargs: Any) -> Any:
        return super()._call_llm(*args, **kwargs)

    def _call_tool(self, *args: Any, **kwargs: Any) -> Any:
        return super()._call_tool(*args, **kwargs)

    def run(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from super().run(*args, **kwargs)

    def _run(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from super()._run(*args, **kwargs)


def without_super(expert: Expert) -> Callable[[], str]:
    agent = expert.make(WithoutSuper)
    return lambda: expert.ask(agent)


def with_super(expert: Expert) -> Callable[[], str]:
    agent = expert.make(WithSuper)
    return lambda: expert.ask(agent)


def own_methods_of_the_object(expert: Expert) -> Callable[[], str]:
    agent = expert.make()
    agent._call_llm = functools.partial(agent._call_llm)
    agent._call_tool = functools.partial(agent._call_tool)
    return lambda: expert.ask(agent)


def made_of_a_class_that_nobody_hears_of(expert: Expert) -> Callable[[], str]:
    class Secretive(FnCallAgent):  # type: ignore[misc]
        def __init_subclass__(cls) -> None:
            """Does not call `super()`."""

    def work() -> str:
        class Late(Secretive):
            def _call_llm(self, messages: Any, functions: Any = None, stream: bool = True, **kwargs: Any) -> Any:
                return self.llm.chat(messages=messages, functions=functions, stream=True)

            def _call_tool(self, tool_name: str, tool_args: Any = "{}", **kwargs: Any) -> Any:
                return self.function_map[tool_name].call(tool_args)

        return expert.ask(expert.make(Late))

    return work


class OwnModel(TextChatAtOAI):  # type: ignore[misc]
    """A model that overrides the observed methods."""

    def chat(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from super().chat(*args, **kwargs)


def in_threads_of_an_event_loop(expert: Expert) -> Callable[[], str]:
    return lambda: asyncio.run(asyncio.to_thread(lambda: expert.ask(expert.make())))


def a_model_of_its_own(expert: Expert) -> Callable[[], str]:
    def work() -> str:
        agent = expert.make()
        agent.llm = OwnModel(expert.llm)
        return expert.ask(agent)

    return work


def thread(expert: Expert) -> Callable[[], str]:
    agent = expert.make()

    def work() -> str:
        said = [""]
        worker = threading.Thread(target=lambda: said.append(expert.ask(agent)))
        worker.start()
        worker.join(WAIT_S)
        return said[-1]

    return work


def thread_of_a_thread(expert: Expert) -> Callable[[], str]:
    inner = thread(expert)

    def work() -> str:
        said = [""]
        worker = threading.Thread(target=lambda: said.append(inner()))
        worker.start()
        worker.join(WAIT_S)
        return said[-1]

    return work


def pool(expert: Expert) -> Callable[[], str]:
    agent = expert.make()

    def work() -> str:
        with ThreadPoolExecutor(1) as executor:
            return executor.submit(expert.ask, agent).result(WAIT_S)

    return work


def pool_that_is_older(expert: Expert) -> Callable[[], str]:
    executor = ThreadPoolExecutor(1)
    executor.submit(len, "warm").result(WAIT_S)
    return lambda: executor.submit(lambda: expert.ask(expert.make())).result(WAIT_S)


def pool_of_another_kind(expert: Expert) -> Callable[[], str]:
    class InThread(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()

            def work() -> None:
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:
                    future.set_exception(error)

            threading.Thread(target=work).start()
            return future

    return lambda: InThread().submit(made_inside(expert)).result(WAIT_S)


def thread_pool(expert: Expert) -> Callable[[], str]:
    def work() -> str:
        with ThreadPool(1) as threads:
            return str(threads.apply_async(made_inside(expert)).get(WAIT_S))

    return work


def in_parallel_exec(expert: Expert) -> Callable[[], str]:
    return lambda: str(parallel_exec(expert.ask, [{"agent": expert.make()}])[0])


def careless(expert: Expert) -> Callable[[], str]:
    """Tries again after any exception."""

    def work() -> str:
        while True:
            try:
                return expert.ask(expert.make())
            except Exception:
                continue

    return work


WAYS: list[Way] = [
    attribute,
    closure,
    dict_of_dicts,
    made_inside,
    made_of_a_class_made_inside,
    without_super,
    with_super,
    own_methods_of_the_object,
    made_of_a_class_that_nobody_hears_of,
    a_model_of_its_own,
    in_threads_of_an_event_loop,
    thread,
    thread_of_a_thread,
    pool,
    pool_that_is_older,
    pool_of_another_kind,
    thread_pool,
    in_parallel_exec,
    careless,
]


def boss(model: ScriptedModel, way: Way) -> FnCallAgent:
    work = way(Expert(model.llm()))
    return FnCallAgent(llm=model.llm(), name="boss", function_list=[Tool("consult", work)])


def shape(steps: Steps) -> list[tuple[Any, ...]]:
    """Each step's type, agent and text, and the tool in whose result it is nested."""
    tools = {step["id"]: step["tool"]["name"] for step in steps if "tool" in step}
    return [
        (step["type"], step["agent"], step["content"], tools[step["parent_id"]] if "parent_id" in step else None)
        for step in steps
    ]


# Agents are observed, limited and stopped -------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_steps_are_nested_in_the_call_that_they_work_for(model: ScriptedModel, way: Way) -> None:
    model.script("question", [[call("consult", {})], "It is so."])
    model.script("expertise", [[call("touch", {})], "So it is."], system="EXPERT")

    steps = record(boss(model, way), "question")

    assert shape(steps) == [
        ("tool_use", "boss", "", None),
        ("tool_result", "boss", "So it is.", None),
        ("tool_use", "expert", "", "consult"),
        ("tool_result", "expert", "touched", "consult"),
        ("thought", "expert", "So it is.", "consult"),
        ("final_answer", "boss", "It is so.", None),
    ]
    assert {step["status"] for step in steps} == {"done"}
    assert [step["iteration"] for step in steps] == [1, 1, 2, 2, 3, 4]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limit", [1, 4])
def test_model_calls_are_counted(model: ScriptedModel, way: Way, limit: int) -> None:
    model.script("question", [[call("consult", {})], "It is so."])
    model.script("expertise", [[call("touch", {})]], system="EXPERT")

    with pytest.raises(MaxIterationsReached, match=f"{limit} model calls"):
        record(boss(model, way), "question", limit)

    assert len(model.requests) == limit


@pytest.mark.parametrize("way", WAYS)
def test_more_calls_than_qwen_agent_allows_are_possible(model: ScriptedModel, way: Way) -> None:
    limit = qwen_fncall_agent.MAX_LLM_CALL_PER_RUN
    model.script("question", [[call("consult", {})], "It is so."])
    model.script("expertise", [*[[call("touch", {})]] * (limit + 1), "So it is."], system="EXPERT")

    steps = record(boss(model, way), "question", limit + 4)

    assert steps[-1]["content"] == "It is so."
    assert len(model.requests) == limit + 4


@pytest.mark.parametrize("way", WAYS)
def test_stop_reaches_an_agent_whose_model_is_silent(model: ScriptedModel, way: Way) -> None:
    model.script("question", [[call("consult", {})], "never said"])
    model.script("expertise", [[HANG]], system="EXPERT")
    run = RunContext()

    with in_thread(lambda: record(boss(model, way), "question", run=run)) as outcome:
        request = model.wait_for_request(2)
        run.request_stop()

    assert isinstance(outcome[0], Stopped)
    assert request.closed_by_client.wait(WAIT_S)
    assert len(model.requests) == 2


@pytest.mark.parametrize("way", WAYS)
def test_stop_reaches_an_agent_whose_model_is_answering(model: ScriptedModel, way: Way) -> None:
    model.script("question", [[call("consult", {})], "never said"])
    model.script("expertise", [[say("So"), gate("never"), say(" it is.")]], system="EXPERT")
    run = RunContext()

    with in_thread(lambda: record(boss(model, way), "question", run=run)) as outcome:
        model.wait_at("never")
        run.request_stop()

    assert isinstance(outcome[0], Stopped)
    assert len(model.requests) == 2


@pytest.mark.parametrize("way", WAYS)
def test_two_runs_of_one_object_do_not_mix(model: ScriptedModel, way: Way) -> None:
    for name in ("first", "second"):
        model.script(name, [[call("consult", {})], f"The {name}."])
    model.script("expertise", [[gate("both"), call("touch", {})], "So it is."], system="EXPERT")
    agents = [boss(model, way)] * 2
    if way is pool_that_is_older:  # it has one thread
        agents = [boss(model, way), boss(model, way)]

    with (
        in_thread(lambda: record(agents[0], "first")) as first,
        in_thread(lambda: record(agents[1], "second")) as other,
    ):
        model.wait_at("both")
        model.wait_at("both")
        model.open("both")

    for (steps,), name in ((first, "first"), (other, "second")):
        assert shape(steps) == [
            ("tool_use", "boss", "", None),
            ("tool_result", "boss", "So it is.", None),
            ("tool_use", "expert", "", "consult"),
            ("tool_result", "expert", "touched", "consult"),
            ("thought", "expert", "So it is.", "consult"),
            ("final_answer", "boss", f"The {name}.", None),
        ]


@pytest.mark.parametrize("way", WAYS)
def test_stopping_one_of_two_runs_does_not_stop_the_other(model: ScriptedModel, way: Way) -> None:
    for name in ("first", "second"):
        model.script(name, [[call("consult", {})], f"The {name}."])
    model.script("expertise", [[gate("both"), say("So it is.")]], system="EXPERT")
    agents = [boss(model, way), boss(model, way)] if way is pool_that_is_older else [boss(model, way)] * 2
    run = RunContext()

    with in_thread(lambda: record(agents[0], "first", run=run)) as first:
        model.wait_at("both")
        with in_thread(lambda: record(agents[1], "second")) as other:
            model.wait_at("both")
            run.request_stop()
            wait_until(lambda: bool(first))
            model.open("both")

    assert isinstance(first[0], Stopped)
    assert shape(other[0])[-1] == ("final_answer", "boss", "The second.", None)


# What continues, and what does not --------------------------------------------------------------------------------


def test_parallel_experts_share_one_limit_of_model_calls(model: ScriptedModel) -> None:
    model.script("question", [[call("consult", {})], "It is so."])
    model.script("expertise", [[call("touch", {})]], system="EXPERT")
    expert = Expert(model.llm())

    def consult() -> str:
        return ", ".join(parallel_exec(expert.ask, [{"agent": expert.make()} for _ in range(3)]))

    agent = FnCallAgent(llm=model.llm(), function_list=[Tool("consult", consult)])
    with pytest.raises(MaxIterationsReached):
        record(agent, "question", 8)

    assert 4 <= len(model.requests) <= 8  # a request that had not been sent when the run ended is never sent


def test_a_pool_that_outlives_the_run_keeps_no_reference_to_it(model: ScriptedModel) -> None:
    model.script("question", [[call("consult", {})]])
    model.script("expertise", ["So it is."], system="EXPERT")
    expert = Expert(model.llm())
    executor = ThreadPoolExecutor(1)
    agent = FnCallAgent(
        llm=model.llm(),
        function_list=[Tool("consult", lambda: executor.submit(made_inside(expert)).result(WAIT_S))],
    )
    with pytest.raises(MaxIterationsReached):
        record(agent, "question", 3)

    assert executor.submit(lambda: expert.ask(expert.make())).result(WAIT_S) == "So it is."
    assert executor.submit(lambda: current_run().run_id).result(WAIT_S) == ""
    executor.shutdown()


def test_after_stop_a_thread_can_call_no_model_and_no_tool(model: ScriptedModel) -> None:
    model.script("question", [[call("begin", {})], [HANG]])
    expert, go_on, touched, done = Expert(model.llm()), threading.Event(), [], threading.Event()
    tool = Tool("late", lambda: touched.append("late"))

    def late() -> None:
        try:
            go_on.wait(WAIT_S)
            for attempt in (lambda: tool.call("{}"), lambda: expert.ask(expert.make())):
                with contextlib.suppress(Exception):
                    attempt()
        finally:
            done.set()

    def begin() -> str:
        threading.Thread(target=late).start()
        return "begun"

    agent = FnCallAgent(llm=model.llm(), function_list=[Tool("begin", begin)])
    run = RunContext()
    with in_thread(lambda: record(agent, "question", run=run)) as outcome:
        model.wait_for_request(2)
        run.request_stop()
    assert isinstance(outcome[0], Stopped)
    go_on.set()

    assert done.wait(WAIT_S)
    assert touched == []
    assert len(model.requests) == 2


def test_work_after_the_answer_is_not_observed(model: ScriptedModel) -> None:
    model.script("question", [[call("begin", {})], "Begun."])
    model.script("expertise", ["So it is."], system="EXPERT")
    expert, go_on, said, done = Expert(model.llm()), threading.Event(), [], threading.Event()

    def late() -> None:
        go_on.wait(WAIT_S)
        said.append(expert.ask(expert.make()))
        done.set()

    def begin() -> str:
        threading.Thread(target=late).start()
        return "begun"

    agent = FnCallAgent(llm=model.llm(), function_list=[Tool("begin", begin)])
    steps = record(agent, "question", 2)
    go_on.set()

    assert done.wait(WAIT_S)
    assert said == ["So it is."]
    assert steps[-1]["content"] == "Begun."


def test_a_thread_may_read_its_model_to_the_end_after_the_answer(model: ScriptedModel) -> None:
    model.script("question", [[call("begin", {})], "Begun."])
    model.script("expertise", [[say("So"), gate("later"), say(" it is.")]], system="EXPERT")
    expert, said = Expert(model.llm()), []

    def begin() -> str:
        threading.Thread(target=lambda: said.append(expert.ask(expert.make()))).start()
        model.wait_at("later")
        return "begun"

    record(FnCallAgent(llm=model.llm(), function_list=[Tool("begin", begin)]), "question")
    model.open("later")

    wait_until(lambda: said == ["So it is."])


def test_an_agent_outside_the_run_is_not_affected(model: ScriptedModel) -> None:
    limit = qwen_fncall_agent.MAX_LLM_CALL_PER_RUN
    model.script("watched", [[gate("watched"), say("done")]])
    model.script("bare", [[call("touch", {})]])
    agent = FnCallAgent(llm=model.llm(), function_list=[touch_tool()])

    with in_thread(lambda: record(agent, "watched", 1)) as outcome:
        model.wait_at("watched")
        *_, response = agent.run([{"role": "user", "content": "bare"}])
        model.open("watched")

    assert response[-1]["role"] == "function"
    assert len(model.requests) == limit + 1
    assert shape(outcome[0]) == [("final_answer", "FnCallAgent", "done", None)]


def test_a_model_called_without_an_agent_is_counted_and_shown(model: ScriptedModel) -> None:
    model.script("question", [[call("consult", {})], "It is so."])
    model.script("expertise", ["So it is."])
    llm = get_chat_model(model.llm())

    def consult() -> str:
        *_, response = llm.chat([{"role": "user", "content": "expertise"}])
        return str(response[-1]["content"] + llm.quick_chat("expertise"))

    agent = FnCallAgent(llm=model.llm(), name="boss", function_list=[Tool("consult", consult)])

    assert shape(record(agent, "question"))[2:] == [
        ("thought", "boss", "So it is.", "consult"),
        ("thought", "boss", "So it is.", "consult"),
        ("final_answer", "boss", "It is so.", None),
    ]
    with pytest.raises(MaxIterationsReached):
        record(agent, "question", 2)


def test_the_answer_of_a_model_that_yields_deltas_is_shown_whole(model: ScriptedModel) -> None:
    class Plain(Agent):  # type: ignore[misc]
        def _run(self, messages: Any, **kwargs: Any) -> Iterator[Any]:
            text = ""
            for response in self.llm.chat(messages, stream=True, delta_stream=True):
                text += response[-1].content
                yield [Message(role=ASSISTANT, content=text)]

    model.script("question", ["one two three"])

    assert shape(record(Plain(llm=model.llm(), name="plain"), "question")) == [
        ("final_answer", "plain", "one two three", None)
    ]


def test_each_request_of_a_model_for_one_answer_is_counted(model: ScriptedModel) -> None:
    class Patient(TextChatAtOAI):  # type: ignore[misc]
        def chat(self, *args: Any, **kwargs: Any) -> Any:
            for _ in range(2):
                list(super().chat(*args, **kwargs))
            return super().chat(*args, **kwargs)

    model.script("question", ["It is so."])
    agent = FnCallAgent(llm=Patient(model.llm()))

    assert record(agent, "question", 3)[-1]["content"] == "It is so."
    with pytest.raises(MaxIterationsReached):
        record(agent, "question", 2)
    assert len(model.requests) == 5


def test_an_agent_that_answers_in_place_of_its_model_is_counted_and_shown() -> None:
    class Ventriloquist(FnCallAgent):  # type: ignore[misc]
        def __init__(self) -> None:
            Agent.__init__(self, name="doll", function_list=[touch_tool()])

        def _call_llm(self, messages: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
            call = {"name": "touch", "arguments": "{}"}
            if messages[-1].role == "user":
                yield [Message(role=ASSISTANT, content="", function_call=call, extra={})]
            else:
                yield [Message(role=ASSISTANT, content="Touch")]
                yield [Message(role=ASSISTANT, content="Touched it.")]

    assert shape(record(Ventriloquist(), "question")) == [
        ("tool_use", "doll", "", None),
        ("tool_result", "doll", "touched", None),
        ("final_answer", "doll", "Touched it.", None),
    ]
    with pytest.raises(MaxIterationsReached):
        record(Ventriloquist(), "question", 1)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_is_not_observed(model: ScriptedModel) -> None:
    def fork() -> str:
        reader, writer = os.pipe()
        process = os.fork()
        if process == 0:
            os.write(writer, b"watched" if hooks.in_use() else b"by itself")
            os._exit(0)
        os.waitpid(process, 0)
        return os.read(reader, 20).decode() + (" and watched here" if hooks.in_use() else "")

    model.script("question", [[call("fork", {})], "Forked."])

    steps = record(FnCallAgent(llm=model.llm(), function_list=[Tool("fork", fork)]), "question")

    assert steps[1]["content"] == "by itself and watched here"


def test_signatures_of_methods_do_not_change_during_a_run(model: ScriptedModel) -> None:
    seen: list[Any] = []
    found = {name: (inspect.signature(getattr(Agent, name)), getattr(Agent, name)) for name in ("run", "_call_tool")}

    def look() -> str:
        for name, (signature, function) in found.items():
            method = getattr(Agent, name)
            seen.append((inspect.signature(method) == signature, inspect.unwrap(method) is function))
        return "seen"

    model.script("question", [[call("look", {})], "Seen."])
    record(FnCallAgent(llm=model.llm(), function_list=[Tool("look", look)]), "question")

    assert seen == [(True, True)] * 2


def test_objects_are_unchanged_after_a_run(model: ScriptedModel) -> None:
    model.script("question", [[call("consult", {})], "It is so."])
    model.script("expertise", [[call("touch", {})], "So it is."], system="EXPERT")
    expert = Expert(model.llm())
    inner = expert.make()
    inner._call_llm = inner._call_llm
    inner.function_map["touch"].call = inner.function_map["touch"].call
    agent = FnCallAgent(llm=model.llm(), function_list=[Tool("consult", lambda: expert.ask(inner))])
    objects = [inner, inner.llm, inner.function_map["touch"], agent, agent.llm, agent.function_map["consult"]]
    found = [dict(vars(each)) for each in objects]

    steps = record(agent, "question")

    assert [dict(vars(each)) for each in objects] == found
    assert [kind for kind, *_ in shape(steps)].count("tool_result") == 2


def test_objects_of_a_run_can_be_garbage_collected(model: ScriptedModel) -> None:
    model.script("question", [[call("consult", {})], "It is so."])
    model.script("expertise", ["So it is."], system="EXPERT")
    expert, made = Expert(model.llm()), []

    def consult() -> str:
        agent = expert.make()
        made.append(weakref.ref(agent))
        return expert.ask(agent)

    record(FnCallAgent(llm=model.llm(), function_list=[Tool("consult", consult)]), "question")
    gc.collect()

    assert made[0]() is None
