"""The state that all handlers of a server share."""

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
from .export_job import ExportFormat, ExportJob
from .exports import Exports
from .housekeeping import clean_up
from .hub import Hub
from .incoming import IncomingLimit
from .metrics import Metrics
from .quotas import Quotas
from .settings import ReasoningSettings
from .tickets import Ticket, Tickets

_HOUSEKEEPING_SECONDS = (0.1, 60.0)  # the interval is `idle_after`, but within these limits
_FOR_WORKERS = ("AgentManager", "Models")  # the classes whose configuration workers need to make agents
_SOCKETS_PER_TURN = 100  # sockets that are checked before other tasks of the event loop have their turn
_DAY = 24 * 3600.0
_SEARCH_SECONDS = 10.0
EXPORT_MEMORY = 4 * 1024**3
"""The address space of an export's process, in bytes. A process uses about half of it as memory."""


class Connection(Protocol):
    """An open WebSocket of one client of one session."""

    @property
    def account(self) -> str | None:
        """The user whose limits apply to the connection; see `Access.account`."""

    @property
    def session(self) -> Session:
        """The session that the client follows."""

    @property
    def ticket(self) -> Ticket | None:
        """The ticket with which the connection was opened; None if there was none."""

    def logged_in_with(self, cookie: str, username: str) -> bool:
        """Whether a browser opened the connection that was logged in with this cookie, or as this user."""

    def check_heartbeat(self) -> None:
        """Ping the client, or drop the connection if it does not answer. Called once per interval."""

    async def may(self, action: Action, session_id: str) -> bool:
        """Whether the user has this permission for a session."""

    def deny_access(self) -> None:
        """Close the connection, because the user may not see the session."""

    def end_login(self) -> None:
        """Close the connection, because the user has logged out."""

    def end_ticket(self) -> None:
        """Close the connection, because its ticket has expired or was revoked."""


