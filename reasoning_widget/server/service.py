"""What the handlers of one server share."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from tornado.ioloop import PeriodicCallback

from ..agents.manager import AgentManager
from ..protocol import Action
from ..session.log import StorageError
from ..session.manager import SessionManager
from ..session.session import Session
from ..session.store import RETENTION, Page, SessionReader, SessionStore, Whose
from ..session.worker_pool import WorkerPool
from .access import Access
from .export_job import Job, Kind
from .exports import Exports
from .housekeeping import tidy
from .hub import Hub
from .incoming import IncomingLimit
from .metrics import Metrics
from .quotas import Quotas
from .settings import ReasoningSettings
from .tickets import Ticket, Tickets

_HOUSEKEEPING = (0.1, 60.0)  # seconds between looks for sessions that are idle or too old: `idle_after`, within these
_FOR_WORKERS = ("AgentManager", "Models")  # the configuration that is read where agents are made
_AT_ONCE = 100  # sockets, before others have their turn
_DAY = 24 * 3600.0
_SEARCH_SECONDS = 10.0
EXPORT_MEMORY = 4 * 1024**3
"""Bytes of addresses, of which a process uses about a half."""


class Connection(Protocol):
    """An open WebSocket of one client of one session."""

    @property
    def account(self) -> str | None:
        """The user on whom it counts; see `Access.account`."""

    @property
    def session(self) -> Session:
        """The session."""

    @property
    def ticket(self) -> Ticket | None:
        """The ticket with which it was opened, if any."""

    def came_with(self, cookie: str, username: str) -> bool:
        """Whether a browser opened it that had logged in with this cookie, or as that user."""

    def beat(self) -> None:
        """Check that the peer is there; called at each interval."""

    async def may(self, action: Action, session_id: str) -> bool:
        """Whether its user may do this with a session."""

    def not_let_in(self) -> None:
        """Close it: its user may not see the session."""

    def logged_out(self) -> None:
        """Close it: its user has logged out."""

    def ticket_ended(self) -> None:
        """Close it: its ticket has expired or was revoked."""


class Service:
    """The sessions of a server, what runs them, and who watches them. Lives on the server's loop.

    Args:
        app: The extension, with its configuration.

    Attributes:
        sockets: The connections that are open.
    """

    def __init__(self, app: ReasoningSettings) -> None:
        self.app = app
        self.access = Access(app)
        self.quotas = Quotas(self)
        self.metrics = Metrics(self)
        self.hub = Hub(self.metrics.count_sent)
        self.sockets: set[Connection] = set()
        self.agents = AgentManager(config=app.config)
        self.agents.agents = {**self.agents.agents, **app.agents}
        self.runner = WorkerPool(
            agents=dict(self.agents.agents),
            config={name: dict(app.config[name]) for name in _FOR_WORKERS if name in app.config},
            llm=app.llm or None,
            max_runs=app.max_runs,
            spare=app.spare_workers,
            folder=Path(app.server.root_dir),
        )
        self._opened: tuple[SessionStore, SessionManager, Tickets] | None = None
        shortest, longest = _HOUSEKEEPING
        look_every = max(shortest, min(app.idle_after, longest))
        self.exports = Exports()
        self.incoming = IncomingLimit()
        self._searching = ThreadPoolExecutor(1, "reasoning-search")
        self._tidying: asyncio.Task[None] | None = None
        self._audit_log = app.log.getChild("audit")
        self._timers = [
            PeriodicCallback(self._beat, app.ping_interval * 1000),
            PeriodicCallback(self._keep_house, look_every * 1000),
        ]

    async def start(self) -> None:
        """Open the store and warm up a worker. A store that cannot be opened is tried again when it is needed."""
        for timer in self._timers:
            timer.start()
        try:
            self._open()
        except StorageError as error:
            self._report("the sessions cannot be served", error)
        self._keep_house()
        self.runner.keep_spares()

    async def stop(self) -> None:
        """Let go of the watchers, stop what runs, close the store."""
        for timer in self._timers:
            timer.stop()
        if self._tidying is not None:
            self._tidying.cancel()
        if self._opened is not None:
            store, manager, _ = self._opened
            manager.close()
        self.hub.close()
        self.exports.close()
        self._searching.shutdown(wait=False, cancel_futures=True)
        await self.runner.close()
        if self._opened is not None:
            store.close()
            self._opened = None

    @property
    def store(self) -> SessionStore:
        """Where the sessions are kept.

        Raises:
            StorageError: It cannot be opened; the text says why.
        """
        return self._open()[0]

    @property
    def manager(self) -> SessionManager:
        """The sessions.

        Raises:
            StorageError: See `store`.
        """
        return self._open()[1]

    @property
    def tickets(self) -> Tickets:
        """Who else may come in.

        Raises:
            StorageError: See `store`.
        """
        return self._open()[2]

    @property
    def live_runs(self) -> int:
        """How many runs are on or wait."""
        return sum(1 for session in self.live.values() if session.busy)

    @property
    def live(self) -> dict[str, Session]:
        """The sessions in memory."""
        return self._opened[1].live if self._opened is not None else {}

    def audit(self, who: str, action: str, session_id: str, owner: str | None, detail: str = "") -> None:
        """Log what was done to a session, and keep it.

        Args:
            who: Who did it.
            action: What they did, in a word: `deleted`, `granted` …
            session_id: The session.
            owner: To whom it belongs, or belonged.
            detail: More, for people. Never a secret.

        """
        self._log_audit(who, action, session_id, owner, detail)
        try:
            self.store.record_audit(who, action, session_id, owner, detail)
        except StorageError as error:  # it is done, and logged
            self._report("what was done could not be kept", error)

    def _log_audit(self, who: str, action: str, session_id: str, owner: str | None, detail: str = "") -> None:
        about = f"session {session_id}" + (f" of {owner!r}" if owner is not None else "")
        self._audit_log.info("reasoning-widget: %r %s %s%s", who, action, about, f" ({detail})" if detail else "")

    def claim(self, session: Session, owner: str | None) -> None:
        """Let a session in which nothing was said yet belong to `owner`; who else waits in it must ask to be let in."""
        if session.owned:
            return
        session.claim(owner)
        for socket in list(self.sockets) if not self.access.open else ():
            if socket.session is session and socket.account != owner:
                socket.not_let_in()

    async def search(self, query: str | None, limit: int, cursor: str | None, whose: Whose | None) -> Page:
        """See `SessionStore.search`: words are looked for in a thread of its own, while everything else goes on.

        Raises:
            ValueError: See `SessionStore.search`.
            StorageError: The sessions cannot be read, or it takes too long.
        """
        store = self.store
        if not (query or "").split():
            return store.search(query, limit, cursor, whose)

        def look() -> Page:
            reader = SessionReader(self.app.store_path, _SEARCH_SECONDS)
            try:
                return reader.search(query, limit, cursor, whose)
            finally:
                reader.close()

        return await asyncio.get_running_loop().run_in_executor(self._searching, look)

    def export_job(self, session_id: str, kind: Kind) -> Job:
        """What there is to do to export a session; what it is saying just now is in it.

        Raises:
            KeyError: There is no such session.
            StorageError: It cannot be read or written.
        """
        if not self.manager.exists(session_id):
            raise KeyError(session_id)
        live = self.live.get(session_id)
        if live is not None:
            live.save_open_text()
        size = self.store.size(session_id)
        return Job(kind, self.app.store_path, session_id, size, memory=EXPORT_MEMORY)

    def end_login(self, cookie: str, username: str) -> None:
        """Close the connections that were opened with a login cookie, or with any by this user, who logs out."""
        for socket in list(self.sockets):
            if socket.came_with(cookie, username):
                socket.logged_out()

    def end_ticket(self, ticket_id: str) -> None:
        """Close the connections that came in with this ticket."""
        for socket in list(self.sockets):
            if socket.ticket is not None and socket.ticket.id == ticket_id:
                socket.ticket_ended()

    def _open(self) -> tuple[SessionStore, SessionManager, Tickets]:
        if self._opened is None:
            store = SessionStore(self.app.store_path, f"{self.app.server.connection_url}, process {os.getpid()}")
            manager = SessionManager(
                store, self.agents, self.runner, idle_after=self.app.idle_after, on_failure=self._session_failed
            )
            try:
                tickets = Tickets(store, Path(f"{self.app.store_path}.key"), parent=self.app)
                manager.recover(store.unfinished())
            except BaseException:
                store.close()
                raise
            self._opened = (store, manager, tickets)
            try:
                _ = tickets.own_key
            except StorageError as error:
                self._report("no tickets can be signed or accepted", error)
        return self._opened

    def _session_failed(self, session_id: str, error: StorageError) -> None:
        self._report(f"session {session_id} could not be saved", error)

    def _report(self, what: str, error: StorageError) -> None:
        self.app.log.error("reasoning-widget: %s: %s", what, error)

    async def _beat(self) -> None:
        for socket in list(self.sockets):
            socket.beat()
        await self.end_the_unwelcome()

    async def end_the_unwelcome(self) -> None:
        """Close the connections of those who may see their session no longer."""
        for number, socket in enumerate(list(self.sockets)):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                welcome = await socket.may("read", socket.session.session_id)
            except StorageError:
                return  # whoever speaks is told of it
            except Exception:
                self.app.log.exception("reasoning-widget: the authorizer does not say who may see a session")
                welcome = False
            if not welcome:
                socket.not_let_in()

    def _keep_house(self) -> None:
        if self._opened is None:
            return
        store, manager, _ = self._opened
        manager.release_idle()
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.get_running_loop().create_task(self._tidy(store, manager))

    async def _tidy(self, store: SessionStore, manager: SessionManager) -> None:
        def log(session_id: str) -> None:
            self._log_audit(RETENTION, "deleted", session_id, None)

        try:
            await tidy(store, self.app.retention_days * _DAY, lambda: manager.live, log)
        except StorageError as error:
            self._report("old sessions could not be deleted", error)
