"""A session: the one writer of its event log.

It belongs to one asyncio loop. Everything here must be called on that loop; everyone else posts to it.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol, cast

from ..agents.base import DEFAULT_MAX_ITERATIONS, Turn, check_request
from ..agents.errors import redact
from ..agents.exceptions import MaxIterationsReached, Stopped
from ..answer import is_settled
from ..fold import Transcript, TranscriptMessage, TranscriptRun, find_run
from ..masking import shortened
from ..parts import Accepted, accepted, message_in_words, restored
from ..protocol import (
    JSON,
    MAX_QUEUED,
    PLAIN_STEP_TYPES,
    PROTOCOL_VERSION,
    AgentInfo,
    Author,
    ClientMessage,
    Frame,
    ProtocolError,
    Raised,
    ReasoningStep,
    RunStartedData,
    RunStatus,
    Step,
    StepStatus,
    check_session_id,
)
from .dispatch import dispatch
from .log import EventLog, StorageError
from .record import LoggedStep, Record
from .runner import RunHandle, RunHost, Runner, RunSpec
from .steps import RunSteps
from .text import clean_json, clean_text
from .values import value_frames
from .watcher import Watcher

STOP_GRACE = 0.9
"""Seconds a stopped run has to end before it is closed without it: the person sees it stop within one."""

_OPEN_TEXT_INTERVAL = 1.0  # seconds; at most this much of an unfinished step is lost with the process
_TITLE_LENGTH = 80
_MAX_EARLIER = 12 * 1024 * 1024  # code points of base64; older attachments than these an agent knows by their names

EndReason = Literal["closed", "deleted", "failed"]
"""Why a session is over: it left memory, it was deleted, or its log could not be written."""


class Agents(Protocol):
    """What a session knows of its agents."""

    def list(self) -> list[AgentInfo]:
        """Who may be asked."""


@dataclass
class _Run:
    """The run that is on."""

    run_id: str
    message_id: str
    agent_name: str
    started: float
    steps: RunSteps
    handle: RunHandle | None = None
    stopping: bool = False
    timer: asyncio.TimerHandle | None = None
    requests: dict[str, Future[Any]] = field(default_factory=dict)


class Session:
    """One conversation.

    Args:
        session_id: 1 to 128 characters of ``A-Z a-z 0-9 _ -``.
        log: Where its events are kept; what is there already is folded, and runs it left open are closed.
        agents: Who may be asked.
        runner: Where runs execute.
        agent_name: The agent that is asked unless the person chooses another.
        clock: The time, in seconds since the epoch.
        on_failure: Called when the log could not be written. The session is then over: what is in the log counts, and
            another one takes up from there.

    Attributes:
        results: The live objects that tools returned, by step id.
        ended: Why the session is over; None while it is not.

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
        clock: Callable[[], float] = time.time,
        on_failure: Callable[[StorageError], None] | None = None,
    ) -> None:
        self.session_id = check_session_id(session_id)
        self.results: dict[str, object] = {}
        self.ended: EndReason | None = None
        self.agents = agents
        self.agent_name = agent_name
        self._record = Record(session_id, log, clock)
        self._runner = runner
        self._clock = clock
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._watchers: set[Watcher] = set()
        self._payloads: dict[str, JSON] = {}
        self._queue: deque[str] = deque()
        self._steering: list[str] = []
        self._steering_lock = threading.Lock()
        self._run: _Run | None = None
        self._waits_for_room = False
        self._open_text_timer: asyncio.TimerHandle | None = None
        self._claimed = False

    @property
    def state(self) -> Transcript:
        """The transcript as it stands, open steps included. Only to be read."""
        return self._record.state

    @property
    def epoch(self) -> str:
        """The id of the log; another one after each `clear`."""
        return self._record.epoch

    @property
    def open_steps(self) -> dict[str, LoggedStep]:
        """The last logged snapshots of the steps that are open, by step id."""
        return self._record.open_steps

    @property
    def exists(self) -> bool:
        """Whether anything was ever said in it: the log begins with the first message."""
        return self._record.exists

    @property
    def owner(self) -> str | None:
        """The user to whom it belongs; None where users are not told apart."""
        return self._record.owner

    @property
    def owned(self) -> bool:
        """Whether it has begun, or somebody has begun to speak in it: from then on it has its owner."""
        return self._claimed or self.exists

    def claim(self, owner: str | None) -> None:
        """Let it belong to `owner`, unless it is owned."""
        if not self.owned:
            self._record.owner = owner
            self._claimed = True

    def has_message(self, message_id: object) -> bool:
        """Whether a message of that id was accepted."""
        return isinstance(message_id, str) and self._message(message_id) is not None

    def waiting_of(self, account: str | None) -> int:
        """How many messages of a user wait for their runs to begin, or for the run that is on; of all users if None."""
        waiting = [*self._queue, *self._steering]
        if account is None:
            return len(waiting)
        messages = (self._message(message_id) for message_id in waiting)
        authors = (message.get("author") for message in messages if message is not None)
        return sum(1 for author in authors if author and author.get("granted_by", author["id"]) == account)

    @property
    def idle(self) -> bool:
        """Whether nobody watches and nothing runs or waits."""
        return not self._watchers and not self.busy

    @property
    def busy(self) -> bool:
        """Whether a run is on, or a message waits for one."""
        return self._run is not None or bool(self._queue)

    # What clients send

    def handle(self, raw: object, by: str | None = None, author: Author | None = None) -> list[Frame]:
        """Take a program's message and return what it is told: `ack`, `error`, `pong` or nothing. See `receive`."""
        return dispatch(raw, "program", lambda message: self.receive(message, by, author))

    def receive(self, message: ClientMessage, by: str | None = None, author: Author | None = None) -> list[Frame]:
        """Carry out a client's message, and return what to tell its sender besides `ack`.

        Args:
            message: One that a session takes on every transport.
            by: Who sent it; kept with the answer to a request.
            author: The same, as it is kept with a prompt; None where people are not told apart.

        Raises:
            ProtocolError: It cannot be accepted.
        """
        try:
            return self._carry_out(message, by, author)
        except StorageError as error:
            raise self._fail(error) from error

    def stop(self, run_id: str | None = None) -> None:
        """Stop the run: the named one, or whichever is on. What is queued is withdrawn."""
        run = self._run
        if run is None or run.stopping or run_id not in (None, run.run_id):
            return
        if run.handle is not None:
            run.handle.stop()  # hands over what the agent has said until now
        run.stopping = True
        self._withdraw_queue("stopped")
        self._close_requests(run, "stopped")
        run.timer = self._loop.call_later(STOP_GRACE, self._guard, self._abandon, run)

    def interrupt(self) -> None:
        """Close the run that is on at once, and what is queued: the process ends.

        Raises:
            StorageError: The log cannot be written.
        """
        run = self._run
        if run is None:
            self._withdraw_queue("interrupted")
            return
        if run.handle is not None:
            run.handle.stop()
        self._finish(run, "interrupted")

    def clear(self) -> None:
        """Stop, delete the log and begin a new epoch."""
        self._drop_run()
        self._queue.clear()
        with self._steering_lock:
            self._steering.clear()
        self._payloads.clear()
        self.results.clear()
        self._record.begin_epoch()
        self._notify()

    def rename(self, title: str) -> None:
        """Give the session another title.

        Raises:
            ValueError: The title is empty.
            StorageError: The log cannot be written; the session is over.
        """
        title = " ".join(clean_text(title).split())
        if not title:
            raise ValueError("the title is empty: write a few words")
        try:
            self._append(("session_info", {"title": _shortened(title)}))
        except StorageError as error:
            self._fail(error)
            raise

    def close(self, reason: EndReason = "closed") -> None:
        """Stop what runs, logging nothing more, and let go of the watchers. The log is its owner's to close."""
        if self.ended is not None:
            return
        self.ended = reason
        self._drop_run()
        self._queue.clear()
        if self._open_text_timer is not None:
            self._open_text_timer.cancel()
        self._notify()

    def _fail(self, error: StorageError) -> ProtocolError:
        """The log could not be written: end, so that nothing is shown that is not safe."""
        if self.ended is None:
            self.close("failed")
            if self._on_failure is not None:
                self._on_failure(error)
        return ProtocolError("storage_failed", str(error))

    def _guard(self, action: Callable[..., None], *args: Any) -> None:
        """Do what a run or a timer calls for, while the session lasts and its log can be written."""
        if self.ended is not None:
            return
        try:
            action(*args)
        except StorageError as error:
            self._fail(error)

    def _drop_run(self) -> None:
        """Stop the run that is on, and log nothing more of it."""
        run, self._run = self._run, None
        if run is None:
            return
        self._close_requests(run, "stopped", log=False)
        if run.timer is not None:
            run.timer.cancel()
        if run.handle is not None:
            run.handle.stop()

    def save_open_text(self) -> None:
        """Make the text of open steps safe now, rather than within a second.

        Raises:
            StorageError: The log cannot be written; the session is over.
        """
        if self._record.open_steps and self.ended is None:
            try:
                self._record.save_open_text()
            except StorageError as error:
                self._fail(error)
                raise

    # What watchers read

    def add_watcher(self, watcher: Watcher) -> None:
        """Called by the watcher."""
        self._watchers.add(watcher)

    def remove_watcher(self, watcher: Watcher) -> None:
        """Called by the watcher."""
        self._watchers.discard(watcher)

    def session_frame(self) -> Frame:
        """The `session` frame as of now."""
        run = find_run(self.state, self._run.run_id) if self._run else None
        data: JSON = {
            "session_id": self.session_id,
            "protocol": PROTOCOL_VERSION,
            "epoch": self.epoch,
            "last_seq": self.state["last_seq"],
            "agents": self.agents.list(),
            "run": _as_started(run) if run else None,
            "time": self._clock(),
        }
        if self.agent_name is not None:
            data["agent_name"] = self.agent_name
        return {"type": "session", "data": data}

    def events_after(self, after: int) -> Iterator[Frame]:
        """See `Record.events_after`."""
        return self._record.events_after(after)

    def is_shown(self, step: Mapping[str, Any], *, growing: bool) -> bool:
        """See `Record.is_shown`."""
        return self._record.is_shown(step, growing=growing)

    def blob(self, sha256: str) -> Any:
        """See `Record.blob`."""
        return self._record.blob(sha256)

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
                watcher.take()
        finally:
            watcher.close()

    def message_is_settled(self, message_id: str, epoch: str) -> bool:
        """Whether nothing more will come of a message: its run ended, it was withdrawn, or its log is gone."""
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
            self._answer(payload["request_id"], payload["value"], by)
        elif kind == "clear" and payload["epoch"] == self.epoch:
            self.clear()
        return []

    def _chat(self, message_id: str, payload: JSON, author: Author | None) -> None:
        try:
            said = accepted(_cleaned(payload["message"]))
        except ProtocolError as error:
            error.id = message_id
            raise
        # What was attached is in the log: nothing that is kept here is long.
        payload = {**payload, "message": _logged(said)}
        if self._is_repeated(message_id, payload):
            return
        if payload.get("max_iterations", 1) < 1:
            raise ProtocolError("bad_message", "`max_iterations` must be at least 1", message_id)
        follows = payload.get("follows")
        if follows is not None and self._message(follows) is None and follows not in self.state["steps"]:
            raise ProtocolError("unknown_follows", f"`follows`: there is no message or step {follows!r}", message_id)
        if len(self._queue) + len(self._steering) >= MAX_QUEUED:
            raise ProtocolError(
                "queue_full", f"{MAX_QUEUED} messages wait already: let some be answered first", message_id
            )
        newest = next((m["id"] for m in reversed(self.state["messages"]) if not m["withdrawn"]), None)
        self._payloads[message_id] = payload
        events: list[tuple[str, JSON]] = []
        if self.state["title"] is None:
            title = " ".join(said.content.split())
            events.append(("session_info", {"title": _shortened(title)}))
        data = {"id": message_id, **payload["message"], "timestamp": self._clock(), "follows": follows or newest}
        if author is not None:
            data["author"] = author
        events.append(("user_message", data))
        self._append(*events, blobs=said.blobs)
        if payload.get("steer") and self._run is not None and said.parts is None:
            with self._steering_lock:
                self._steering.append(message_id)
        else:
            self._queue.append(message_id)
            self._start_next()

    def _is_repeated(self, message_id: str, payload: JSON) -> bool:
        message = self._message(message_id)
        if message is None:
            return False
        # After a restart the payload is known by what the log has of it.
        known = self._payloads.get(message_id)
        logged = {name: message[name] for name in ("content", "parts") if name in message}
        if (known == payload) if known is not None else (payload["message"] == logged):
            return True
        raise ProtocolError("id_conflict", f"another message has the id {message_id!r} already", message_id)

    def _withdraw(self, message_id: str) -> None:
        with self._steering_lock:
            if message_id in self._steering:
                self._steering.remove(message_id)
                self._queue.append(message_id)
        if message_id in self._queue:
            self._queue.remove(message_id)
            self._append(("message_withdrawn", {"message_id": message_id, "reason": "withdrawn"}))
        elif self._message(message_id) is None:
            raise ProtocolError("unknown_message", f"there is no message {message_id!r}")

    def _withdraw_queue(self, reason: str) -> None:
        self._requeue_steering()
        events = [("message_withdrawn", {"message_id": message_id, "reason": reason}) for message_id in self._queue]
        self._queue.clear()
        self._append(*events)

    def _message(self, message_id: str) -> TranscriptMessage | None:
        return next((m for m in reversed(self.state["messages"]) if m["id"] == message_id), None)

    # Runs

    def _start_next(self) -> None:
        if self._run is None and self._queue and not self._waits_for_room:
            self._waits_for_room = True
            self._runner.when_free(self._begin_next)

    def _begin_next(self) -> bool:
        """There is room for a run: begin the next one, if it is still wanted."""
        self._waits_for_room = False
        if self.ended is None and self._run is None and self._queue:
            self._guard(self._begin_run)
        return self._run is not None

    def _begin_run(self) -> None:
        message_id = self._queue.popleft()
        message = self._message(message_id)
        payload = self._payloads.get(message_id)
        if message is None or payload is None:
            return
        agent_name = clean_text(payload["agent_name"])
        run_id = secrets.token_hex(6)
        steps = RunSteps(run_id, agent_name, self._clock, self._record.put_blob)
        run = self._run = _Run(run_id, message_id, agent_name, self._clock(), steps)
        data = {
            "run_id": run_id,
            "message_id": message_id,
            "agent_name": agent_name,
            "enable_reasoning": payload.get("enable_reasoning", True),
            "timestamp": run.started,
        }
        self._append(("run_started", data))
        spec = RunSpec(
            run_id=run_id,
            agent_name=agent_name,
            prompt=message_in_words(message),
            parts=restored(message.get("parts", ()), self.blob),
            max_iterations=payload.get("max_iterations", DEFAULT_MAX_ITERATIONS),
            history=self._history(message),
        )
        host = RunHost(
            on_steps=lambda steps: self._guard(self._on_steps, run, steps),
            on_end=lambda error, explanation, raised=None: self._guard(self._on_end, run, error, explanation, raised),
            on_request=lambda request, answer: self._on_request(run, request, answer),
            on_keep=lambda value, step_id: self._on_keep(run, value, step_id),
            steering=lambda: self._take_steering(run),
        )
        run.handle = self._runner.start(spec, host)

    def _history(self, message: TranscriptMessage) -> list[Turn]:
        """The earlier turns on the path from `message` to the root of the conversation."""
        turns: list[Turn] = []
        blobs = _Blobs(self.blob, _MAX_EARLIER)
        follows = message["follows"]
        while follows is not None:
            step = self.state["steps"].get(follows)
            if step is not None:
                run = find_run(self.state, step["run_id"])
                earlier = self._message(run["message_id"]) if run else None
            else:
                earlier = self._message(follows)
            if earlier is None:
                break
            if earlier["run_id"] is not None and not earlier["steered"]:
                turns.append(self._turn(earlier, blobs))
            follows = earlier["follows"]
        turns.reverse()
        return turns

    def _turn(self, message: TranscriptMessage, blobs: _Blobs) -> Turn:
        run = find_run(self.state, message["run_id"]) if message["run_id"] is not None else None
        steps: list[ReasoningStep] = [self.state["steps"][step_id].copy() for step_id in run["steps"]] if run else []
        answers = (s["content"] for s in steps if s["type"] == "final_answer")
        turn: Turn = {"prompt": message_in_words(message), "answer": next(answers, ""), "steps": steps}
        if "parts" in message:
            turn["parts"] = restored(message["parts"], blobs.get)
        return turn

    def _on_steps(self, run: _Run, steps: list[Step]) -> None:
        if run is not self._run or run.stopping:
            return
        try:
            changes = run.steps.take(steps)
        except Exception as error:  # noqa: BLE001 (whatever an agent yields ends its run, and is told)
            if run.handle is not None:
                run.handle.stop()
            self._finish(run, "failed", error=f"A step of the agent was not understood: {redact(repr(error))}.")
            return
        self._append(*(("reasoning_step", snapshot) for snapshot in changes.snapshots), notify=False)
        for grown in changes.grown:
            self._record.grow(grown)
        self._notify()
        if changes.grown and self._open_text_timer is None:
            self._open_text_timer = self._loop.call_later(_OPEN_TEXT_INTERVAL, self._guard, self._save_open_text)

    def _on_end(self, run: _Run, error: BaseException | None, explanation: str, raised: Raised | None) -> None:
        if run.stopping or isinstance(error, Stopped | asyncio.CancelledError):
            self._finish(run, "stopped")
        elif error is None:
            self._finish(run, "failed" if self._ended_in_error(run) else "completed")
        else:
            status: RunStatus = "max_iterations" if isinstance(error, MaxIterationsReached) else "failed"
            self._finish(run, status, error=explanation, raised=raised)

    def _ended_in_error(self, run: _Run) -> bool:
        """Whether the agent has said what went wrong, and no answer after it."""
        known = find_run(self.state, run.run_id)
        steps = [self.state["steps"][step_id] for step_id in known["steps"]] if known else []
        said = [step["type"] for step in steps if "parent_id" not in step and step["type"] in PLAIN_STEP_TYPES]
        return said[-1:] == ["error"]

    def _finish(
        self, run: _Run, status: RunStatus, *, error: str = "", raised: Raised | None = None, abandoned: bool = False
    ) -> None:
        if run is not self._run:
            return
        if run.timer is not None:
            run.timer.cancel()
        self._close_requests(run, "stopped")
        ends: dict[str, StepStatus] = {
            "completed": "done",
            "stopped": "stopped",
            "interrupted": "stopped",
            "max_iterations": "done",
        }
        snapshots = run.steps.close(ends.get(status, "failed"), abandoned=abandoned)
        if error:
            snapshots.append(run.steps.error(error, raised))
        data = {
            "run_id": run.run_id,
            "status": status,
            "usage": self._record.usage(run.run_id, cast("list[ReasoningStep]", snapshots)),
            "duration": max(0.0, self._clock() - run.started),
        }
        self._run = None
        self._append(*(("reasoning_step", snapshot) for snapshot in snapshots), ("run_finished", data))
        if status in ("stopped", "interrupted"):
            self._withdraw_queue(status)
        self._requeue_steering()
        self._start_next()

    def _abandon(self, run: _Run) -> None:
        self._finish(run, "stopped", abandoned=True)

    def _on_keep(self, run: _Run, value: object, step_id: str | None) -> None:
        known = run.steps.newest_open("tool_result") if step_id is None else run.steps.wire_id(step_id)
        if run is self._run and known is not None:
            self.results[known] = value

    # Steering

    def _take_steering(self, run: _Run) -> list[str]:
        """Called in the run's thread."""
        with self._steering_lock:
            taken, self._steering = self._steering, []
        self._loop.call_soon_threadsafe(self._guard, self._log_steering, run, taken)
        messages = (self._message(message_id) for message_id in taken)
        return [message["content"] for message in messages if message is not None]

    def _log_steering(self, run: _Run, message_ids: list[str]) -> None:
        events = [("message_steered", {"message_id": m, "run_id": run.run_id}) for m in message_ids]
        if run is self._run:
            self._append(*events)

    def _requeue_steering(self) -> None:
        """What no model call took in time is asked like any other message."""
        with self._steering_lock:
            taken, self._steering = self._steering, []
        self._queue.extend(taken)

    # Requests

    def _on_request(self, run: _Run, request: JSON, answer: Future[Any]) -> None:
        if run is not self._run or run.stopping:
            answer.set_exception(Stopped())
            return
        try:
            check_request(request)
        except ValueError as error:
            answer.set_exception(error)
            return
        request_id = secrets.token_hex(6)
        timeout = request.get("timeout")
        data: JSON = {
            "request_id": request_id,
            "run_id": run.run_id,
            "step_id": run.steps.newest_open("tool_result"),
            "kind": request["kind"],
            "prompt": clean_text(str(request.get("prompt", ""))),
            "timestamp": self._clock(),
            "expires": self._clock() + timeout if timeout is not None else None,
        }
        data.update({name: clean_json(request[name]) for name in ("options", "details") if request.get(name)})
        run.requests[request_id] = answer
        self._guard(self._append, ("request", data))
        if timeout is not None:
            self._loop.call_later(timeout, self._guard, self._expire, run, request_id)

    def _answer(self, request_id: str, value: Any, by: str | None) -> None:
        if request_id not in self.state["requests"]:
            raise ProtocolError("unknown_request", f"there is no request {request_id!r}")
        answer = self._run.requests.pop(request_id, None) if self._run else None
        if answer is not None:
            value = clean_json(value)
            data = {"request_id": request_id, "reason": "answered", "value": value}
            self._append(("request_closed", data if by is None else {**data, "by": by}))
            answer.set_result(value)

    def _expire(self, run: _Run, request_id: str) -> None:
        answer = run.requests.pop(request_id, None)
        if answer is not None:
            self._append(("request_closed", {"request_id": request_id, "reason": "expired"}))
            answer.set_result(None)

    def _close_requests(self, run: _Run, reason: str, *, log: bool = True) -> None:
        requests, run.requests = run.requests, {}
        if log:
            self._append(*(("request_closed", {"request_id": r, "reason": reason}) for r in requests))
        for answer in requests.values():
            answer.set_exception(Stopped())

    # The log

    def _append(
        self, *events: tuple[str, JSON], blobs: Mapping[str, Any] = MappingProxyType({}), notify: bool = True
    ) -> None:
        """Log events, fold them, and let the watchers know: what is shown is safe."""
        self._record.append(*events, blobs=blobs)
        if events and notify:
            self._notify()

    def _notify(self) -> None:
        for watcher in self._watchers:
            watcher.notify()

    def _save_open_text(self) -> None:
        self._open_text_timer = None
        self._record.save_open_text()


