"""Canary: the methods that a watched run observes exist in Qwen-Agent and have the expected parameters."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import pytest
from qwen_agent import Agent
from qwen_agent.agents import Assistant, FnCallAgent, GroupChat, Router, UserAgent
from qwen_agent.llm.base import BaseChatModel
from qwen_agent.tools.base import BaseTool

from reasoning_widget.compat.qwen import methods

LLM = {"model": "m", "model_type": "oai", "model_server": "http://127.0.0.1:9/v1", "api_key": "none"}


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (Agent, methods.RUN, ["self", "messages"]),
        (Agent, methods.RUN_UNCHECKED, ["self", "messages"]),
        (Agent, methods.CALL_MODEL, ["self", "messages"]),
        (Agent, methods.CALL_TOOL, ["self", "tool_name", "tool_args"]),
        (GroupChat, methods.SELECT_SPEAKER, ["self", "messages", "mentioned_agents_name"]),
        (BaseChatModel, methods.CHAT, ["self", "messages"]),
        (BaseTool, methods.CALL, ["self", "params"]),
    ],
)
def test_a_method_exists_and_begins_with_these_parameters(owner: Any, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(inspect.unwrap(getattr(owner, name))).parameters)[: len(parameters)] == parameters


def test_every_method_is_replaced_and_restored() -> None:
    seen: list[str] = []

    def observe(name: str, owner: type, original: Any) -> Any:
        seen.append(name)

        @functools.wraps(original)
        def replacement(*args: Any, **kwargs: Any) -> Any:
            return original(*args, **kwargs)

        return replacement

    before = FnCallAgent._run, Agent.run
    patches = methods.patches(observe)
    for patch in patches:
        patch.apply()
    during = FnCallAgent._run, Agent.run
    for patch in reversed(patches):
        patch.remove()

    assert set(seen) == methods.AGENT_METHODS | methods.TOOL_METHODS | {methods.SELECT_SPEAKER, methods.CHAT}
    assert all(one is not other for one, other in zip(before, during, strict=True))
    assert (FnCallAgent._run, Agent.run) == before


def test_a_user_agent_represents_a_person_unless_it_answers_itself() -> None:
    class Scripted(UserAgent):  # type: ignore[misc]
        def _run(self, messages: Any, **kwargs: Any) -> Any:
            yield []

    assert methods.represents_person(UserAgent(name="Anna"))
    assert not methods.represents_person(Scripted(name="Anna"))
    assert not methods.represents_person(FnCallAgent(llm=LLM))


def test_a_user_agent_still_ends_the_turn_of_a_person_without_asking() -> None:
    *_, response = UserAgent(name="Anna").run([{"role": "user", "content": "?"}])

    assert response[-1]["content"] == "<!-- INTERRUPT: PENDING_USER_INPUT -->"


def test_the_members_of_a_router_are_found() -> None:
    helper = Assistant(llm=LLM, name="helper", description="Helps.")

    assert methods.members(Router(llm=LLM, agents=[helper])) == [helper]
    assert methods.members(helper) == []
