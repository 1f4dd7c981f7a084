"""A conversation whose session is in this kernel."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from ..agents.manager import AgentManager, as_agent
from ..agents.models import ModelChoice, choose_model
from ..answer import CANCEL_WITHIN, Answer, answer_to, run_of, steps_of
from ..export.log import SessionFile, complete_file
from ..parts import Prompt, as_message
from ..protocol import JSON, TERMINAL_STEP_STATUSES, Frame, ReasoningStep
from ..session.log import EventLog
from ..session.runner import ThreadRunner
from ..session.session import Session
from ..session.watcher import Watcher
from .base import REFRESH_DELAY


class LocalConversation:
    """A `Conversation` whose session is in this kernel.

    Args:
        agent: The agent to ask: a name that `agents` knows, or an object that `as_agent` accepts.
        llm: A Qwen-Agent model configuration for the included agents; None to look for a model.
        agents: The manager with the agents by name. It is not changed.

    Raises:
        UnknownAgentError: There is no agent with this name.
        TypeError: `agent` is not an agent and cannot be converted to one.
    """

    refresh_replaces_all = False
    source: Session

    def __init__(self, agent: Any, llm: JSON | None, agents: AgentManager | None) -> None:
        self._llm = llm
        self._agents = copy.copy(agents) if agents is not None else AgentManager()
        if llm is not None:
            self._agents.use_model(llm)
        self.name = self._register(agent)
        self._awaited: set[str] = set()  # messages with a waiting caller, who refreshes the views

    def _register(self, agent: Any) -> str:
        if isinstance(agent, str):
            self._agents.check(agent)
            return agent
        wrapped = as_agent(agent)
        wrapped.used_by(self._agents)
        self._agents.register(wrapped.name, lambda: wrapped, wrapped.description)
        return wrapped.name

    def open(self, session_id: str, log: EventLog, *, resume: bool = False) -> None:
        """Open the session. Call this on the sessions' event loop, before any other method.

        Args:
            session_id: The id of the session.
            log: The log of its events. The conversation closes it.
            resume: Whether to ask the prompts that an earlier kernel left queued in the log. Otherwise they are
                withdrawn.

        Raises:
            StorageError: The log cannot be read.
        """
        self._log = log
        self.source = Session(
            session_id,
            log=log,
            agents=self._agents,
            runner=ThreadRunner(self._agents),
            agent_name=self.name,
            resume_queue=resume,
        )

    @property
    def results(self) -> dict[str, object]:
        """The Python objects that tools returned, by step id. `clear` removes them."""
        return self.source.results

    def prepare(
        self, prompt: Prompt, *, agent: str | None, reasoning: bool, max_iterations: int | None, tokens: bool = False
    ) -> LocalAnswer:
        """Check a prompt before it is sent, as described in `Conversation.prepare`."""
        if agent is not None:
            self._agents.check(agent)
        payload: JSON = {
            "message": as_message(prompt),
            "agent_name": agent or self.name,
            "enable_reasoning": reasoning,
        }
        if max_iterations is not None:
            payload["max_iterations"] = max_iterations
        return LocalAnswer(self.source, payload, self._awaited, tokens=tokens)

    async def stop(self) -> None:
        """Stop the active run, and withdraw queued prompts."""
        self.source.stop()

    async def clear(self) -> None:
        """Stop the active run, delete the conversation and start a new one."""
        self.source.clear()

    async def refresh(self) -> None:
        """Do nothing: the session is in this process, so `source` is always up to date."""

    async def changes(self) -> AsyncIterator[None]:
        """Yield when a run of a page's prompt ends."""
        session = self.source

        def finished() -> tuple[str, frozenset[str]]:
            ended = (run["message_id"] for run in session.state["runs"] if run["status"] != "running")
            return session.epoch, frozenset(ended) - self._awaited

        while True:
            seen = finished()
            await session.wait_for(lambda seen=seen: finished() != seen)  # type: ignore[misc]
            await asyncio.sleep(REFRESH_DELAY)
            yield

    def file(self) -> SessionFile:
        """Return the whole conversation in the format of a saved session."""
        return complete_file(self.source.state, self._log)

    def model(self) -> ModelChoice:
        """Return which model answers, and why. The result contains no key."""
        return choose_model(self._llm)

    def end(self) -> None:
        """Close the active run, because the kernel exits."""
        if self.source.ended is None:
            self.source.interrupt()

    def close(self) -> None:
        """Close the session and its log."""
        self.source.close()
        self._log.close()

    def release_agents(self) -> None:
        """Release the resources of the agents, such as MCP servers."""
        self._agents.close()


class LocalAnswer:
    """A `PendingAnswer` of a session in this kernel."""

    def __init__(self, session: Session, payload: JSON, awaited: set[str], *, tokens: bool) -> None:
        self.message_id = f"m-{secrets.token_hex(6)}"
        self._session = session
        self._payload = payload
        self._awaited = awaited
        self._tokens = tokens
        self._epoch = ""
        self._last_seq_before = 0  # the `seq` of the last event before the prompt

    async def post(self) -> None:
        """Append the prompt to the session.

        Raises:
            ValueError: The prompt is rejected. The message says why.
        """
        self._epoch, self._last_seq_before = self._session.epoch, self._session.state["last_seq"]
        self._awaited.add(self.message_id)
        for reply in self._session.handle({"type": "chat", "id": self.message_id, "payload": self._payload}):
            if reply["type"] == "error":
                raise ValueError(reply["data"]["message"])

    async def answer(self) -> Answer:
        """Wait until the run ends. Cancelling this stops the run."""
        try:
            await self._settled()
        except asyncio.CancelledError:
            await self.cancel()
            raise
        return answer_to(self._session.state, self.message_id)

    async def steps(self) -> AsyncGenerator[ReasoningStep]:
        """Yield the steps of the run as they change. Closing this before the run ends stops the run."""
        watcher = Watcher(self._session, self._epoch, self._last_seq_before)
        try:
            while True:
                await watcher.changed()
                settled = self._is_settled()
                for step in self._changed(watcher.read()["frames"]):
                    if self._tokens or step["status"] in TERMINAL_STEP_STATUSES:
                        yield step
                if settled and watcher.up_to_date:
                    return
        finally:
            watcher.close()
            await self.cancel()

    def _changed(self, frames: list[Frame]) -> list[ReasoningStep]:
        """Return the current state of the run's steps that `frames` change, each once."""
        run = run_of(self._session.state, self.message_id)
        changed = {frame["data"].get("id") or frame["data"].get("step_id") for frame in frames}
        return [step for step in steps_of(self._session.state, run) if step["id"] in changed] if run is not None else []

    async def cancel(self) -> None:
        """Stop the run, or withdraw the prompt if it is still queued, and wait up to 3 s for that."""
        if self._is_settled():
            return
        run = run_of(self._session.state, self.message_id)
        if run is not None:
            self._session.stop(run["run_id"])
        else:
            self._session.handle({"type": "withdraw", "payload": {"message_id": self.message_id}})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled(), CANCEL_WITHIN)

    async def close(self) -> None:
        """Stop waiting for the answer. Afterwards, its views are refreshed like those of a page's prompts."""
        self._awaited.discard(self.message_id)

    def _is_settled(self) -> bool:
        return self._session.message_is_settled(self.message_id, self._epoch)

    async def _settled(self) -> None:
        await self._session.wait_for(self._is_settled)
