"""`ReasoningChat`: the face of a session in a notebook."""

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
from .built import built_module
from .core import SmallLayout, core_reference, core_source, core_version
from .display import SavedView
from .ending import refresh_at_the_end
from .exports import Exports
from .link import CommLink, keep_messages_off_the_cell, with_buffers
from .model import ModelStatus
from .run_view import RunView
from .saving import Saving, maker
from .server_link import ServerLink
from .tickets import Tickets

if TYPE_CHECKING:
    from ..export.log import SessionFile

_SLICE = 0.1  # seconds; how long an awaiting cell waits before it can see an interrupt

TOKEN_VARIABLE: Final = "REASONING_WIDGET_TOKEN"  # noqa: S105 (its name)
"""The environment variable with the token of the server."""

_RESEARCHER: Final = "researcher"
"""Who is asked if no agent is named."""


class PageLink(Protocol):
    """The kernel's end of a comm."""

    def receive(self, raw: Any) -> None:
        """Take a message that a page sent."""

    def close(self) -> None:
        """Send nothing more."""


async def _stay_awake() -> None:
    """Keep the loop turning: ipykernel's interrupt of an awaiting cell is only seen when the loop does."""
    while True:  # noqa: ASYNC110 (nothing is waited for: the loop is kept turning)
        await asyncio.sleep(_SLICE)


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


