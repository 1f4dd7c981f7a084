"""A session whose agent the test controls: pure logic, without threads or a real clock, and with reproducible ids."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from reasoning_widget.protocol import AgentInfo, Step
from reasoning_widget.session.log import EventLog
from reasoning_widget.session.runner import RunHandle, RunHost, Runner, RunSpec
from reasoning_widget.session.session import Session
from reasoning_widget.session.sqlite import SQLiteLog


class ManualRun(RunHandle):
    """A run that the test controls."""

    def __init__(self, spec: RunSpec, host: RunHost) -> None:
        self.spec = spec
        self.host = host
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True

    def emit(self, *steps: Step) -> None:
        """Yield steps as the agent, between two flushes."""
        self.host.on_steps(list(steps))

    def end(self, error: BaseException | None = None, explanation: str = "") -> None:
        """End the agent's stream."""
        self.host.on_end(error, explanation)


class ManualRunner(Runner):
    """Records the runs that it is given."""

    def __init__(self) -> None:
        self.runs: list[ManualRun] = []

    def start(self, spec: RunSpec, host: RunHost) -> RunHandle:
        run = ManualRun(spec, host)
        self.runs.append(run)
        return run

    @property
    def run(self) -> ManualRun:
        """The newest run."""
        return self.runs[-1]


class NoAgents:
    """The list of agents. The manual runner makes none."""

    def list(self) -> list[AgentInfo]:
        return [{"name": "researcher", "description": "Searches files"}]


class Clock:
    """A clock that advances half a second each time it is read."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


@contextmanager
def same_ids() -> Iterator[None]:
    """Count ids instead of drawing them at random."""
    numbers = itertools.count(1)
    with mock.patch("reasoning_widget.session.session.secrets.token_hex", lambda n: f"{next(numbers):0{2 * n}x}"):
        yield


def open_session(
    log: EventLog | None = None, clock: Clock | None = None, *, resume_queue: bool = False
) -> tuple[Session, ManualRunner]:
    """Return a session, and the runner with which the test controls its agent. Needs a running loop."""
    runner = ManualRunner()
    session = Session(
        "demo",
        log=log or SQLiteLog(),
        agents=NoAgents(),
        runner=runner,
        agent_name="researcher",
        resume_queue=resume_queue,
        clock=clock or Clock(),
    )
    return session, runner


def ask(session: Session, message: str | list[Any], message_id: str, **payload: Any) -> list[dict[str, Any]]:
    """Send a `chat` message and return the replies."""
    full = {"message": message, "agent_name": "researcher", **payload}
    return [dict(reply) for reply in session.handle({"type": "chat", "id": message_id, "payload": full})]
