"""The messages that an agent gets with a follow-up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from qwen_agent.agents import Assistant, FnCallAgent, GroupChat, ReActChat, Router
from qwen_agent.agents.memo_assistant import MemoAssistant

from reasoning_widget import ReasoningChat
from reasoning_widget.agents.base import RunContext, as_current_run
from reasoning_widget.agents.qwen import QwenAgent
from tests.agents.qwen.tools import Tool
from tests.scripted_model import ScriptedModel, call, fail, say, think

Messages = list[dict[str, Any]]


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        yield model


@pytest.fixture
def ask() -> Iterator[Callable[..., Any]]:
    """Ask an agent in the same chat each time."""
    chats: dict[int, ReasoningChat] = {}

    def ask(agent: Any, prompt: str, **options: Any) -> Any:
        if id(agent) not in chats:
            chats[id(agent)] = ReasoningChat(agent, save=False)
        return chats[id(agent)].ask(prompt, **options)

    yield ask
    for chat in chats.values():
        chat.close()


def lookup() -> Tool:
    return Tool("lookup", lambda key="": f"{key} is 42")


def last_request(model: ScriptedModel) -> Messages:
    return [message for message in model.requests[-1].messages if message["role"] != "system"]


def text_of(messages: Messages) -> str:
    return json.dumps(messages, ensure_ascii=False)


def paired(messages: Messages) -> list[tuple[str, str]]:
    """The calls and results in `messages`, checked as a strict server would."""
    pairs: list[tuple[str, str]] = []
    waiting: dict[str, str] = {}
    for message in messages:
        if message["role"] == "tool":
            pairs.append((waiting.pop(message.get("tool_call_id") or message["id"]), message["content"]))
            continue
        assert not waiting, "a call without a result"
        for each in message.get("tool_calls", []):
            json.loads(each["function"]["arguments"])
            waiting[each["id"]] = each["function"]["name"]
    assert not waiting, "a call without a result"
    return pairs


@pytest.mark.parametrize("native", [False, True])
def test_a_follow_up_sees_earlier_calls_and_results(
    model: ScriptedModel, ask: Callable[..., Any], native: bool
) -> None:
    model.script("first", [[think("Hm."), call("lookup", {"key": "alpha"})], "The secret answer."])
    model.script("second", ["Yes."])
    agent = FnCallAgent(llm=model.llm(use_raw_api=native), function_list=[lookup()])

    ask(agent, "first")
    ask(agent, "second")

    messages = last_request(model)
    assert "alpha is 42" in text_of(messages)
    assert '\\"alpha\\"' in text_of(messages)
    assert "Hm." not in text_of(messages)
    if native:
        assert paired(messages) == [("lookup", "alpha is 42")]
        assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "user"]
    else:
        roles = [message["role"] for message in messages]
        assert roles == ["user", "assistant", "user", "assistant", "user"]


def test_parallel_calls_are_each_paired_with_their_result(model: ScriptedModel, ask: Callable[..., Any]) -> None:
    both = [call("lookup", {"key": "alpha"}), call("lookup", {"key": "beta"})]
    model.script("first", [both, "Both."])
    agent = FnCallAgent(llm=model.llm(use_raw_api=True), function_list=[lookup()])

    ask(agent, "first")
    ask(agent, "second")

    assert paired(last_request(model)) == [("lookup", "alpha is 42"), ("lookup", "beta is 42")]


def test_the_call_of_a_failed_run_is_in_the_history(model: ScriptedModel, ask: Callable[..., Any]) -> None:
    model.script("first", [[call("lookup", {"key": "alpha"})], [fail(500, "out of order")]])
    agent = FnCallAgent(llm=model.llm(use_raw_api=True), function_list=[lookup()])

    assert ask(agent, "first").status == "failed"
    ask(agent, "second")

    messages = last_request(model)
    assert paired(messages) == [("lookup", "alpha is 42")]
    assert messages[-2]["content"] == "(no answer)"


@pytest.mark.parametrize("written", ["{'key': oops", "", '"alpha"', '{"key": "' + "x" * 200_000 + '"}'])
def test_arguments_of_any_kind_are_sent_as_json(model: ScriptedModel, ask: Callable[..., Any], written: str) -> None:
    model.script("first", [[call("lookup", written)], "Sorry."])
    model.script("second", ["Yes."])
    agent = FnCallAgent(llm=model.llm(use_raw_api=True, max_input_tokens=-1), function_list=[lookup()])

    ask(agent, "first")
    assert ask(agent, "second").text == "Yes."

    for request in model.requests:  # `paired` checks them
        assert len(paired([m for m in request.messages if m["role"] != "system"])) == (request is not model.requests[0])


def test_a_shortened_result_still_belongs_to_its_call(model: ScriptedModel, ask: Callable[..., Any]) -> None:
    long = Tool("long", lambda: "begin " + "word " * 20_000)
    model.script("first", [[call("long", {})], "Read."])
    model.script("second", ["Yes."])
    agent = FnCallAgent(llm=model.llm(use_raw_api=True, max_input_tokens=3000), function_list=[long])

    ask(agent, "first")
    assert ask(agent, "second").text == "Yes."

    for request in model.requests[1:]:
        ((name, result),) = paired([m for m in request.messages if m["role"] != "system"])
        assert name == "long"
        assert len(result) < 20_000


def test_without_tools_earlier_calls_are_described_in_text(model: ScriptedModel) -> None:
    steps = [
        {"type": "tool_use", "agent": "me", "tool": {"name": "lookup", "call_id": "a", "arguments": "{}"}},
        {"type": "tool_result", "agent": "me", "content": "42", "tool": {"name": "lookup", "call_id": "a"}},
    ]
    agent = FnCallAgent(llm=model.llm(use_raw_api=True))
    with as_current_run(RunContext(history=[{"prompt": "first", "answer": "It is 42.", "steps": steps}])):
        QwenAgent(agent, name="me").run_blocking("second", 5, lambda step: None)

    messages = last_request(model)
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[0]["content"] == 'first\n\nThe tool "lookup" was called with: {}\n\nIt returned: 42'


def test_a_stopped_call_is_never_sent_without_a_result(model: ScriptedModel) -> None:
    model.script("second", ["Yes."])
    agent = FnCallAgent(llm=model.llm(use_raw_api=True), function_list=[lookup()])

    def step(kind: str, status: str, call_id: str, parent_id: str | None = None) -> dict[str, Any]:
        tool = {"name": "lookup", "call_id": call_id, "arguments": "{}"}
        made = {"type": kind, "content": "", "status": status, "agent": "me", "tool": tool}
        return made if parent_id is None else {**made, "parent_id": parent_id}

    steps = [
        step("tool_use", "done", "a"),
        step("tool_result", "stopped", "a"),
        step("tool_use", "stopped", "b"),  # the run ended before the tool started
        step("tool_use", "done", "c", "nested"),
        step("tool_result", "done", "c", "nested"),
    ]
    run = RunContext(history=[{"prompt": "first", "answer": "", "steps": steps}])
    with as_current_run(run):
        QwenAgent(agent, name="me").run_blocking("second", 5, lambda step: None)

    assert paired(last_request(model)) == [("lookup", "(no result: the call was stopped)")]


def test_a_conversation_continues_after_stop_during_a_tool(model: ScriptedModel, ask: Callable[..., Any]) -> None:
    from reasoning_widget import current_run

    def stop() -> str:
        current_run().request_stop()
        return "never seen"

    model.script("first", [[call("stop", {})], "never said"])
    model.script("second", ["Yes."])
    agent = FnCallAgent(llm=model.llm(use_raw_api=True), function_list=[Tool("stop", stop)])

    assert ask(agent, "first").status == "stopped"
    assert ask(agent, "second").text == "Yes."
    paired(last_request(model))


def test_a_memo_assistant_gets_its_earlier_memos(model: ScriptedModel, ask: Callable[..., Any]) -> None:
    put = {"operate": "put", "key": "name", "value": "Ada Lovelace"}
    model.script("my name", [[call("storage", put)], "Stored."])
    model.script("who am I", ["You are Ada."])
    agent = MemoAssistant(llm=model.llm())

    ask(agent, "my name is Ada Lovelace")
    ask(agent, "who am I?")

    system = next(m["content"] for m in model.requests[-1].messages if m["role"] == "system")
    assert "name: Ada Lovelace" in system.partition("<info>")[2]


def test_calls_of_a_nested_agent_are_not_in_the_agents_history(model: ScriptedModel, ask: Callable[..., Any]) -> None:
    expert = FnCallAgent(llm=model.llm(), name="expert", system_message="EXPERT", function_list=[lookup()])

    class Expert(Tool):
        def __init__(self) -> None:
            super().__init__(
                "expert", lambda: expert.run_nonstream([{"role": "user", "content": "deep"}])[-1]["content"]
            )
            self.agent = expert

    model.script("first", [[call("expert", {})], "It is 42."])
    model.script("deep", [[call("lookup", {"key": "deep"})], "I found 42."], system="EXPERT")
    agent = FnCallAgent(llm=model.llm(use_raw_api=True), name="boss", function_list=[Expert()])

    ask(agent, "first")
    ask(agent, "second")

    assert paired(last_request(model)) == [("expert", "I found 42.")]


def test_a_react_agent_gets_its_earlier_text_and_observations(model: ScriptedModel, ask: Callable[..., Any]) -> None:
    written = 'I must look.\nAction: lookup\nAction Input: {"key": "alpha"}\n'
    model.script("first", [[say(written)], "I know.\nFinal Answer: It is 42."])
    model.script("second", ["Sure.\nFinal Answer: As before."])
    agent = ReActChat(llm=model.llm(), name="react", function_list=[lookup()])

    assert ask(agent, "first").text == "It is 42."
    assert ask(agent, "second").text == "As before."

    said = next(m["content"] for m in last_request(model) if m["role"] == "assistant")
    assert 'Action: lookup\nAction Input: {"key": "alpha"}\nObservation: alpha is 42' in said
    assert said.endswith("Final Answer: It is 42.")


def test_members_of_a_group_get_the_messages_of_all_members(model: ScriptedModel, ask: Callable[..., Any]) -> None:
    model.script("topic", [[call("lookup", {"key": "alpha"})], "I say A."], system="You are anna")
    model.script("I say A.", [[call("lookup", {"key": "beta"})], "I say B."], system="You are bert")
    members = [
        FnCallAgent(llm=model.llm(), name=name, system_message=f"You are {name}", function_list=[lookup()])
        for name in ("anna", "bert")
    ]

    class TwoRounds(GroupChat):  # type: ignore[misc]
        def _run(self, messages: Any = None, **kwargs: Any) -> Iterator[Any]:
            result: Iterator[Any] = super()._run(messages=messages, max_round=2, **kwargs)
            return result

    group = TwoRounds(agents=members, agent_selection_method="round_robin", name="group")
    ask(group, "topic")
    model.script("go on", ["More of A."], system="You are anna")
    answer = ask(group, "go on")

    assert answer.status == "completed", answer.error
    asked_anna = next(r for r in model.requests[4:] if "You are anna" in text_of(r.messages))
    given = text_of(asked_anna.messages)
    assert "alpha is 42" in given  # her own call
    assert "bert: I say B." in given
    assert "beta is 42" not in given  # his


def test_an_agent_behind_a_router_gets_its_earlier_call(model: ScriptedModel, ask: Callable[..., Any]) -> None:
    for prompt in ("first", "second"):
        model.script(prompt, ["Call: finder\nReply:"], system="finder")
    model.script("first", [[call("lookup", {"key": "alpha"})], "It is 42."], system="FIND")
    model.script("second", ["As before."], system="FIND")
    finder = FnCallAgent(
        llm=model.llm(), name="finder", description="finds", system_message="FIND", function_list=[lookup()]
    )
    router = Router(llm=model.llm(), agents=[finder], name="router")

    ask(router, "first")
    assert ask(router, "second").text == "As before."

    assert "alpha is 42" in text_of(last_request(model))


def test_calls_of_other_agents_in_the_conversation_are_omitted(model: ScriptedModel) -> None:
    from reasoning_widget import AgentManager

    agents = AgentManager()
    agents.register("finder", lambda: FnCallAgent(llm=model.llm(use_raw_api=True), function_list=[lookup()]))
    agents.register("talker", lambda: Assistant(llm=model.llm(use_raw_api=True)))
    model.script("first", [[call("lookup", {"key": "alpha"})], "It is 42."])
    chat = ReasoningChat("finder", agents=agents, save=False)
    try:
        chat.ask("first")
        chat.ask("second", agent="talker")
    finally:
        chat.close()

    messages = [(m["role"], m["content"]) for m in last_request(model)]
    assert messages == [("user", "first"), ("assistant", "It is 42."), ("user", "second")]


def test_a_result_that_was_too_long_for_its_step_is_sent_as_shortened(
    model: ScriptedModel, ask: Callable[..., Any]
) -> None:
    long = Tool("long", lambda: "begin " + "word " * 100_000)
    model.script("first", [[call("long", {})], "Read."])
    model.script("second", ["Yes."])
    agent = FnCallAgent(llm=model.llm(max_input_tokens=4000), function_list=[long])

    ask(agent, "first")
    answer = ask(agent, "second")

    assert answer.text == "Yes."
    assert len(text_of(last_request(model))) < 40_000
