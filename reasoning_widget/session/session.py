"""A session: the one writer of its event log.

It belongs to one asyncio loop. All methods must be called on that loop; other threads post to it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol, cast

from ..agents.errors import redact
from ..agents.exceptions import Stopped
from ..answer import is_settled
from ..clean import clean_text
from ..fold import Transcript, TranscriptMessage, find_message
from ..protocol import (
    JSON,
    MAX_QUEUED,
    PROTOCOL_VERSION,
    AgentInfo,
    Author,
    ClientMessage,
    Frame,
    ProtocolError,
    Raised,
    ReasoningStep,
    RunStatus,
    Step,
    WithdrawalReason,
    check_session_id,
)
from .active_run import ActiveRun, run_spec
from .dispatch import dispatch
from .folded_log import FoldedLog, LoggedStep, report_damage
from .log import EventLog, StorageError
from .prompt import Prompt, logged_prompt, read_prompt, title_of
from .queue import PromptQueue
from .requests import Requests
from .runner import RunHost, Runner
from .values import value_frames
from .watcher import Watcher

STOP_GRACE = 0.9
"""Seconds that a stopped run has to end before the session closes it: the person sees it stop within one second."""

_OPEN_TEXT_INTERVAL: Final = 1.0  # seconds; at most this much of an unfinished step is lost with the process

EndReason = Literal["closed", "deleted", "failed"]
"""Why a session has ended: it was unloaded, it was deleted, or its log could not be written."""


class Agents(Protocol):
    """The agents that a session lists for its clients."""

    def list(self) -> list[AgentInfo]:
        """The agents that can be asked."""


class Session:
    """One conversation.

    Args:
        session_id: 1 to 128 characters of ``A-Z a-z 0-9 _ -``.
        log: Stores its events. Events that are there already are folded, and runs that they left open are closed.
        agents: The agents that can be asked.
        runner: Executes the runs.
        agent_name: The agent that is asked if the person chooses no other.
        resume_queue: Whether to ask the prompts that are still queued in the log, because the process before this one
            ended. Otherwise they are withdrawn. Do not set it for a log from an untrusted source.
        clock: The time, in seconds since the epoch.
        on_failure: Called when the log cannot be written. The session has then ended; another one can continue from the
            log.

    Attributes:
        results: The live objects that tools returned, by step id.
        ended: Why the session has ended; None if it has not.

    Raises:
        ValueError: The session id is malformed.
        StorageError: The log cannot be read.
    """

    def __init__(
        self,
        session_id: str,
        *,
        log: EventLog,
        agents: Agents,
        runner: Runner,
        agent_name: str | None = None,
        resume_queue: bool = False,
        clock: Callable[[], float] = time.time,
        on_failure: Callable[[StorageError], None] | None = None,
    ) -> None:
        self.session_id = check_session_id(session_id)
        self.results: dict[str, object] = {}
        self.ended: EndReason | None = None
        self.agents = agents
        self.agent_name = agent_name
        self._log = FoldedLog(session_id, log, clock)
        self._runner = runner
        self._clock = clock
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._watchers: set[Watcher] = set()
        self._queue = PromptQueue()
        self._requests = Requests(self._append, self._call_later, clock)
        self._run: ActiveRun | None = None
        self._waits_for_room = False
        self._open_text_timer: asyncio.TimerHandle | None = None
        self._claimed = False
        with report_damage(session_id):
            self._restore_queue(resume=resume_queue)

    def _restore_queue(self, *, resume: bool) -> None:
        """Queue the prompts that wait in the log again, or withdraw them."""
        waiting = [m for m in self.state["messages"] if m["run_id"] is None and not m["withdrawn"]]
        resumed = [m["id"] for m in waiting if resume and logged_prompt(m) is not None]
        self._log_withdrawal([m["id"] for m in waiting if m["id"] not in resumed], "interrupted")
        for message_id in resumed:
            self._queue.add(message_id)
        if resumed:  # the run begins after this call, when the caller has the session
            self._loop.call_soon(self._guard, self._start_next)

    @property
    def state(self) -> Transcript:
        """The current transcript, with open steps. Do not change it."""
        return self._log.state

    @property
    def epoch(self) -> str:
        """The id of the log; `clear` replaces it."""
        return self._log.epoch

    @property
    def open_steps(self) -> dict[str, LoggedStep]:
        """The last logged snapshots of the open steps, by step id."""
        return self._log.open_steps

    @property
    def exists(self) -> bool:
        """Whether it has a log, which begins with the first message."""
        return self._log.exists

    @property
    def owner(self) -> str | None:
        """The user to whom it belongs; None if users are not distinguished."""
        return self._log.owner

    @property
    def owned(self) -> bool:
        """Whether its owner is settled: it has a log, or was claimed."""
        return self._claimed or self.exists

    def claim(self, owner: str | None) -> None:
        """Make `owner` its owner, unless it is owned."""
        if not self.owned:
            self._log.owner = owner
            self._claimed = True

    def has_message(self, message_id: object) -> bool:
        """Whether a message with that id was accepted."""
        return isinstance(message_id, str) and self._message(message_id) is not None

    def waiting_of(self, account: str | None) -> int:
        """The number of messages of a user that wait for a run, or for the active run; of all users if None."""
        if account is None:
            return len(self._queue)
        messages = (self._message(message_id) for message_id in self._queue)
        authors = (message.get("author") for message in messages if message is not None)
        return sum(1 for author in authors if author and author.get("granted_by", author["id"]) == account)

    @property
    def idle(self) -> bool:
        """Whether it has no watchers, no active run and no queued messages."""
        return not self._watchers and not self.busy

    @property
    def busy(self) -> bool:
        """Whether it has an active run or queued messages."""
        return self._run is not None or len(self._queue) > 0

    # What clients send

    def handle(self, raw: object, by: str | None = None, author: Author | None = None) -> list[Frame]:
        """Carry out a message of a program, and return the frames for its sender: `ack`, `error`, `pong` or none."""
        return dispatch(raw, "program", lambda message: self.receive(message, by, author))

    def receive(self, message: ClientMessage, by: str | None = None, author: Author | None = None) -> list[Frame]:
        """Carry out a client's message, and return the frames for its sender besides `ack`.

        Args:
            message: A message that sessions accept on every transport.
            by: The sender; logged with the reply to a request.
            author: The sender, as logged with a prompt; None if people are not distinguished.

        Raises:
            ProtocolError: It cannot be accepted.
        """
        try:
            return self._carry_out(message, by, author)
        except StorageError as error:
            raise self._fail(error) from error

    def stop(self, run_id: str | None = None) -> None:
        """Stop the active run (only if it is `run_id`, if given), and withdraw the queued messages."""
        run = self._run
        if run is None or run.stopping or run_id not in (None, run.run_id):
            return
        run.stop()  # hands over the steps that the agent has yielded
        run.stopping = True
        self._withdraw_queue("stopped")
        self._requests.close("stopped")
        run.close_at(self._call_later(STOP_GRACE, lambda: self._finish(run, "stopped", abandoned=True)))

    def interrupt(self) -> None:
        """Close the active run at once, and withdraw the queued messages, because the process ends.

        Raises:
            StorageError: The log cannot be written.
        """
        run = self._run
        if run is None:
            self._withdraw_queue("interrupted")
            return
        run.stop()
        self._finish(run, "interrupted")

    def clear(self) -> None:
        """Stop the active run, delete the log and begin a new epoch."""
        self._drop_run()
        self._queue.remove_all()
        self.results.clear()
        self._log.begin_epoch()
        self._notify()

    def rename(self, title: str) -> None:
        """Give the session another title.

        Raises:
            ValueError: The title is empty.
            StorageError: The log cannot be written; the session has ended.
        """
        title = title_of(clean_text(title))
        if not title:
            raise ValueError("the title is empty: write a few words")
        try:
            self._append(("session_info", {"title": title}))
        except StorageError as error:
            self._fail(error)
            raise

    def close(self, reason: EndReason = "closed") -> None:
        """Stop the active run, log nothing more, and end the watchers. The log stays open."""
        if self.ended is not None:
            return
        self.ended = reason
        self._drop_run()
        self._queue.remove_all()
        if self._open_text_timer is not None:
            self._open_text_timer.cancel()
        self._notify()

    def _fail(self, error: StorageError) -> ProtocolError:
        """End, because the log cannot be written: nothing may be shown that is not stored."""
        if self.ended is None:
            self.close("failed")
            if self._on_failure is not None:
                self._on_failure(error)
        return ProtocolError("storage_failed", str(error))

    def _guard(self, action: Callable[..., None], *args: Any) -> None:
        """Call `action` for a run or a timer, unless the session has ended; end it if the log cannot be written."""
        if self.ended is not None:
            return
        try:
            action(*args)
        except StorageError as error:
            self._fail(error)

    def _call_later(self, seconds: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, self._guard, action)

    def _drop_run(self) -> None:
        """Stop the active run, and log nothing more of it."""
        run, self._run = self._run, None
        self._requests.drop()
        if run is not None:
            run.cancel_deadline()
            run.stop()

    def save_open_text(self) -> None:
        """Store the text of open steps now, instead of within a second.

        Raises:
            StorageError: The log cannot be written; the session has ended.
        """
        if self._log.open_steps and self.ended is None:
            try:
                self._log.save_open_text()
            except StorageError as error:
                self._fail(error)
                raise

    # What watchers read

    def add_watcher(self, watcher: Watcher) -> None:
        """Notify `watcher` of changes. Called by the watcher."""
        self._watchers.add(watcher)

    def remove_watcher(self, watcher: Watcher) -> None:
        """Notify `watcher` no longer. Called by the watcher."""
        self._watchers.discard(watcher)

    def session_frame(self) -> Frame:
        """The current `session` frame."""
        data: JSON = {
            "session_id": self.session_id,
            "protocol": PROTOCOL_VERSION,
            "epoch": self.epoch,
            "last_seq": self.state["last_seq"],
            "agents": self.agents.list(),
            "run": self._run.started_data if self._run else None,
            "time": self._clock(),
        }
        if self.agent_name is not None:
            data["agent_name"] = self.agent_name
        return {"type": "session", "data": data}

    def events_after(self, after: int) -> Iterator[Frame]:
        """The events after `after`, without snapshots that later ones supersede."""
        return self._log.events_after(after)

    def is_shown(self, step: Mapping[str, Any], *, growing: bool) -> bool:
        """Whether a step is shown if the person switched reasoning off. See `FoldedLog.is_shown` for the arguments."""
        return self._log.is_shown(step, growing=growing)

    def blob(self, sha256: str) -> Any:
        """The value with that SHA-256, which was too long for its event.

        Raises:
            KeyError: There is none.
        """
        return self._log.blob(sha256)

    def blob_frames(self, sha256: str) -> list[Frame]:
        """The `blob` frames for a client that asks for a value.

        Raises:
            ProtocolError: There is none with this SHA-256.
            StorageError: It cannot be read.
        """
        try:
            return value_frames(sha256, self.blob(sha256))
        except KeyError:
            raise ProtocolError("unknown_blob", f"there is no value with the SHA-256 {sha256[:64]!r}") from None

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition`, which reads the state, holds."""
        watcher = Watcher(self, self.epoch, None)
        try:
            while not condition():
                await watcher.changed()
                watcher.read()
        finally:
            watcher.close()

    def message_is_settled(self, message_id: str, epoch: str) -> bool:
        """Whether a message is settled: its run ended, it was withdrawn, or its log was deleted."""
        return epoch != self.epoch or is_settled(self.state, message_id)

    # Client messages

    def _carry_out(self, message: ClientMessage, by: str | None, author: Author | None) -> list[Frame]:
        kind, payload = message["type"], message["payload"]
        if self.ended is not None:
            raise ProtocolError("session_ended", f"the session is over: {self.ended}")
        if kind == "chat":
            self._chat(message["id"], payload, author)
        elif kind == "ping":
            return [{"type": "pong", "data": {"last_seq": self.state["last_seq"], "time": self._clock()}}]
        elif kind == "stop":
            self.stop(payload.get("run_id"))
        elif kind == "withdraw":
            self._withdraw(payload["message_id"])
        elif kind == "answer":
            self._reply(payload["request_id"], payload["value"], by)
        elif kind == "clear" and payload["epoch"] == self.epoch:
            self.clear()
        return []

    def _chat(self, message_id: str, payload: JSON, author: Author | None) -> None:
        prompt, blobs = read_prompt(message_id, payload)
        if self._is_repeated(message_id, prompt):
            return
        follows = prompt.follows
        if follows is not None and self._message(follows) is None and follows not in self.state["steps"]:
            raise ProtocolError("unknown_follows", f"`follows`: there is no message or step {follows!r}", message_id)
        if len(self._queue) >= MAX_QUEUED:
            raise ProtocolError(
                "queue_full", f"{MAX_QUEUED} messages wait already: let some be answered first", message_id
            )
        newest = next((m["id"] for m in reversed(self.state["messages"]) if not m["withdrawn"]), None)
        events: list[tuple[str, JSON]] = []
        if self.state["title"] is None:
            events.append(("session_info", {"title": title_of(prompt.content)}))
        events.append(("user_message", prompt.message_data(message_id, self._clock(), follows or newest, author)))
        self._append(*events, blobs=blobs)
        if prompt.steer and self._run is not None and prompt.parts is None:
            self._queue.add_steering(message_id)
        else:
            self._queue.add(message_id)
            self._start_next()

    def _is_repeated(self, message_id: str, prompt: Prompt) -> bool:
        message = self._message(message_id)
        if message is None:
            return False
        if prompt.is_logged_as(message):
            return True
        raise ProtocolError("id_conflict", f"another message has the id {message_id!r} already", message_id)

    def _withdraw(self, message_id: str) -> None:
        if self._queue.remove(message_id):
            self._append(("message_withdrawn", {"message_id": message_id, "reason": "withdrawn"}))
        elif self._message(message_id) is None:
            raise ProtocolError("unknown_message", f"there is no message {message_id!r}")

    def _withdraw_queue(self, reason: WithdrawalReason) -> None:
        self._log_withdrawal(self._queue.remove_all(), reason)

    def _log_withdrawal(self, message_ids: list[str], reason: WithdrawalReason) -> None:
        self._append(*(("message_withdrawn", {"message_id": each, "reason": reason}) for each in message_ids))

    def _message(self, message_id: str) -> TranscriptMessage | None:
        return find_message(self.state, message_id)

    def _reply(self, request_id: str, value: Any, by: str | None) -> None:
        if request_id not in self.state["requests"]:
            raise ProtocolError("unknown_request", f"there is no request {request_id!r}")
        self._requests.answer(request_id, value, by)

    # Runs

    def _start_next(self) -> None:
        if self._run is None and self._queue.has_next and not self._waits_for_room:
            self._waits_for_room = True
            self._runner.when_free(self._begin_next)

    def _begin_next(self) -> bool:
        """Begin the next run, now that the runner has room; False if none is wanted any more."""
        self._waits_for_room = False
        if self.ended is None and self._run is None and self._queue.has_next:
            self._guard(self._begin_run)
        return self._run is not None

    def _begin_run(self) -> None:
        message_id = self._queue.next()
        message = self._message(message_id)
        prompt = logged_prompt(message) if message is not None else None
        if message is None or prompt is None:
            return
        run_id = secrets.token_hex(6)
        run = self._run = ActiveRun(run_id, message_id, prompt, clock=self._clock, put_blob=self._log.put_blob)
        self._append(("run_started", run.started_data))
        spec = run_spec(run_id, message, prompt, self.state, self.blob)
        host = RunHost(
            on_steps=lambda steps: self._guard(self._on_steps, run, steps),
            on_end=lambda error, explanation, raised=None: self._guard(self._on_end, run, error, explanation, raised),
            on_request=lambda request, reply: self._on_request(run, request, reply),
            on_keep=lambda value, step_id: self._on_keep(run, value, step_id),
            steering=lambda: self._take_steering(run),
        )
        run.handle = self._runner.start(spec, host)

    def _on_steps(self, run: ActiveRun, steps: list[Step]) -> None:
        if run is not self._run or run.stopping:
            return
        try:
            changes = run.steps.add(steps)
        except Exception as error:  # noqa: BLE001 (whatever a step does when it is read, only its run ends)
            run.stop()
            self._finish(run, "failed", error=f"A step of the agent was not understood: {redact(repr(error))}.")
            return
        self._append(*(("reasoning_step", snapshot) for snapshot in changes.snapshots), notify=False)
        for grown in changes.grown:
            self._log.grow(grown)
        self._notify()
        if changes.grown and self._open_text_timer is None:
            self._open_text_timer = self._call_later(_OPEN_TEXT_INTERVAL, self._save_open_text)

    def _on_end(self, run: ActiveRun, error: BaseException | None, explanation: str, raised: Raised | None) -> None:
        self._finish(run, run.status_after(error, self.state), error=explanation, raised=raised)

    def _finish(
        self,
        run: ActiveRun,
        status: RunStatus,
        *,
        error: str = "",
        raised: Raised | None = None,
        abandoned: bool = False,
    ) -> None:
        if run is not self._run:
            return
        run.cancel_deadline()
        self._requests.close("stopped")
        snapshots = run.closing_steps(status, error=error, raised=raised, abandoned=abandoned)
        usage = self._log.usage(run.run_id, cast("list[ReasoningStep]", snapshots))
        self._run = None
        self._append(
            *(("reasoning_step", snapshot) for snapshot in snapshots),
            ("run_finished", run.finished_data(status, usage)),
        )
        if status in ("stopped", "interrupted"):
            self._withdraw_queue(status)
        self._queue.requeue_steering()
        self._start_next()

    def _on_keep(self, run: ActiveRun, value: object, step_id: str | None) -> None:
        known = run.steps.newest_open("tool_result") if step_id is None else run.steps.wire_id(step_id)
        if run is self._run and known is not None:
            self.results[known] = value

    def _on_request(self, run: ActiveRun, request: JSON, reply: Future[Any]) -> None:
        if run is not self._run or run.stopping:
            reply.set_exception(Stopped())
        else:
            step_id = run.steps.newest_open("tool_result")
            self._guard(self._requests.open, request, reply, run.run_id, step_id)

    def _take_steering(self, run: ActiveRun) -> list[str]:
        """Called in the run's thread."""
        taken = self._queue.take_steering()
        self._loop.call_soon_threadsafe(self._guard, self._log_steering, run, taken)
        messages = (self._message(message_id) for message_id in taken)
        return [message["content"] for message in messages if message is not None]

    def _log_steering(self, run: ActiveRun, message_ids: list[str]) -> None:
        events = [("message_steered", {"message_id": m, "run_id": run.run_id}) for m in message_ids]
        if run is self._run:
            self._append(*events)

    # The log

    def _append(
        self, *events: tuple[str, JSON], blobs: Mapping[str, Any] = MappingProxyType({}), notify: bool = True
    ) -> None:
        """Log events, fold them, and then notify the watchers: what they show is stored."""
        self._log.append(*events, blobs=blobs)
        if events and notify:
            self._notify()

    def _notify(self) -> None:
        for watcher in self._watchers:
            watcher.notify()

    def _save_open_text(self) -> None:
        self._open_text_timer = None
        self._log.save_open_text()
