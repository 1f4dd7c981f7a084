"""What the handlers of one server share."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tornado.ioloop import PeriodicCallback

from ..agents.manager import AgentManager
from ..session.log import StorageError
from ..session.manager import SessionManager
from ..session.processes import ProcessRunner
from ..session.session import Session
from ..session.store import SessionStore
from .hub import Hub
from .metrics import Metrics
from .tickets import Tickets

if TYPE_CHECKING:
    from .extension import ReasoningApp
    from .sockets import ChatSocket

_HOUSEKEEPING = (0.1, 60.0)  # seconds between looks for sessions that are idle or too old: `idle_after`, within these
_FOR_WORKERS = ("AgentManager", "Models")  # the configuration that is read where agents are made
_DAY = 24 * 3600.0
_AT_A_TIME = 100  # sessions that expire before others have their turn
_SLICE = 0.004  # seconds for which what was deleted is taken off the disk, and the pause after it
_PAUSE = 0.02


class Service:
    """The sessions of a server, what runs them, and who watches them. Lives on the server's loop.

    Args:
        app: The extension, with its configuration.

    Attributes:
        sockets: The connections that are open.
    """

    def __init__(self, app: ReasoningApp) -> None:
        self.app = app
        self.metrics = Metrics(self)
        self.hub = Hub(self.metrics.count_sent)
        self.sockets: set[ChatSocket] = set()
        self.agents = AgentManager(config=app.config)
        self.agents.agents = {**self.agents.agents, **app.agents}
        self.runner = ProcessRunner(
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
        self._tidying: asyncio.Task[None] | None = None
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

    def _beat(self) -> None:
        for socket in list(self.sockets):
            socket.beat()

    def _keep_house(self) -> None:
        if self._opened is None:
            return
        store, manager, _ = self._opened
        manager.release_idle()
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.get_running_loop().create_task(self._tidy(store, manager))

    async def _tidy(self, store: SessionStore, manager: SessionManager) -> None:
        """Delete what is too old, and take what was deleted off the disk: a little at a time, in between all else."""
        age = self.app.retention_days * _DAY
        try:
            while age > 0 and store.expire(time.time() - age, keep=set(manager.live), limit=_AT_A_TIME):  # noqa: ASYNC110
                await asyncio.sleep(_PAUSE)
            while store.purge(_SLICE):  # noqa: ASYNC110 (there is nothing to be told by)
                await asyncio.sleep(_PAUSE)
        except StorageError as error:
            self._report("old sessions could not be deleted", error)
