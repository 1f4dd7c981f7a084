"""`ReasoningChat`: the face of a session in a notebook."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import math
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, cast, overload

import anywidget
import traitlets

from ..agents.manager import AgentManager, as_agent
from ..agents.models import ModelChoice, choose_model
from ..answer import Answer, answer_to, run_of, steps_of
from ..compat.pyplot import spare_open_figures
from ..fold import TranscriptRun
from ..host import can_show, page_expected
from ..parts import Prompt, as_message
from ..protocol import JSON, TERMINAL_STEP_STATUSES, Frame, ReasoningStep
from ..session.runner import ThreadRunner
from ..session.session import Session
from ..session.thread import on_loop, session_loop
from ..session.watcher import Watcher
from .arguments import check_agents, check_llm, check_names
from .built import built_module
from .core import SmallLayout, core_reference, core_source, core_version
from .display import SavedView
from .ending import refresh_at_the_end
from .exports import Exports
from .kept import open_log
from .link import CommLink, keep_messages_off_the_cell, with_buffers
from .model import ModelStatus
from .run_view import RunView
from .saving import Saving, maker

if TYPE_CHECKING:
    from ..export.log import SessionFile

_SLICE = 0.1  # seconds; how long a blocked cell waits before it can see an interrupt
AFTER_LAST_TOKEN = 0.05  # seconds; what is saved is made once the end of the answer is on its way to the pages
_STOP_TIMEOUT = 3.0  # seconds an interrupted `ask` waits for its run to be closed


async def stay_awake() -> None:
    """Keep the loop turning: ipykernel's interrupt of an awaiting cell is only seen when the loop does."""
    while True:  # noqa: ASYNC110 (nothing is waited for: the loop is kept turning)
        await asyncio.sleep(_SLICE)


def _new_id() -> str:
    return f"m-{secrets.token_hex(6)}"


class _Question(NamedTuple):
    """A message that was accepted."""

    message_id: str
    epoch: str
    seq: int
    """The last event before it."""


class _Name(str):
    """A name for `dir`, which sorts what it is given.

    Args:
        name: The name.
        first: Whether it is to stand before those of which this is not so.
    """

    __slots__ = ("first",)
    first: bool

    def __new__(cls, name: str, *, first: bool) -> Self:
        """The name itself, but for its place."""
        made = super().__new__(cls, name)
        made.first = first
        return made

    def __lt__(self, other: str) -> bool:
        """By its place, then as any text."""
        if not isinstance(other, _Name) or self.first == other.first:
            return str.__lt__(self, other)
        return self.first


