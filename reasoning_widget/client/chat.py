"""`Chat`: a program's connection to a session of a server."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
from collections.abc import AsyncIterator
from typing import Any, Final
from weakref import WeakSet, WeakValueDictionary

from ..answer import run_of, steps_of
from ..depth import is_deep
from ..fold import Transcript, TranscriptMessage, TranscriptRequest, TranscriptRun, step_key
from ..parts import Prompt, as_message
from ..protocol import JSON, Author, Frame, ProtocolError, ReasoningStep, too_deep
from .address import Address
from .errors import Disconnected, NotAllowed
from .following import Following, OnRequest, Question, watched_steps
from .link import Close, Connect, Connection, Link, Send
from .transport import WebSocketTransport
from .values import Values

DEFAULT_AGENT: Final = "researcher"

_CLOSE_TIMEOUT: Final = 10.0  # seconds for the acknowledgement of sent messages

_logger = logging.getLogger("reasoning_widget.client")


class Chat:
    """A session of a server, for asynchronous code. `connect` returns it.

    Use it on the event loop on which it was opened. It reconnects by itself and loses nothing; see `connect`.

    Attributes:
        session_id: The session's id.
        author: The user that this client writes as; None if the server does not distinguish users.
        followers: Iterators that are notified of changes.
    """

    def __init__(self, address: Address, session_id: str, link: Link) -> None:
        self.session_id = session_id
        self.followers: WeakSet[Following] = WeakSet()
        self._address = address
        self._link = link
        self._values = Values(link)
        self._loop = asyncio.get_running_loop()
        self._transport = WebSocketTransport(address, session_id, self._on_frame, self._on_lost, self._on_rejected)
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._acks: dict[str, asyncio.Future[None]] = {}
        self._questions: WeakValueDictionary[str, Question] = WeakValueDictionary()
        self._agents: list[JSON] = []
        self._agent_name = DEFAULT_AGENT
        self.author: Author | None = None

    def __repr__(self) -> str:
        runs, steps = len(self.state["runs"]), len(self.state["steps"])
        return f"<Chat {self.session_id} at {self._address.base}: {self.connection.state}, {runs} runs, {steps} steps>"

    # Connecting, see `connect`

    async def open(self) -> None:
        """Connect, and wait until the transcript is complete.

        Raises:
            Disconnected: The connection failed. The message says why.
            NotAllowed: The server refuses access.
        """
        self._link.connect()
        self._perform_actions()
        try:
            await self._caught_up()
        except BaseException:
            await self._disconnect()
            raise

    async def close(self) -> None:
        """Disconnect after the server has acknowledged all messages, or after 10 s. Runs continue."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                while self.waiting and self.connection.state == "open":
                    self._changed.clear()
                    await self._changed.wait()
        await self._disconnect()

    async def _caught_up(self) -> None:
        while not (self._link.caught_up and self._values.complete):
            if self.connection.state not in ("connecting", "open"):
                raise self._disconnected()
            self._changed.clear()
            await self._changed.wait()

    async def reconnect(self) -> None:
        """Connect again now, before the next scheduled attempt or after the last one.

        Raises:
            Disconnected: The attempt failed. Further attempts follow, unless the server refuses access.
        """
        self._link.connect()
        self._perform_actions()
        await self._caught_up()

    # Sending

    def ask(
        self,
        prompt: Prompt,
        *,
        agent: str | None = None,
        reasoning: bool = True,
        max_iterations: int | None = None,
        tokens: bool = False,
        on_request: OnRequest | None = None,
    ) -> Question:
        """Send a prompt, at once or as soon as the connection is back.

        Args:
            prompt: A text, or a list of parts such as
                ``[{"text": "What is this?"}, {"image": "plot.png"}, {"file": "table.csv"}]``. An image or a file is a
                path, bytes, or a `data:` URL; `name` gives it a name.
            agent: The name of the agent to ask; by default `agent_name`.
            reasoning: Whether the steps before the answer are sent.
            max_iterations: The number of model calls that the run may make.
            tokens: Also yield a step each time it grows; its `status` is then ``streaming``.
            on_request: Called with each request of the agent. It returns the reply, or an awaitable of it. If it
                returns None, or if absent, the run waits for another client to reply.

        Returns:
            The prompt, from which the steps or the answer can be read.

        Raises:
            UnknownAgentError: The server has no agent with this name. The message lists the known agents. Nothing was
                sent.
            ValueError: A part cannot be read or is rejected, or the prompt is too long (a `ProtocolError`).
            Disconnected: The chat was closed, or the session was deleted.
        """
        asked = agent or self.agent_name
        self._check_agent(asked)
        payload: JSON = {
            "message": as_message(prompt),
            "agent_name": asked,
            "enable_reasoning": reasoning,
        }
        if max_iterations is not None:
            payload["max_iterations"] = max_iterations
        question = Question(self, self._send("chat", payload), tokens=tokens, on_request=on_request)
        self._questions[question.id] = question
        return question

    def _check_agent(self, name: str) -> None:
        """Reject an unknown agent here, because the prompt would already create the session."""
        known = [info["name"] for info in self._agents]
        if known and name not in known:
            from ..agents.manager import UnknownAgentError

            raise UnknownAgentError(name, known)

    def watch(self, *, tokens: bool = False) -> AsyncIterator[ReasoningStep]:
        """Yield each complete step of all runs from now on, including those of other clients' prompts.

        Args:
            tokens: Also yield a step each time it grows.

        Raises:
            Disconnected: The connection was lost for good while reading.
        """
        return watched_steps(Following(self), self, tokens=tokens)

    async def stop(self) -> None:
        """Stop the active run, if there is one, and withdraw queued prompts.

        Raises:
            Disconnected: There is no connection. `stop` does not wait for one.
        """
        run = next((run for run in reversed(self.state["runs"]) if run["status"] == "running"), None)
        if run is not None:
            await self._acknowledged("stop", {"run_id": run["run_id"]})

    async def answer(self, request_id: str, value: Any) -> None:
        """Reply to a request of the agent. The first reply counts.

        Args:
            request_id: The `request_id` of one of the `requests`.
            value: A boolean for an approval, a text for a question.

        Raises:
            ProtocolError: There is no such request, or the value is nested too deeply.
            Disconnected: The connection was lost for good before the reply was acknowledged.
        """
        if is_deep(value):
            raise too_deep()
        await self._acknowledged("answer", {"request_id": request_id, "value": value})

    async def clear(self) -> None:
        """Stop the active run, delete the conversation and start a new one, for all clients.

        Raises:
            Disconnected: The connection was lost for good before this was acknowledged.
        """
        await self._acknowledged("clear", {"epoch": self.state["epoch"]})

    async def cancel(self, question: Question) -> None:
        """Stop the run of a prompt, or withdraw the prompt if it is still queued.

        Raises:
            Disconnected: There is no connection, or the prompt was never sent.
        """
        link = self._link
        if question.id in link.pending and not link.was_sent(question.id):
            link.drop(question.id)
            raise Disconnected("The prompt was never sent.")
        if run_of(self.state, question.id) is None:
            await self._acknowledged("withdraw", {"message_id": question.id})
            following = Following(self)
            while run_of(self.state, question.id) is None and not question.settled:
                await following.changed()
                following.pop_changes()
        run = run_of(self.state, question.id)
        if run is not None and run["status"] == "running":
            await self._acknowledged("stop", {"run_id": run["run_id"]})

    # Reading

    @property
    def connection(self) -> Connection:
        """The state of the connection."""
        return self._link.connection

    @property
    def state(self) -> Transcript:
        """The current transcript, including long values. It changes as events arrive; do not modify it."""
        return self._link.state

    @property
    def steps(self) -> list[ReasoningStep]:
        """Every step of the conversation, in order, as plain data."""
        return [step for run in self.state["runs"] for step in steps_of(self.state, run)]

    @property
    def runs(self) -> list[TranscriptRun]:
        """Every run of the conversation, in order, as plain data; `steps` are the ids of its steps."""
        return copy.deepcopy(self.state["runs"])

    @property
    def messages(self) -> list[TranscriptMessage]:
        """Every prompt of the conversation, in order, as plain data. `value` fetches attachments, listed in `parts`."""
        return copy.deepcopy(self.state["messages"])

    @property
    def requests(self) -> list[TranscriptRequest]:
        """The open requests of agents."""
        return [copy.deepcopy(each) for each in self.state["requests"].values() if each["closed"] is None]

    @property
    def agents(self) -> list[JSON]:
        """The agents of the server, with their `name` and `description`."""
        return copy.deepcopy(self._agents)

    @property
    def agent_name(self) -> str:
        """The default agent: the agent of the last run, or the `researcher` if there is none."""
        runs = self.state["runs"]
        return str(runs[-1]["agent_name"]) if runs else self._agent_name

    @property
    def waiting(self) -> int:
        """The number of this client's messages that the server has not acknowledged yet."""
        return sum(message["type"] != "blob" for message in self._link.pending.values())

    async def value(self, sha256: str) -> Any:
        """Fetch a value that is stored beside the log, such as the content of an attachment, in base64.

        Args:
            sha256: The `blob` of the attachment.

        Raises:
            KeyError: There is no such value.
            Disconnected: The connection was lost for good before it arrived.
        """
        self._values.request(sha256)
        self._perform_actions()
        while self._values.is_pending(sha256):
            self.check()
            self._changed.clear()
            await self._changed.wait()
        return self._values.value(sha256)

    # Following the link

    def is_whole(self, step_id: str) -> bool:
        """Whether all values of a step have arrived."""
        return self._values.is_whole(step_id)

    def check(self) -> None:
        """Check that more events may arrive.

        Raises:
            Disconnected: The connection was given up.
        """
        if self.connection.given_up:
            raise self._disconnected()

    def _disconnected(self) -> Disconnected:
        kind = NotAllowed if self.connection.state == "refused" else Disconnected
        return kind(self.connection.reason or "There is no connection: the chat is closed.")

    def _send(self, kind: str, payload: JSON) -> str:
        if self.connection.state in ("closed", "deleted", "refused"):
            raise self._disconnected()
        message_id = self._link.send(kind, payload)
        self._perform_actions()
        return message_id

    async def _acknowledged(self, kind: str, payload: JSON) -> None:
        message_id = self._send(kind, payload)
        if message_id not in self._link.pending:
            raise Disconnected("There is no connection, and `stop` does not wait for one: the run continues.")
        future = self._acks[message_id] = self._loop.create_future()
        try:
            await future
        finally:
            self._acks.pop(message_id, None)

    def _on_frame(self, frame: Frame) -> None:
        if frame["type"] == "session":
            self._agents = frame["data"]["agents"]
            self._agent_name = frame["data"].get("agent_name") or self._agent_name
            self.author = frame["data"].get("author") or self.author
        epoch = self.state["epoch"]
        outcome = self._link.receive(frame, self._loop.time())
        if self.state["epoch"] != epoch:
            self._values.clear()
        if frame["type"] in ("ack", "error"):
            self._handle_reply(frame)
        elif frame["type"] == "blob":
            self._values.receive(frame)
        elif outcome == "applied":
            self._notify_of(frame)
        self._perform_actions()

    def _handle_reply(self, frame: Frame) -> None:
        data = frame["data"]
        message_id = data.get("id", "")
        if message_id in self._link.pending:  # it will be sent again
            return
        if self._values.handle_reply(message_id):
            self._wake_all()
            return
        future, question = self._acks.get(message_id), self._questions.get(message_id)
        if frame["type"] == "ack":
            if question is not None:
                question.on_accepted()
            if future is not None and not future.done():
                future.set_result(None)
            return
        error = ProtocolError(data["code"], data["message"], data.get("id"))
        if question is not None:
            question.on_rejected(error)
        elif future is not None and not future.done():
            future.set_exception(error)
        else:
            _logger.warning("the server rejected a message: %s", error)

    def _notify_of(self, frame: Frame) -> None:
        kind, data = frame["type"], frame["data"]
        if kind == "reasoning_step":
            step_id = step_key(data, frame["seq"])
            self._values.fill_step(step_id)
            self._notify("step", step_id)
        elif kind == "step_delta":
            self._notify("step", data["step_id"])
        elif kind in ("request", "request_closed"):
            self._notify("request", data["request_id"])
        elif kind in ("run_started", "run_finished"):
            self._notify("run", data["run_id"])
        elif kind == "user_message":
            self._notify("message", data["id"])
        elif kind in ("message_withdrawn", "message_steered"):
            self._notify("message", data["message_id"])
        elif kind == "session":
            self._wake_all()

    def _notify(self, kind: Any, name: str) -> None:
        for follower in list(self.followers):
            follower.add((kind, name))

    def _on_lost(self, code: int, reason: str) -> None:
        self._link.lost(code, reason, self._loop.time())
        self._perform_actions()

    def _on_rejected(self, reason: str) -> None:
        self._link.rejected(reason)
        self._perform_actions()

    def _on_deadline(self) -> None:
        self._link.tick(self._loop.time())
        self._perform_actions()

    def _perform_actions(self) -> None:
        """Perform the link's actions, and wake all waiting tasks."""
        actions, self._link.actions = self._link.actions, []
        for action in actions:
            match action:
                case Connect(epoch, after):
                    self._transport.connect(epoch, after)
                case Send(message):
                    self._transport.send(message)
                case Close():
                    self._transport.close()
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._link.deadline
        self._timer = self._loop.call_at(deadline, self._on_deadline) if deadline is not None else None
        self._fail_unacknowledged()
        self._changed.set()

    def _fail_unacknowledged(self) -> None:
        """Fail the tasks that wait for acknowledgements that cannot arrive any more."""
        given_up = self.connection.given_up
        for message_id, future in self._acks.items():
            if not future.done() and (given_up or message_id not in self._link.pending):
                future.set_exception(self._disconnected())
        if given_up:
            self._wake_all()

    def _wake_all(self) -> None:
        for follower in list(self.followers):
            follower.wake()

    async def _disconnect(self) -> None:
        self._link.close()
        self._perform_actions()
        await self._transport.wait_closed()