class Service:
    """The sessions of a server, their runs and their connections. Belongs to the server's event loop.

    Args:
        app: The extension, with its configuration.

    Attributes:
        sockets: The open connections.
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
        shortest, longest = _HOUSEKEEPING_SECONDS
        housekeeping_seconds = max(shortest, min(app.idle_after, longest))
        self.exports = Exports()
        self.incoming = IncomingLimit()
        self._searching = ThreadPoolExecutor(1, "reasoning-search")
        self._cleaning: asyncio.Task[None] | None = None
        self._audit_log = app.log.getChild("audit")
        self._timers = [
            PeriodicCallback(self._check_connections, app.ping_interval * 1000),
            PeriodicCallback(self._keep_house, housekeeping_seconds * 1000),
        ]

    async def start(self) -> None:
        """Open the store and start spare workers. If the store cannot be opened, each request tries again."""
        for timer in self._timers:
            timer.start()
        try:
            self._open()
        except StorageError as error:
            self._report("the sessions cannot be served", error)
        self._keep_house()
        self.runner.keep_spares()

    async def stop(self) -> None:
        """Close the connections, stop all runs and close the store."""
        for timer in self._timers:
            timer.stop()
        if self._cleaning is not None:
            self._cleaning.cancel()
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
        """The file in which the sessions are stored.

        Raises:
            StorageError: The file cannot be opened. The message says why.
        """
        return self._open()[0]

    @property
    def manager(self) -> SessionManager:
        """The sessions, loaded while they are needed.

        Raises:
            StorageError: The store cannot be opened.
        """
        return self._open()[1]

    @property
    def tickets(self) -> Tickets:
        """Signs and checks tickets.

        Raises:
            StorageError: The store cannot be opened.
        """
        return self._open()[2]

    @property
    def live_runs(self) -> int:
        """The number of sessions with a run that is active or queued."""
        return sum(1 for session in self.live.values() if session.busy)

    @property
    def live(self) -> dict[str, Session]:
        """The sessions in memory."""
        return self._opened[1].live if self._opened is not None else {}

    def audit(self, who: str, action: str, session_id: str, owner: str | None, detail: str = "") -> None:
        """Write an action on a session to the log and to the audit trail.

        Args:
            who: The actor; see `ReasoningHandler.actor`.
            action: The action, as one word: `deleted`, `granted` …
            session_id: The session.
            owner: The owner of the session, or its former owner.
            detail: More about it, as text for people. Must not contain a secret.
        """
        self._log_audit(who, action, session_id, owner, detail)
        try:
            self.store.record_audit(who, action, session_id, owner, detail)
        except StorageError as error:  # the action itself has succeeded, and is in the log
            self._report("the audit trail could not be written", error)

    def _log_audit(self, who: str, action: str, session_id: str, owner: str | None, detail: str = "") -> None:
        about = f"session {session_id}" + (f" of {owner!r}" if owner is not None else "")
        self._audit_log.info("reasoning-widget: %r %s %s%s", who, action, about, f" ({detail})" if detail else "")

    def claim(self, session: Session, owner: str | None) -> None:
        """Make `owner` the owner of a session without one, and close the connections of other users to it."""
        if session.owned:
            return
        session.claim(owner)
        for socket in list(self.sockets) if not self.access.shared_with_all else ():
            if socket.session is session and socket.account != owner:
                socket.deny_access()

    async def search(self, query: str | None, limit: int, cursor: str | None, whose: Whose | None) -> Page:
        """Return a page of the list of sessions; a search for words runs in a thread of its own.

        The arguments are those of `SessionStore.search`.

        Raises:
            ValueError: An argument is out of range, or the cursor is not from an earlier page.
            StorageError: The sessions cannot be read, or the search takes too long.
        """
        store = self.store
        if not (query or "").split():
            return store.search(query, limit, cursor, whose)

        def search_words() -> Page:
            reader = SessionReader(self.app.store_path, _SEARCH_SECONDS)
            try:
                return reader.search(query, limit, cursor, whose)
            finally:
                reader.close()

        return await asyncio.get_running_loop().run_in_executor(self._searching, search_words)

    def export_job(self, session_id: str, export_format: ExportFormat) -> ExportJob:
        """Describe the export of a session, after storing the text by which its open steps have grown.

        Raises:
            KeyError: There is no such session.
            StorageError: The session cannot be read or written.
        """
        if not self.manager.exists(session_id):
            raise KeyError(session_id)
        live = self.live.get(session_id)
        if live is not None:
            live.save_open_text()
        size = self.store.size(session_id)
        return ExportJob(export_format, self.app.store_path, session_id, size, memory=EXPORT_MEMORY)

    def end_login(self, cookie: str, username: str) -> None:
        """Close a user's connections after logging out.

        Args:
            cookie: The login cookie that has ended.
            username: The name of the user; empty if it is unknown.
        """
        for socket in list(self.sockets):
            if socket.logged_in_with(cookie, username):
                socket.end_login()

    def end_ticket(self, ticket_id: str) -> None:
        """Close the connections that were opened with this ticket."""
        for socket in list(self.sockets):
            if socket.ticket is not None and socket.ticket.id == ticket_id:
                socket.end_ticket()

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

    async def _check_connections(self) -> None:
        for socket in list(self.sockets):
            socket.check_heartbeat()
        await self.check_permissions()

    async def check_permissions(self) -> None:
        """Close the connections of users who may no longer see their session."""
        for number, socket in enumerate(list(self.sockets)):
            if number % _SOCKETS_PER_TURN == 0:
                await asyncio.sleep(0)
            try:
                allowed = await socket.may("read", socket.session.session_id)
            except StorageError:
                return  # a client that sends a message gets the error
            except Exception:
                self.app.log.exception("reasoning-widget: the authorizer failed to decide who may see a session")
                allowed = False
            if not allowed:
                socket.deny_access()

    def _keep_house(self) -> None:
        if self._opened is None:
            return
        store, manager, _ = self._opened
        manager.release_idle()
        if self._cleaning is None or self._cleaning.done():
            self._cleaning = asyncio.get_running_loop().create_task(self._clean_up(store, manager))

    async def _clean_up(self, store: SessionStore, manager: SessionManager) -> None:
        def log(session_id: str) -> None:
            self._log_audit(RETENTION, "deleted", session_id, None)

        try:
            await clean_up(store, self.app.retention_days * _DAY, lambda: manager.live, log)
        except StorageError as error:
            self._report("old sessions could not be deleted", error)
