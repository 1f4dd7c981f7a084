"""`ReasoningChat`: the widget of a conversation."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, overload

import anywidget
import traitlets

from ..agents.manager import AgentManager
from ..agents.models import ModelChoice
from ..answer import Answer, steps_of
from ..client import Disconnected
from ..compat.ipykernel import receive_in_subshell
from ..compat.pyplot import keep_open_figures
from ..conversation.base import Conversation
from ..conversation.local import LocalConversation
from ..conversation.persistence import open_log
from ..conversation.remote import RemoteConversation
from ..fold import Transcript, TranscriptRun
from ..host import can_show, page_expected
from ..parts import Prompt
from ..protocol import JSON, Frame, ReasoningStep, check_session_id
from ..session.log import EventLog
from ..session.thread import from_loop, on_loop, session_loop, wait
from .arguments import check_agents, check_llm, check_names, check_server
from .at_exit import close_at_exit
from .built import built_module
from .core import SmallLayout, core_reference, core_source, core_version
from .display import SavedOutput
from .exports import Exports
from .link import CommLink, with_buffers
from .model import ModelStatus
from .run_view import RunView
from .server_link import ServerLink
from .snapshots import Snapshots, snapshot_executor
from .tickets import Tickets

if TYPE_CHECKING:
    from ..export.log import SessionFile

_INTERRUPT_DELAY: Final = 0.1  # seconds until an interrupt of an awaiting cell takes effect

TOKEN_VARIABLE: Final = "REASONING_WIDGET_TOKEN"  # noqa: S105 (the name of a variable)
"""The environment variable with the token of the server."""

_RESEARCHER: Final = "researcher"
"""The default agent."""


class PageLink(Protocol):
    """The kernel's end of a comm."""

    def receive(self, raw: Any) -> None:
        """Receive a page's message."""

    def close(self) -> None:
        """Stop sending."""


async def _stay_awake() -> None:
    """Keep the event loop running, because ipykernel handles the interrupt of an awaiting cell only when it runs."""
    while True:  # noqa: ASYNC110 (there is no event to wait for)
        await asyncio.sleep(_INTERRUPT_DELAY)


class _Name(str):
    """A name for `dir`, which sorts the result of `__dir__`.

    Args:
        name: The name.
        first: Whether it is listed before the names without this flag.
    """

    __slots__ = ("first",)
    first: bool

    def __new__(cls, name: str, *, first: bool) -> Self:
        """Create the name."""
        made = super().__new__(cls, name)
        made.first = first
        return made

    def __lt__(self, other: str) -> bool:
        """Compare by `first`, then alphabetically."""
        if not isinstance(other, _Name) or self.first == other.first:
            return str.__lt__(self, other)
        return self.first


class _Signature:
    """The signature for `help` and `ReasoningChat?`: that of `__init__` instead of ipywidgets' `__new__`."""

    def __get__(self, _chat: object, kind: type[ReasoningChat]) -> inspect.Signature:
        known = inspect.signature(kind.__init__)
        _self, *parameters = known.parameters.values()
        shown = [
            each.replace(annotation=each.empty)  # because strings would be shown in quotes
            for each in parameters
            if each.kind != each.VAR_KEYWORD and not each.name.startswith("_")
        ]
        return known.replace(parameters=shown, return_annotation=known.empty)


