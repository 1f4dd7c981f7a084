"""Canary: Qwen-Agent's own limit of model calls is a constant in its agents' modules, as `with_limit` requires."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from qwen_agent.agents import Assistant, FnCallAgent, GroupChat, ReActChat, TIRMathAgent, VirtualMemoryAgent

from reasoning_widget.compat.qwen.limit import has_limit, with_limit
from tests.agents.qwen.tools import Tool
from tests.scripted_model import ScriptedModel, call

LIMITED = [FnCallAgent, ReActChat, TIRMathAgent, VirtualMemoryAgent]


@pytest.mark.parametrize("agent", LIMITED)
def test_agents_with_tools_have_a_limit(agent: Any) -> None:
    assert has_limit(agent._run)
    raised: Any = with_limit(agent._run, 1_000)
    assert raised.__globals__["MAX_LLM_CALL_PER_RUN"] == 1_000
    assert importlib.import_module(agent.__module__).MAX_LLM_CALL_PER_RUN < 1_000


@pytest.mark.parametrize("agent", [Assistant, GroupChat])
def test_agents_that_only_forward_messages_have_no_limit(agent: Any) -> None:
    assert not has_limit(agent._run)
    assert with_limit(agent._run, 1_000) is agent._run


def test_a_lower_limit_does_not_change_qwen_agents_own() -> None:
    own = importlib.import_module(FnCallAgent.__module__).MAX_LLM_CALL_PER_RUN
    raised: Any = with_limit(FnCallAgent._run, 1)

    assert raised.__globals__["MAX_LLM_CALL_PER_RUN"] == own


def test_qwen_agent_still_ends_silently_at_its_limit(scripted_model: ScriptedModel) -> None:
    scripted_model.script("add", [[call("add", {"key": "1"})]])
    agent = FnCallAgent(llm=scripted_model.llm(), function_list=[Tool("add", lambda key: "more")])

    *_, response = agent.run([{"role": "user", "content": "add"}])

    assert response[-1]["role"] == "function"
