"""People in group chats are asked through the session, never through standard input."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from qwen_agent.agents import Assistant, GroupChat, UserAgent
from qwen_agent.agents.user_agent import PENDING_USER_INPUT

from reasoning_widget import ReasoningChat
from reasoning_widget.agents.base import RunContext, as_current_run
from reasoning_widget.agents.exceptions import AgentError
from reasoning_widget.agents.qwen import QwenAgent
from reasoning_widget.fold import TranscriptRequest
from reasoning_widget.session.session import Session
from reasoning_widget.session.thread import on_loop, session_loop
from tests.scripted_model import ScriptedModel

WAIT_S = 30


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        yield model


@pytest.fixture(autouse=True)
def no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> str:
        raise AssertionError("standard input was read")

    monkeypatch.setattr("builtins.input", read)


class Person:
    """A person who asks a chat and answers the questions of its agents."""

    def __init__(self, agent: Any) -> None:
        self.chat = ReasoningChat(agent, save=False)
        self.asked: list[TranscriptRequest] = []

    @property
    def session(self) -> Session:
        source: Any = self.chat._conversation.source
        assert isinstance(source, Session)
        return source

    def ask(self, prompt: str, *replies: str) -> Any:
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(self.chat.ask(prompt)))
        asking.start()
        for reply in replies:
            request = self.wait_for_request()
            payload = {"request_id": request["request_id"], "value": reply}
            on_loop(self.session.handle, {"type": "answer", "payload": payload})
        asking.join(WAIT_S)
        return answers[0]

    def wait_for_request(self) -> TranscriptRequest:
        import asyncio

        session = self.session

        def open_one() -> TranscriptRequest | None:
            return next((each for each in session.state["requests"].values() if each["closed"] is None), None)

        waiting = asyncio.run_coroutine_threadsafe(session.wait_for(lambda: open_one() is not None), session_loop())
        waiting.result(WAIT_S)
        request = on_loop(open_one)
        assert request is not None
        self.asked.append(request)
        return request


@pytest.fixture
def person() -> Iterator[Callable[[Any], Person]]:
    people: list[Person] = []

    def make(agent: Any) -> Person:
        people.append(Person(agent))
        return people[-1]

    yield make
    for each in people:
        each.chat.close()


def member(model: ScriptedModel, name: str) -> Any:
    return Assistant(llm=model.llm(), name=name, description=name, system_message=f"You are {name}.")


def lines(answer: Any) -> list[tuple[str, str]]:
    return [(step["agent"], step["content"]) for step in answer.steps]


def test_a_person_in_a_group_chat_is_asked(model: ScriptedModel, person: Callable[[Any], Person]) -> None:
    model.script("the trip", ["Shall we go to Rome?"], system="You are anna.")
    model.script("I prefer Oslo.", ["Then Oslo it is."], system="You are bert.")
    agents = [member(model, "anna"), UserAgent(name="Cleo", description="a person"), member(model, "bert")]
    me = person(GroupChat(agents=agents, agent_selection_method="round_robin", name="group"))

    answer = me.ask("the trip", "I prefer Oslo.")

    assert answer.status == "completed"
    assert answer.text == "Then Oslo it is."
    assert lines(answer) == [
        ("anna", "Shall we go to Rome?"),
        ("Cleo", "I prefer Oslo."),
        ("bert", "Then Oslo it is."),
    ]
    assert [(each["kind"], "Cleo" in each["prompt"]) for each in me.asked] == [("question", True)]


def test_a_person_in_a_configuration_is_asked_and_is_in_the_history(
    model: ScriptedModel, person: Callable[[Any], Person]
) -> None:
    model.script("hello", ["Cleo"], system="role play")
    model.script("I am well.", ["[STOP]"], system="role play")
    config = {
        "agents": [
            {"name": "Cleo", "description": "a person", "is_human": True},
            {"name": "anna", "description": "an agent", "instructions": "You are anna.", "selected_tools": []},
        ]
    }
    me = person(GroupChat(agents=config, llm=model.llm()))

    answer = me.ask("hello", "I am well.")
    model.script("and now", ["[STOP]"], system="role play")
    me.ask("and now")

    assert answer.status == "completed"
    assert answer.text == "I am well."
    assert "Cleo: I am well." in str(model.requests[-1].messages)


def test_the_next_speaker_is_chosen_among_the_members(model: ScriptedModel, person: Callable[[Any], Person]) -> None:
    for name in ("anna", "bert"):
        model.script("the trip", [f"This is {name}."], system=f"You are {name}.")
    group = GroupChat(agents=[member(model, "anna"), member(model, "bert")], agent_selection_method="manual", name="g")
    me = person(group)

    answer = me.ask("the trip", "bert", "nobody", "anna", "bert")

    assert answer.status == "completed"
    assert [line for line in lines(answer) if line[0] in {"anna", "bert"}][:2] == [
        ("bert", "This is bert."),
        ("anna", "This is anna."),
    ]
    assert all(each["options"] == ["anna", "bert"] for each in me.asked)
    assert "no `nobody`" in me.asked[2]["prompt"]


def test_asking_for_a_speaker_ends_after_several_attempts(
    model: ScriptedModel, person: Callable[[Any], Person]
) -> None:
    me = person(GroupChat(agents=[member(model, "anna")], agent_selection_method="manual", name="g"))

    answer = me.ask("the trip", "x", "y", "z")

    assert answer.status == "failed"
    assert "anna" in answer.error


def test_a_user_agent_without_a_group_is_asked(person: Callable[[Any], Person]) -> None:
    answer = person(UserAgent(name="Cleo")).ask("how are you?", "Fine.")

    assert (answer.status, answer.text) == ("completed", "Fine.")


def test_stop_ends_a_run_that_waits_for_a_person(person: Callable[[Any], Person]) -> None:
    me = person(UserAgent(name="Cleo"))
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(me.chat.ask("how are you?")))
    asking.start()
    me.wait_for_request()
    me.chat.stop()
    asking.join(WAIT_S)

    assert answers[0].status == "stopped"


@pytest.mark.parametrize("manual", [False, True])
def test_a_run_in_which_nobody_can_answer_fails_with_advice(model: ScriptedModel, manual: bool) -> None:
    agents = [member(model, "anna")] if manual else [UserAgent(name="Cleo", description="a person")]
    method = "manual" if manual else "round_robin"
    group = GroupChat(agents=agents, agent_selection_method=method, name="group")

    with as_current_run(RunContext()), pytest.raises(AgentError, match=r"nobody can answer here.*ReasoningChat"):
        QwenAgent(group).run_blocking("the trip", 5, lambda step: None)


def test_outside_of_runs_a_user_agent_works_as_in_qwen_agent() -> None:
    *_, response = UserAgent(name="Cleo").run([{"role": "user", "content": "hello"}])

    assert response[-1]["content"] == PENDING_USER_INPUT


def test_qwen_agent_still_reads_the_next_speaker_from_standard_input(model: ScriptedModel) -> None:
    group = GroupChat(agents=[member(model, "anna")], agent_selection_method="manual", name="group")

    with pytest.raises(AssertionError, match="standard input was read"):
        group._select_agent([])
