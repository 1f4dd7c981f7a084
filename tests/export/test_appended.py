"""Steps that grew by `append`, and steps of custom types, in exports, in notebook files and in a terminal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from reasoning_widget import cli
from reasoning_widget.agents.base import BaseAgent
from reasoning_widget.agents.functions import function_agent
from reasoning_widget.agents.growing import whole_steps
from reasoning_widget.export.html import to_html
from reasoning_widget.export.log import session_file
from reasoning_widget.export.markdown import to_markdown
from reasoning_widget.export.notebook import to_notebook
from reasoning_widget.export.reading import read_session
from reasoning_widget.export.saved import SavedTranscript, Saver, folded, masked
from reasoning_widget.protocol import AgentInfo, AgentStep
from reasoning_widget.session.runner import ThreadRunner
from reasoning_widget.session.session import Session
from reasoning_widget.session.sqlite import SQLiteLog
from tests.export.sessions import KEY
from tests.session.manual import ask


async def planner(prompt: str) -> AsyncIterator[AgentStep]:
    """Append a key to a plan, in two halves."""
    yield {"type": "plan", "id": "p", "content": "Use ", "status": "streaming"}
    for half in (KEY[:20], KEY[20:]):
        yield {"type": "plan", "id": "p", "append": half}
        await asyncio.sleep(0.05)  # so that the halves are logged separately
    yield {"type": "plan", "id": "p", "append": ", then leap.", "status": "done"}
    yield {"type": "final_answer", "content": "There."}


class _Planner:
    def get(self, name: str) -> BaseAgent:
        return function_agent(planner)

    def list(self) -> list[AgentInfo]:
        return [{"name": "planner", "description": ""}]


@pytest.fixture
async def session() -> Session:
    """Return a session in which the planner has answered."""
    agents = _Planner()
    session = Session("demo", log=SQLiteLog(), agents=agents, runner=ThreadRunner(agents))
    ask(session, "Go", "m1", agent_name="planner")
    await session.wait_for(lambda: session.message_is_settled("m1", session.epoch))
    return session


async def test_an_appended_step_of_a_custom_type_is_exported_without_its_secret(session: Session) -> None:
    state = masked(session.state, session.events_after(0), session.blob)

    for exported in (
        to_html(state),
        to_markdown(state),
        json.dumps(to_notebook(state)),
        json.dumps(Saver(SavedTranscript(), session.blob).file(session.state, session.events_after(0))),
    ):
        assert "plan" in exported.lower()
        assert "then leap." in exported
        assert KEY[:20] not in exported
        assert KEY[20:] not in exported


async def test_an_appended_step_of_a_custom_type_is_read_unchanged_from_a_file(session: Session) -> None:
    events = list(session.events_after(0))
    file = read_session(json.loads(json.dumps(session_file("demo", session.epoch, events)))).file

    steps = [(step["type"], step["content"], step["status"]) for step in folded(file)["steps"].values()]
    assert steps == [("plan", f"Use {KEY}, then leap.", "done"), ("final_answer", "There.", "done")]


async def test_an_appended_step_of_a_custom_type_is_shown_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    await cli._show(whole_steps(planner("Go")))

    answer, rest = capsys.readouterr()
    assert answer == "There.\n"
    assert "plan" in rest.lower()
    assert "then leap." in rest
