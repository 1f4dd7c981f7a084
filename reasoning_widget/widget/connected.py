"""`ReasoningChat(server=…)`: a session of a server in a cell.

The page talks to the server itself: see `ServerLink`. The kernel has a connection of its own, for what is asked from
code and to know when to refresh what the notebook keeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..answer import Answer
from ..client import Chat, Disconnected, Question, connect
from ..client.address import Address
from ..client.blocking import wait
from ..client.following import Following
from ..fold import TranscriptRun
from ..host import can_show
from ..parts import Prompt, as_message
from ..protocol import JSON, ProtocolError, ReasoningStep, check_session_id
from ..session.thread import on_loop, session_loop
from .arguments import check_names, check_server
from .chat import AFTER_LAST_TOKEN, ARGUMENTS, ReasoningChat, stay_awake
from .display import SavedView
from .ending import refresh_at_the_end
from .link import keep_messages_off_the_cell
from .reading import ServerSession
from .saving import Saving, maker
from .server_link import ServerLink
from .tickets import Tickets

if TYPE_CHECKING:
    import pandas as pd

    from ..fold import Transcript

_T = TypeVar("_T")

TOKEN_VARIABLE = "REASONING_WIDGET_TOKEN"  # noqa: S105 (its name)


class ConnectedChat(ReasoningChat):
    """A session of a server. Made by `ReasoningChat(server=…)`, which says what may be given.

    What is asked from code goes to the server as well, and raises `Disconnected`, or `NotAllowed`, where that is not
    possible.
    """

    _session: ServerSession  # type: ignore[assignment] # it has what is used of it here
    _link: ServerLink

    def __init__(
        self,
        *agent: Any,
        server: str,
        session_id: str | None = None,
        token: str | None = None,
        ticket: str | None = None,
        save: bool = True,
        **others: Any,
    ) -> None:
        check_names((name for name in others if name not in ARGUMENTS), ARGUMENTS)
        check_server(server, session_id, {**({"agent": agent} if agent else {}), **others})
        session_id = check_session_id(session_id or "")
        if token is None and ticket is None and "token=" not in server:
            token = os.environ.get(TOKEN_VARIABLE)
        self._address = Address.of(server, token, ticket)
        if self._address.authorization is None:
            raise ValueError(f"pass `token=`, the server's token, or set {TOKEN_VARIABLE}; or pass `ticket=`")
        self._ticket = ticket
        self._way = connect(server, session_id, token=token, ticket=ticket)
        self._session = ServerSession(self._address, session_id)
        self._saving = Saving(self._session, wanted=save)
        self._views: list[SavedView] = []
        self._asked: set[str] = set()
        self._open_widget()  # the rest of what `ReasoningChat` does begins a session of the kernel's own
        on_loop(self._begin)
        refresh_at_the_end(self)
        self.on_msg(self._receive)

    def _begin(self) -> None:
        """On the loop: show the pages the way."""
        keep_messages_off_the_cell(self.comm)
        session_id = self._session.session_id
        tickets = Tickets(self._address, session_id, self._ticket)
        url = self._address.socket(session_id).partition("?")[0]
        self._link = ServerLink(url, tickets, self._send_custom, self._read_forms)
        self._opened = contextlib.AsyncExitStack()
        self._opening = asyncio.Lock()
        self._chat: Chat | None = None
        self._refreshing = asyncio.get_running_loop().create_task(self._keep_saved())

    def _close_on_loop(self) -> None:
        self._refreshing.cancel()
        self._link.close()
        self._closing = asyncio.get_running_loop().create_task(self._opened.aclose())

    def _close_agents(self) -> None:
        """They are the server's."""

    async def _connected(self) -> Chat:
        """On the loop: the kernel's own connection, made when it is first needed."""
        async with self._opening:
            if self._chat is None:
                self._chat = await self._opened.enter_async_context(self._way)
            elif self._chat.connection.given_up:
                await self._chat.reconnect()
        if self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._keep_saved())
        return self._chat

    # Asking

    def ask(
        self, prompt: Prompt, *, agent: str | None = None, reasoning: bool = True, max_iterations: int | None = None
    ) -> Answer:
        """See `ReasoningChat.ask`."""
        view: SavedView | None = None
        question = wait(self._put(as_message(prompt), agent=agent, reasoning=reasoning, max_iterations=max_iterations))
        try:
            if can_show():
                view = self._run_view(question.id)
                view.show()
            return wait(question.answer())
        finally:
            wait(self._read_and_save(question.id, view))

    async def stream(
        self,
        prompt: Prompt,
        *,
        agent: str | None = None,
        reasoning: bool = True,
        max_iterations: int | None = None,
        tokens: bool = False,
    ) -> AsyncIterator[ReasoningStep]:
        """See `ReasoningChat.stream`."""
        message = as_message(prompt)
        question = await _on_its_loop(
            self._put(message, agent=agent, reasoning=reasoning, max_iterations=max_iterations, tokens=tokens)
        )
        view = self._run_view(question.id) if can_show() else None
        if view is not None:
            view.show()
        steps = question.items()
        awake = asyncio.get_running_loop().create_task(stay_awake())
        try:
            while (item := await _on_its_loop(_next(steps))) is not None:
                step, _ = item
                if step is not None:
                    yield step
        finally:
            awake.cancel()
            await _on_its_loop(steps.aclose())
            await _on_its_loop(self._read_and_save(question.id, view))

    async def _put(self, prompt: Prompt, **how: Any) -> Question:
        return (await self._connected()).ask(prompt, **how)

    def stop(self) -> None:
        """Stop the run that is on, and take back what is queued."""

        async def stop() -> None:
            await (await self._connected()).stop()

        wait(stop())

    def clear(self) -> None:
        """Stop, forget the conversation and begin a new one, for everybody."""

        async def clear() -> None:
            await (await self._connected()).clear()

        wait(clear())

    # What there is to read

    @property
    def steps(self) -> list[ReasoningStep]:
        """Every step of the conversation, in order, as plain data."""
        wait(self._session.read())
        return super().steps

    @property
    def runs(self) -> list[TranscriptRun]:
        """Every run of the conversation, in order, as plain data; `steps` are the ids of its steps."""
        wait(self._session.read())
        return super().runs

    def to_json(self) -> str:
        """See `ReasoningChat.to_json`."""
        wait(self._session.read())
        return msgspec.json.encode(self._session.file).decode()

    def to_frame(self) -> pd.DataFrame:
        """See `ReasoningChat.to_frame`."""
        wait(self._session.read())
        return super().to_frame()

    def _masked(self) -> Transcript:
        wait(self._session.read())
        return super()._masked()

    @property
    def llm(self) -> Any:
        """The server's affair.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError("the server chooses the model for its agents: see its `ReasoningApp.llm`")

    def __repr__(self) -> str:
        state = self._session.state
        where = f"session {self._session.session_id} at {self._address.base}"
        return f"<ReasoningChat with {where}: {len(state['runs'])} runs, {len(state['steps'])} steps>"

    # What is saved

    def end(self) -> None:
        """On the loop: refresh what is saved, because the kernel ends. The session goes on without it."""
        self._refreshing.cancel()
        if self.comm is not None and self._views:
            with contextlib.suppress(Disconnected):
                self._session.read_at_the_end()
            self._refresh()

    async def _read_forms(self, message_id: str | None) -> JSON:
        await self._session.read()
        return await self._forms_aside(message_id)

    async def _read_and_save(self, message_id: str, view: SavedView | None) -> None:
        with contextlib.suppress(Disconnected):  # what asked has told of it
            await self._session.read()
        await asyncio.get_running_loop().run_in_executor(maker(), self._save, message_id, view)

    async def _keep_saved(self) -> None:
        """Refresh what is saved when the kernel is connected, and whenever a run begins or ends."""
        try:
            following = Following(await self._connected())
            while True:
                await self._session.read()
                await asyncio.get_running_loop().run_in_executor(maker(), self._refresh)
                while not any(kind == "run" for kind, _ in following.take()):
                    await following.changed()
                await asyncio.sleep(AFTER_LAST_TOKEN)
        except (Disconnected, ProtocolError):
            pass  # the page tells of it; when something is asked from code, it is tried again


async def _next(steps: AsyncIterator[_T]) -> _T | None:
    """The next one; None at the end, for a StopAsyncIteration does not cross threads."""
    return await anext(steps, None)


async def _on_its_loop(work: Coroutine[Any, Any, _T]) -> _T:
    """Wait for what has to be done on the sessions' loop."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, session_loop()))