class _Signature:
    """What `help` and `ReasoningChat?` show: the arguments of `__init__`, not those of the `__new__` of ipywidgets."""

    def __get__(self, _chat: object, kind: type[ReasoningChat]) -> inspect.Signature:
        known = inspect.signature(kind.__init__)
        _self, *parameters = known.parameters.values()
        shown = [
            each.replace(annotation=each.empty)  # as texts they would be shown in quotes
            for each in parameters
            if each.kind != each.VAR_KEYWORD and not each.name.startswith("_")
        ]
        return known.replace(parameters=shown, return_annotation=known.empty)


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

    __signature__ = _Signature()
    _esm = built_module("loader.js")
    _core = traitlets.Unicode(help="The hidden widget that brings what draws the chat.").tag(sync=True)
    _core_version = traitlets.Unicode(help="Which version of it this chat goes with.").tag(sync=True)

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
                raise TypeError("`token` and `ticket` go with `server`, the address of a Jupyter server: name it, too")
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
                self._model.look()
        else:
            own = {"agent": agent, "llm": llm, "agents": agents, "resume": resume or None, "_file": _file}
            given = {name: value for name, value in own.items() if value is not None and value is not _RESEARCHER}
            check_server(server, session_id, given)
            remote = _remote(server, check_session_id(session_id or ""), token, ticket)
            self._begin(remote, lambda: self._link_to_server(remote, ticket), save=save)

    def _begin(self, conversation: Conversation, link: Callable[[], PageLink], *, save: bool) -> None:
        """Make the widget known to the pages, connected to the conversation.

        Args:
            conversation: The conversation.
            link: Connects its comm. Called on the loop.
            save: Whether the notebook file keeps the transcript.
        """
        self._conversation = conversation
        self._views: list[SavedView] = []
        self._page_expected = page_expected()
        core = core_reference() if self._page_expected else ""  # whoever comes all the same asks for it
        anywidget.AnyWidget.__init__(self, _core=core, _core_version=core_version(), layout=SmallLayout())
        keep_messages_off_the_cell(self.comm)
        self._link = on_loop(link)
        self._saving = Saving(conversation.source, wanted=save, whole=conversation.refresh_replaces_all)
        self._keeping = on_loop(lambda: asyncio.get_running_loop().create_task(self._keep_saved()))
        refresh_at_the_end(self)
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
        link = CommLink(conversation.source, self._send_custom, self._model.frame, self._model.pull, self._forms_aside)
        return link

    def _link_to_server(self, conversation: RemoteConversation, ticket: str | None) -> PageLink:
        address, session_id = conversation.address, conversation.source.session_id
        url = address.socket(session_id).partition("?")[0]
        return ServerLink(url, Tickets(address, session_id, ticket), self._send_custom, self._forms_aside)

    def __dir__(self) -> Iterable[str]:
        """Its own names, and then those that every widget has."""
        own = {name for kind in (ReasoningChat, Exports) for name in vars(kind) if not name.startswith("_")}
        return [_Name(name, first=name in own) for name in super().__dir__()]

    def close(self) -> None:
        """Stop the active run and release the session."""
        super().close()
        if hasattr(self, "_link"):
            with contextlib.suppress(RuntimeError):  # the interpreter ends, and the loop has
                on_loop(self._close_on_loop)
            self._conversation.release_agents()

    def _close_on_loop(self) -> None:
        self._keeping.cancel()
        self._link.close()
        self._conversation.close()

    def end(self) -> None:
        """On the loop: close what is open and refresh what is saved, because the kernel ends."""
        if self._keeping.done() or self.comm is None:
            return
        self._keeping.cancel()
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
        # On a subshell's thread or the kernel's own: it may not wait for anything.
        keep_open_figures()
        loop = session_loop()
        if not self._page_expected:
            self._page_expected = True
            maker().submit(self._refresh)
        if isinstance(content, dict) and content.get("type") == "core":
            loop.call_soon_threadsafe(self._send_custom, {"type": "core", "data": core_source()})
        else:
            loop.call_soon_threadsafe(self._link.receive, with_buffers(content, buffers))

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
        pending = self._conversation.prepare(prompt, agent=agent, reasoning=reasoning, max_iterations=max_iterations)
        view: SavedView | None = None
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
            with contextlib.suppress(asyncio.CancelledError, RuntimeError):  # the interpreter ends, and the loop has
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
            agent: The name of the agent to ask instead of the chat's own.
            reasoning: Whether the steps before the answer are shown.
            max_iterations: The number of model calls that the run may make.
            tokens: Also yield a step each time it grows; its `status` is then ``streaming``.

        Raises:
            ValueError: The prompt is empty or too long, or a part of it cannot be read or is refused.
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
            await from_loop(pending.cancel())  # interrupted before the first step: closing unread steps stops nothing
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
        """Which model answers, and why. It never shows a key.

        Raises:
            RuntimeError: The session is on a server, which chooses the model.
        """
        return self._conversation.model()

    @property
    def _state(self) -> Transcript:
        return self._conversation.source.state

    # What is shown and saved

    def _ipython_display_(self) -> None:
        view = SavedView(lambda: self, lambda: self._page_expected, lambda: self._forms(None))
        self._views.append(view)
        view.show()

    def _run_view(self, message_id: str) -> SavedView | None:
        """The cards of one run, to be shown below the cell; None where there is no page.

        It is known before it is shown: an interrupt while it is being shown must still have it refreshed.
        """
        if not can_show():
            return None
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
        await self._conversation.refresh()
        return await asyncio.get_running_loop().run_in_executor(maker(), self._forms, message_id)

    def _save(self, view: SavedView | None) -> None:
        """Refresh what is saved, on behalf of the cell that asked.

        Programs that execute a notebook, such as nbclient, take updates only from the cell that runs.
        """
        for each in (*self._views, *([view] if view else [])):
            each.refresh()

    async def _keep_saved(self) -> None:
        """Refresh what is saved whenever the conversation has changed."""
        async for _ in self._conversation.changes():
            await asyncio.get_running_loop().run_in_executor(maker(), self._refresh)

    def __repr__(self) -> str:
        runs, steps = self._state["runs"], self._state["steps"]
        return f"<ReasoningChat with {self._conversation.name}: {len(runs)} runs, {len(steps)} steps>"


async def _next(steps: AsyncIterator[ReasoningStep]) -> ReasoningStep | None:
    """The next one; None at the end, for a StopAsyncIteration does not cross threads."""
    return await anext(steps, None)


def _remote(server: str, session_id: str, token: str | None, ticket: str | None) -> RemoteConversation:
    if token is None and ticket is None and "token=" not in server:
        token = os.environ.get(TOKEN_VARIABLE)
    conversation = RemoteConversation(server, session_id, token=token, ticket=ticket)
    if conversation.address.authorization is None:
        raise ValueError(f"pass `token=`, the server's token, or set {TOKEN_VARIABLE}; or pass `ticket=`")
    return conversation


ARGUMENTS: Final = tuple(ReasoningChat.__signature__.parameters)
"""The names of what `ReasoningChat` may be given."""