class ReasoningChat(Exports, anywidget.AnyWidget):
    """A chat with an agent that shows the steps as they happen. Display it, or ask from code; both share one session.

    Args:
        agent: The name of a registered agent, a `qwen_agent.Agent`, a `BaseAgent`, or a function that takes the prompt
            and yields steps or returns the answer.
        llm: A Qwen-Agent model configuration for the included agents; by default the model that
            `reasoning_widget.models()` reports.
        agents: The manager with the agents by name; by default, the configured and installed agents.
        session_id: 1 to 128 characters of ``A-Z a-z 0-9 _ -``; a random one if absent. With `server`, the session to
            show, which is created with its first message.
        resume: Whether to keep the conversation in a file in Jupyter's data directory, and to continue the one with
            this `session_id`. Without it, a conversation ends with its kernel.
        save: Whether the transcript is saved in the notebook file.
        server: The address of a Jupyter server, to show one of its sessions and ask its agents. The page connects to it
            directly.
        token: The server's token; by default the environment variable `REASONING_WIDGET_TOKEN`. It stays in the kernel.
        ticket: A ticket for the session, instead of the token.

    Raises:
        UnknownAgentError: There is no agent with this name; the error lists the known agents.
        TypeError: `agent` is not an agent and cannot be converted to one, or another argument is unknown or has the
            wrong type.
        ValueError: The session id is malformed, or missing with `resume`; the server's address is invalid, or both
            token and ticket are missing; or `llm` names no model.
        ConversationInUse: Another kernel uses the conversation to resume.
        StorageError: The file of the conversation cannot be read or written.
    """

    __signature__ = _Signature()
    _esm = built_module("loader.js")
    _core = traitlets.Unicode(help="The hidden widget with the code that draws the chat.").tag(sync=True)
    _core_version = traitlets.Unicode(help="The version of the code that this chat needs.").tag(sync=True)

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

    def __init__(  # noqa: PLR0913 (keyword-only options, as in other widgets)
        self,
        agent: Any = _RESEARCHER,
        *,
        llm: JSON | None = None,
        agents: AgentManager | None = None,
        session_id: str | None = None,
        resume: bool = False,
        save: bool = True,
        server: str | None = None,
        token: str | None = None,
        ticket: str | None = None,
        _file: SessionFile | None = None,
        **others: Any,
    ) -> None:
        check_names(others, ARGUMENTS)
        if server is None:
            if token is not None or ticket is not None:
                raise TypeError("`token` and `ticket` need `server`, the address of a Jupyter server: pass it too")
            check_agents(agents)
            check_llm(llm)
            local = LocalConversation(agent, llm, agents)
            log = on_loop(lambda: open_log(session_id, self, resume=resume, file=_file))
            # An exported session may come from someone else: its queued prompts start no runs.
            resume_queue = resume and _file is None
            self._begin(
                local, lambda: self._link_to_session(local, session_id, log, llm, resume=resume_queue), save=save
            )
            if isinstance(agent, str):  # an agent object brings its own model
                self._model.find()
        else:
            options = {"agent": agent, "llm": llm, "agents": agents, "resume": resume or None, "_file": _file}
            given = {name: value for name, value in options.items() if value is not None and value is not _RESEARCHER}
            check_server(server, session_id, given)
            remote = _remote(server, check_session_id(session_id or ""), token, ticket)
            self._begin(remote, lambda: self._link_to_server(remote, ticket), save=save)

    def _begin(self, conversation: Conversation, link: Callable[[], PageLink], *, save: bool) -> None:
        """Create the widget, and connect it to the conversation.

        Args:
            conversation: The conversation.
            link: Connects the comm. Called on the sessions' event loop.
            save: Whether the transcript is saved in the notebook file.
        """
        self._conversation = conversation
        self._outputs: list[SavedOutput] = []
        self._page_expected = page_expected()
        core = core_reference() if self._page_expected else ""  # an unexpected page requests it
        anywidget.AnyWidget.__init__(self, _core=core, _core_version=core_version(), layout=SmallLayout())
        receive_in_subshell(self.comm)
        self._link = on_loop(link)
        self._snapshots = Snapshots(conversation.source, enabled=save, replaces_all=conversation.refresh_replaces_all)
        self._refreshing = on_loop(lambda: asyncio.get_running_loop().create_task(self._refresh_on_changes()))
        close_at_exit(self)
        self.on_msg(self._receive)

    def _link_to_session(
        self,
        conversation: LocalConversation,
        session_id: str | None,
        log: EventLog,
        llm: JSON | None,
        *,
        resume: bool,
    ) -> PageLink:
        loop = session_loop()

        def announce(frame: Frame) -> None:
            loop.call_soon_threadsafe(link.announce, [frame])

        conversation.open(session_id or secrets.token_hex(8), log, resume=resume)
        self._model = ModelStatus(llm, announce)
        link = CommLink(
            conversation.source, self._send_custom, self._model.frame, self._model.pull, self._create_snapshot
        )
        return link

    def _link_to_server(self, conversation: RemoteConversation, ticket: str | None) -> PageLink:
        address, session_id = conversation.address, conversation.source.session_id
        url = address.socket(session_id).partition("?")[0]
        return ServerLink(url, Tickets(address, session_id, ticket), self._send_custom, self._create_snapshot)

    def __dir__(self) -> Iterable[str]:
        """List the chat's own names before those of all widgets."""
        own = {name for kind in (ReasoningChat, Exports) for name in vars(kind) if not name.startswith("_")}
        return [_Name(name, first=name in own) for name in super().__dir__()]

    def close(self) -> None:
        """Stop the active run, and close the session."""
        super().close()
        if hasattr(self, "_link"):
            with contextlib.suppress(RuntimeError):  # at exit, when the event loop is closed
                on_loop(self._close_on_loop)
            self._conversation.release_agents()

    def _close_on_loop(self) -> None:
        self._refreshing.cancel()
        self._link.close()
        self._conversation.close()

    def end(self) -> None:
        """Close the active run and refresh the outputs, before the kernel exits. Called on the sessions' event loop."""
        if self._refreshing.done() or self.comm is None:
            return
        self._refreshing.cancel()
        with contextlib.suppress(Disconnected):
            self._conversation.end()
        self._refresh()
        self._close_on_loop()
        self._conversation.release_agents()

    # The comm

    def _send_custom(self, message: JSON) -> None:
        if self.comm is not None:
            self.send(message)

    def _receive(self, _widget: object, content: Any, buffers: Sequence[memoryview]) -> None:
        # This runs on the thread of a subshell or of the kernel, and must not block.
        keep_open_figures()
        loop = session_loop()
        if not self._page_expected:
            self._page_expected = True
            snapshot_executor().submit(self._refresh)
        if isinstance(content, dict) and content.get("type") == "core":
            loop.call_soon_threadsafe(self._send_custom, {"type": "core", "data": core_source()})
        else:
            loop.call_soon_threadsafe(self._link.receive, with_buffers(content, buffers))

    # Prompts

    def ask(
        self, prompt: Prompt, *, agent: str | None = None, reasoning: bool = True, max_iterations: int | None = None
    ) -> Answer:
        """Ask the agent, show the cards of this run below the cell, and wait until the run ends.

        Interrupting the kernel stops the run.

        Args:
            prompt: A text, or a list of parts such as
                ``[{"text": "What is this?"}, {"image": "plot.png"}, {"file": "table.csv"}]``. An image or a file is a
                path, bytes, or a `data:` URL; `name` gives it a name.
            agent: The name of the agent to ask instead of the chat's default.
            reasoning: Whether the steps before the answer are shown.
            max_iterations: The number of model calls that the run may make.

        Returns:
            The answer, even if the run failed; check its `status` and `error`.

        Raises:
            ValueError: The prompt is empty or too long, or a part of it cannot be read or is rejected.
            KeyboardInterrupt: The kernel was interrupted; the run has been stopped.
        """
        pending = self._conversation.prepare(prompt, agent=agent, reasoning=reasoning, max_iterations=max_iterations)
        view: SavedOutput | None = None
        try:
            wait(pending.post())
            view = self._run_view(pending.message_id)
            if view is not None:
                view.show()
            return wait(pending.answer())
        except KeyboardInterrupt:
            wait(pending.cancel())
            raise
        finally:
            with contextlib.suppress(asyncio.CancelledError, RuntimeError):  # at exit, when the event loop is closed
                wait(pending.close())
            self._save(view)

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
            agent: The name of the agent to ask instead of the chat's default.
            reasoning: Whether the steps before the answer are shown.
            max_iterations: The number of model calls that the run may make.
            tokens: Also yield a step each time it grows; its `status` is then ``streaming``.

        Raises:
            ValueError: The prompt is empty or too long, or a part of it cannot be read or is rejected.
        """
        pending = self._conversation.prepare(
            prompt, agent=agent, reasoning=reasoning, max_iterations=max_iterations, tokens=tokens
        )
        await from_loop(pending.post())
        view = self._run_view(pending.message_id)
        steps = pending.steps()
        awake = asyncio.get_running_loop().create_task(_stay_awake())
        try:
            if view is not None:
                view.show()
            while (step := await from_loop(_next(steps))) is not None:
                yield step
        finally:
            awake.cancel()
            await from_loop(steps.aclose())
            await from_loop(pending.cancel())  # closing `steps` before the first one stops nothing
            await from_loop(pending.close())
            self._save(view)

    def stop(self) -> None:
        """Stop the active run, and withdraw queued prompts."""
        wait(self._conversation.stop())

    def clear(self) -> None:
        """Stop the active run, delete the conversation and start a new one."""
        wait(self._conversation.clear())

    @property
    def steps(self) -> list[ReasoningStep]:
        """Every step of the conversation, in order, as plain data."""
        return self._read(lambda: [step for run in self._state["runs"] for step in steps_of(self._state, run)])

    @property
    def runs(self) -> list[TranscriptRun]:
        """Every run of the conversation, in order, as plain data; `steps` are the ids of its steps."""
        return self._read(lambda: copy.deepcopy(self._state["runs"]))

    @property
    def results(self) -> dict[str, object]:
        """The Python objects that tools returned, by step id. `clear` removes them."""
        return self._conversation.results

    @property
    def llm(self) -> ModelChoice:
        """Which model answers, and why. The result contains no key.

        Raises:
            RuntimeError: The session is on a server, which chooses the model.
        """
        return self._conversation.model()

    @property
    def _state(self) -> Transcript:
        return self._conversation.source.state

    # Outputs

    def _ipython_display_(self) -> None:
        view = SavedOutput(lambda: self, lambda: self._page_expected, lambda: self._snapshot(None))
        self._outputs.append(view)
        view.show()

    def _run_view(self, message_id: str) -> SavedOutput | None:
        """Return an output with the cards of one run; None if nothing can be displayed.

        The caller holds it before it is displayed, so that it is refreshed even if an interrupt happens in between.
        """
        if not can_show():
            return None
        return SavedOutput(
            lambda: RunView(self.model_id, message_id), lambda: self._page_expected, lambda: self._snapshot(message_id)
        )

    def _refresh(self) -> None:
        """Bring the outputs up to date. This may take seconds."""
        for view in list(self._outputs):
            view.refresh()

    def _snapshot(self, message_id: str | None) -> JSON:
        def note_changes() -> str:
            self._snapshots.note_changes()
            return repr(self)

        return self._snapshots.bundle(on_loop(note_changes), message_id)

    async def _create_snapshot(self, message_id: str | None) -> JSON:
        """Create a snapshot in a thread, so that the event loop continues in the meantime."""
        await self._conversation.refresh()
        return await asyncio.get_running_loop().run_in_executor(snapshot_executor(), self._snapshot, message_id)

    def _save(self, view: SavedOutput | None) -> None:
        """Refresh the outputs while the cell with the prompt still runs.

        Programs that execute notebooks, such as nbclient, ignore later updates.
        """
        for each in (*self._outputs, *([view] if view else [])):
            each.refresh()

    async def _refresh_on_changes(self) -> None:
        """Refresh the outputs whenever the conversation has changed."""
        async for _ in self._conversation.changes():
            await asyncio.get_running_loop().run_in_executor(snapshot_executor(), self._refresh)

    def __repr__(self) -> str:
        runs, steps = self._state["runs"], self._state["steps"]
        return f"<ReasoningChat with {self._conversation.name}: {len(runs)} runs, {len(steps)} steps>"


async def _next(steps: AsyncIterator[ReasoningStep]) -> ReasoningStep | None:
    """Return the next step; None at the end, because a StopAsyncIteration cannot cross threads."""
    return await anext(steps, None)


def _remote(server: str, session_id: str, token: str | None, ticket: str | None) -> RemoteConversation:
    if token is None and ticket is None and "token=" not in server:
        token = os.environ.get(TOKEN_VARIABLE)
    conversation = RemoteConversation(server, session_id, token=token, ticket=ticket)
    if conversation.address.authorization is None:
        raise ValueError(f"pass `token=`, the server's token, or set {TOKEN_VARIABLE}; or pass `ticket=`")
    return conversation


ARGUMENTS: Final = tuple(ReasoningChat.__signature__.parameters)
"""The names of the arguments of `ReasoningChat`."""