class ReasoningChat(Exports, anywidget.AnyWidget):
    """A chat with an agent, whose steps appear as they happen. Display it, or ask from code; both share one session.

    Args:
        agent: The name of a registered agent, a `qwen_agent.Agent`, a `BaseAgent`, or a function that takes the prompt
            and yields steps or returns the answer.
        llm: A Qwen-Agent model configuration for the included agents; by default the model that
            `reasoning_widget.models()` reports.
        agents: The manager that knows agents by name; by default, the configured and installed agents.
        session_id: 1 to 128 characters of ``A-Z a-z 0-9 _ -``; a random one if absent. With `server`, the session to
            show, which is created with its first message.
        resume: Whether to keep the conversation in a file in Jupyter's data directory, and to continue the one with
            this `session_id`. Without it, a conversation ends with its kernel.
        save: Whether the notebook file keeps the transcript beside the live view.
        server: The address of a Jupyter server: show one of its sessions, and ask its agents. The page connects to it
            directly.
        token: The server's token; by default the environment variable `REASONING_WIDGET_TOKEN`. It stays in the kernel.
        ticket: A ticket for the session, instead of the token.

    Raises:
        UnknownAgentError: There is no agent with this name; the error lists the known agents.
        TypeError: `agent` cannot be asked, or another argument is unknown or has the wrong type.
        ValueError: The session id is malformed, or missing with `resume`; the server's address is invalid, or both
            token and ticket are missing; or `llm` names no model.
        ConversationInUse: Another kernel uses the conversation that should be resumed.
        StorageError: The file of the conversation cannot be read or written.
    """

    _esm = built_module("loader.js")
    _core = traitlets.Unicode(help="The hidden widget that brings what draws the chat.").tag(sync=True)
    _core_version = traitlets.Unicode(help="Which version of it this chat goes with.").tag(sync=True)

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """One of the kernel's own sessions, or one of a server."""
        kind = cls
        if options.get("server") is not None:
            from .connected import ConnectedChat  # noqa: PLC0415 (it is made of this class)

            kind = cast("type[Self]", ConnectedChat)  # whose `__init__` is then called
        return cast("Self", super().__new__(kind, *args, **options))

    @overload
    def __init__(
        self,
        agent: Any = "researcher",
        *,
        llm: JSON | None = None,
        agents: AgentManager | None = None,
        session_id: str | None = None,
        resume: bool = False,
        save: bool = True,
        _file: SessionFile | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self, *, server: str, session_id: str, token: str | None = None, ticket: str | None = None, save: bool = True
    ) -> None: ...

    def __init__(  # noqa: PLR0913 (each has a name of its own)
        self,
        agent: Any = "researcher",
        *,
        llm: JSON | None = None,
        agents: AgentManager | None = None,
        session_id: str | None = None,
        resume: bool = False,
        save: bool = True,
        server: str | None = None,  # with one it is a `ConnectedChat`
        token: str | None = None,
        ticket: str | None = None,
        _file: SessionFile | None = None,
        **others: Any,
    ) -> None:
        check_names(others, ARGUMENTS)
        if token is not None or ticket is not None:
            raise TypeError("`token` and `ticket` go with `server`, the address of a Jupyter server: name it, too")
        check_agents(agents)
        check_llm(llm)
        self._agents = copy.copy(agents) if agents is not None else AgentManager()
        if llm is not None:
            self._agents.use_model(llm)
        self._agent_name = self._register(agent)
        self._views: list[SavedView] = []
        self._asked: set[str] = set()  # the messages that `ask` and `stream` wait for
        self._log = on_loop(lambda: open_log(session_id, self, resume=resume, file=_file))
        self._open_widget()
        self._model = ModelStatus(llm, self._announce)
        self._session, self._link = on_loop(self._open, session_id or secrets.token_hex(8))
        self._saving = Saving(self._session, wanted=save)
        refresh_at_the_end(self)
        self.on_msg(self._receive)
        if isinstance(agent, str):  # an agent object brings its own model
            self._model.look()

    def __dir__(self) -> Iterable[str]:
        """Its own names, and then those that every widget has."""
        own = {name for kind in (ReasoningChat, Exports) for name in vars(kind) if not name.startswith("_")}
        return [_Name(name, first=name in own) for name in super().__dir__()]

    def _open_widget(self) -> None:
        """Make the widget known to the pages."""
        self._page_expected = page_expected()
        core = core_reference() if self._page_expected else ""  # whoever comes all the same asks for it
        anywidget.AnyWidget.__init__(self, _core=core, _core_version=core_version(), layout=SmallLayout())

    def _register(self, agent: Any) -> str:
        if isinstance(agent, str):
            self._agents.check(agent)
            return agent
        wrapped = as_agent(agent)
        wrapped.used_by(self._agents)
        self._agents.register(wrapped.name, lambda: wrapped, wrapped.description)
        return wrapped.name

    def _open(self, session_id: str) -> tuple[Session, CommLink]:
        """On the loop: begin the session and connect it to the comm."""
        session = Session(
            session_id,
            log=self._log,
            agents=self._agents,
            runner=ThreadRunner(self._agents),
            agent_name=self._agent_name,
        )
        keep_messages_off_the_cell(self.comm)
        link = CommLink(session, self._send_custom, self._model.frame, self._model.pull, self._forms_aside)
        self._refreshing = asyncio.get_running_loop().create_task(self._refresh_after_runs(session))
        return session, link

    def close(self) -> None:
        """Stop the active run and release the session."""
        super().close()
        if hasattr(self, "_link"):
            with contextlib.suppress(RuntimeError):  # the interpreter ends, and the loop has
                on_loop(self._close_on_loop)
            self._close_agents()

    def _close_agents(self) -> None:
        """Let go of what the agents hold, such as MCP servers."""
        self._agents.close()

    def _close_on_loop(self) -> None:
        self._refreshing.cancel()
        self._link.close()
        self._session.close()
        self._log.close()

    def end(self) -> None:
        """On the loop: close what is open and refresh what is saved, because the kernel ends."""
        if self._session.ended is None:
            self._session.interrupt()
            self._refresh()
            self._close_on_loop()
        self._agents.close()

    # The comm

    def _send_custom(self, message: JSON) -> None:
        if self.comm is not None:
            self.send(message)

    def _receive(self, _widget: object, content: Any, buffers: Sequence[memoryview]) -> None:
        # On a subshell's thread or the kernel's own: it may not wait for anything.
        spare_open_figures()
        loop = session_loop()
        if not self._page_expected:
            self._page_expected = True
            maker().submit(self._refresh)
        if isinstance(content, dict) and content.get("type") == "core":
            loop.call_soon_threadsafe(self._send_custom, {"type": "core", "data": core_source()})
        else:
            loop.call_soon_threadsafe(self._link.receive, with_buffers(content, buffers))

    def _announce(self, frame: Frame) -> None:
        session_loop().call_soon_threadsafe(self._link.announce, [frame])

    # Asking

    def ask(
        self, prompt: Prompt, *, agent: str | None = None, reasoning: bool = True, max_iterations: int | None = None
    ) -> Answer:
        """Ask the agent, show the cards of this run below the cell, and wait until the run ends.

        Interrupting the kernel stops the run.

        Args:
            prompt: A text, or a list of parts such as
                ``[{"text": "What is this?"}, {"image": "plot.png"}, {"file": "table.csv"}]``. An image or a file is a
                path, bytes, or a `data:` URL; `name` gives it a name.
            agent: The name of the agent to ask instead of the chat's own.
            reasoning: Whether the steps before the answer are shown.
            max_iterations: The number of model calls that the run may make.

        Returns:
            The answer, even if the run failed; check its `status` and `error`.

        Raises:
            ValueError: The prompt is empty or too long, or a part of it cannot be read or is refused.
            KeyboardInterrupt: The kernel was interrupted; the run has been stopped.
        """
        message_id = _new_id()
        view: SavedView | None = None
        try:
            question = self._post(message_id, prompt, agent, reasoning, max_iterations)
            if can_show():
                view = self._run_view(message_id)
                view.show()
            self._wait(question)
            return on_loop(answer_to, self._session.state, question.message_id)
        except KeyboardInterrupt:
            on_loop(self._cancel, message_id)
            self._wait(_Question(message_id, self._session.epoch, 0), _STOP_TIMEOUT)
            raise
        finally:
            self._save(message_id, view)

    async def stream(
        self,
        prompt: Prompt,
        *,
        agent: str | None = None,
        reasoning: bool = True,
        max_iterations: int | None = None,
        tokens: bool = False,
    ) -> AsyncIterator[ReasoningStep]:
        """Ask the agent, show the cards, and yield each complete step. Leaving the loop early stops the run.

        Args:
            prompt: A text or a list of parts, as for `ask`.
            agent: The name of the agent to ask instead of the chat's own.
            reasoning: Whether the steps before the answer are shown.
            max_iterations: The number of model calls that the run may make.
            tokens: Also yield a step each time it grows; its `status` is then ``streaming``.

        Raises:
            ValueError: The prompt is empty or too long, or a part of it cannot be read or is refused.
        """
        question = self._post(_new_id(), prompt, agent, reasoning, max_iterations)
        view = self._run_view(question.message_id) if can_show() else None
        if view is not None:
            view.show()
        here = asyncio.get_running_loop()
        arrived: asyncio.Queue[ReasoningStep | None] = asyncio.Queue()

        def hand_over(step: ReasoningStep | None) -> None:
            with contextlib.suppress(RuntimeError):  # the caller's loop has ended
                here.call_soon_threadsafe(arrived.put_nowait, step)

        following = asyncio.run_coroutine_threadsafe(self._follow(question, hand_over, tokens=tokens), session_loop())
        awake = here.create_task(stay_awake())
        try:
            while (step := await arrived.get()) is not None:
                yield step
        finally:
            awake.cancel()
            if not following.done():
                session_loop().call_soon_threadsafe(self._cancel, question.message_id)
                settled = asyncio.wrap_future(following)
                with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                    await asyncio.wait_for(asyncio.shield(settled), _STOP_TIMEOUT)
            self._save(question.message_id, view)

    def stop(self) -> None:
        """Stop the active run, and withdraw queued prompts."""
        on_loop(self._session.stop)

    def clear(self) -> None:
        """Stop the active run, delete the conversation and start a new one."""
        on_loop(self._session.clear)

    @property
    def steps(self) -> list[ReasoningStep]:
        """Every step of the conversation, in order, as plain data."""
        state = self._session.state
        return on_loop(lambda: [step for run in state["runs"] for step in steps_of(state, run)])

    @property
    def runs(self) -> list[TranscriptRun]:
        """Every run of the conversation, in order, as plain data; `steps` are the ids of its steps."""
        return on_loop(lambda: copy.deepcopy(self._session.state["runs"]))

    @property
    def results(self) -> dict[str, object]:
        """The Python objects that tools returned, by step id. `clear` removes them."""
        return self._session.results

    @property
    def llm(self) -> ModelChoice:
        """Which model answers, and why. It never shows a key."""
        return choose_model(self._model.llm)

    def _post(
        self, message_id: str, prompt: Prompt, agent: str | None, reasoning: bool, max_iterations: int | None
    ) -> _Question:
        if agent is not None:
            self._agents.check(agent)
        message = as_message(prompt)
        payload: JSON = {"message": message, "agent_name": agent or self._agent_name, "enable_reasoning": reasoning}
        if max_iterations is not None:
            payload["max_iterations"] = max_iterations

        def put() -> _Question:
            session = self._session
            question = _Question(message_id, session.epoch, session.state["last_seq"])
            for reply in session.handle({"type": "chat", "id": message_id, "payload": payload}):
                if reply["type"] == "error":
                    raise ValueError(reply["data"]["message"])
            self._asked.add(message_id)
            return question

        return on_loop(put)

    def _wait(self, question: _Question, timeout: float = math.inf) -> None:
        """Wait until the question is settled, in slices, between which Python can raise a pending interrupt."""
        session = self._session
        settled = asyncio.run_coroutine_threadsafe(
            session.wait_for(lambda: session.message_is_settled(question.message_id, question.epoch)), session_loop()
        )
        deadline = time.monotonic() + timeout
        try:
            while not settled.done() and time.monotonic() < deadline:
                with contextlib.suppress(TimeoutError):
                    settled.result(_SLICE)
        finally:
            settled.cancel()

    # On the loop

    def _cancel(self, message_id: str) -> None:
        """Stop the message's run, or take it back if it has none yet."""
        run = run_of(self._session.state, message_id)
        if run is not None:
            self._session.stop(run["run_id"])
        else:
            self._session.handle({"type": "withdraw", "payload": {"message_id": message_id}})

    async def _follow(
        self, question: _Question, hand_over: Callable[[ReasoningStep | None], None], *, tokens: bool
    ) -> None:
        """Hand over the steps of one question's run as they change, and None when nothing more will come."""
        session = self._session
        watcher = Watcher(session, question.epoch, question.seq)
        try:
            settled = False
            while not settled:
                await watcher.changed()
                settled = session.message_is_settled(question.message_id, question.epoch)
                for step in self._changed_steps(watcher.take()["frames"], question.message_id):
                    if tokens or step["status"] in TERMINAL_STEP_STATUSES:
                        hand_over(step)
        finally:
            watcher.close()
            hand_over(None)

    def _changed_steps(self, frames: list[Frame], message_id: str) -> list[ReasoningStep]:
        """The steps of a message's run that `frames` are about, each once, as they are now."""
        run = run_of(self._session.state, message_id)
        changed = {frame["data"].get("id") or frame["data"].get("step_id") for frame in frames}
        return [step for step in steps_of(self._session.state, run) if step["id"] in changed] if run is not None else []

    # What is shown and saved

    def _ipython_display_(self) -> None:
        view = SavedView(lambda: self, lambda: self._page_expected, lambda: self._forms(None))
        self._views.append(view)
        view.show()

    def _run_view(self, message_id: str) -> SavedView:
        """The view of one question, not shown yet."""
        return SavedView(
            lambda: RunView(self.model_id, message_id), lambda: self._page_expected, lambda: self._forms(message_id)
        )

    def _refresh(self) -> None:
        """Have what is saved be as it is now. It takes a while."""
        for view in list(self._views):
            view.refresh()

    def _forms(self, message_id: str | None) -> JSON:
        def look() -> str:
            self._saving.take()
            return repr(self)

        return self._saving.forms(on_loop(look), message_id)

    async def _forms_aside(self, message_id: str | None) -> JSON:
        """On the loop, which goes on meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(maker(), self._forms, message_id)

    def _save(self, message_id: str, view: SavedView | None) -> None:
        """Refresh what is saved, on behalf of the cell that asked.

        Programs that execute a notebook, such as nbclient, take updates only from the cell that runs.
        """
        on_loop(self._asked.discard, message_id)
        for each in (*self._views, *([view] if view else [])):
            each.refresh()

    async def _refresh_after_runs(self, session: Session) -> None:
        """Refresh what is saved when a run ends that was asked from a page."""

        def finished() -> tuple[str, frozenset[str]]:
            ended = (run["message_id"] for run in session.state["runs"] if run["status"] != "running")
            return session.epoch, frozenset(ended) - self._asked

        while True:
            seen = finished()
            await session.wait_for(lambda seen=seen: finished() != seen)  # type: ignore[misc]
            await asyncio.sleep(AFTER_LAST_TOKEN)
            await asyncio.get_running_loop().run_in_executor(maker(), self._refresh)

    def __repr__(self) -> str:
        runs = self._session.state["runs"]
        steps = self._session.state["steps"]
        return f"<ReasoningChat with {self._agent_name}: {len(runs)} runs, {len(steps)} steps>"


def _shown_signature() -> inspect.Signature:
    """What `ReasoningChat` takes, for `help` and `ReasoningChat?`, which would ask `__new__`."""
    known = inspect.signature(ReasoningChat.__init__)
    shown = [
        each.replace(annotation=each.empty)  # as texts they would be shown in quotes
        for each in known.parameters.values()
        if each.kind != each.VAR_KEYWORD and each.name != "_file"
    ]
    return known.replace(parameters=shown, return_annotation=known.empty)


_signature = _shown_signature()
ReasoningChat.__new__.__signature__ = _signature  # type: ignore[attr-defined] # functions have it
ARGUMENTS: Final = tuple(_signature.parameters)[1:]
"""The names of what `ReasoningChat` may be given."""