def _cleaned(message: str | list[JSON]) -> str | list[Any]:
    """A prompt without what no UTF-8 can hold, and without what parts have besides texts."""
    if isinstance(message, str):
        return clean_text(message)
    return [{name: clean_text(value) for name, value in part.items() if isinstance(value, str)} for part in message]


def _as_started(run: TranscriptRun) -> RunStartedData:
    return {
        "run_id": run["run_id"],
        "message_id": run["message_id"],
        "agent_name": run["agent_name"],
        "enable_reasoning": run["enable_reasoning"],
        "timestamp": run["timestamp"],
    }


def _logged(said: Accepted) -> JSON:
    """What an event says of a prompt."""
    return {"content": said.content} if said.parts is None else {"content": said.content, "parts": said.parts}


class _Blobs:
    """The contents of attachments, until they are together longer than `room` code points of base64."""

    def __init__(self, blob: Callable[[str], Any], room: int) -> None:
        self._blob = blob
        self._room = room

    def get(self, sha256: str) -> Any:
        """One of them.

        Raises:
            KeyError: It is not there, or there is no room any more.
        """
        content = self._blob(sha256) if self._room > 0 else None  # what is not handed over is not read
        self._room -= len(content or "")
        if content is None or self._room < 0:
            raise KeyError(sha256)
        return content


def _shortened(title: str) -> str:
    return shortened(title, _TITLE_LENGTH)
