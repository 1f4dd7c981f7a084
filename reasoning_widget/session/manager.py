"""The sessions of a server, by id: in memory while they are used, and permanently in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from ..fold import Transcript
from ..protocol import check_session_id
from .folded_log import transcript_of
from .log import EventLog, LogDamaged, StorageError
from .runner import Runner
from .session import Agents, Session


class SessionManager:
    """Loads sessions when they are used, and unloads idle ones. All methods must be called on one asyncio loop.

    A session that is loaded asks the prompts that were queued when an earlier process ended.

    Args:
        log: Stores the sessions.
        agents: The agents that can be asked.
        runner: Executes the runs.
        idle_after: Seconds before an idle, unwatched session is unloaded.
        on_failure: Called with the id of a session whose log could not be written, and the reason. The session was
            unloaded; when it is next opened, it is loaded from the log.
    """

    def __init__(
        self,
        log: EventLog,
        agents: Agents,
        runner: Runner,
        *,
        idle_after: float,
        on_failure: Callable[[str, StorageError], None] = lambda _id, _error: None,
    ) -> None:
        self._log = log
        self._agents = agents
        self._runner = runner
        self._idle_after = idle_after
        self._on_failure = on_failure
        self._live: dict[str, Session] = {}
        self._idle_since: dict[str, float] = {}

    @property
    def live(self) -> dict[str, Session]:
        """The loaded sessions, by id. Do not change the dictionary."""
        return self._live

    def open(self, session_id: str) -> Session:
        """The session with this id, which may be new.

        Raises:
            ValueError: The id is malformed.
            StorageError: The log cannot be read; or it cannot be written, to close what an earlier process left open.
        """
        session = self._live.get(session_id)
        if session is None:
            session = Session(
                session_id,
                log=self._log,
                agents=self._agents,
                runner=self._runner,
                resume_queue=True,
                on_failure=partial(self._forget_failed, session_id),
            )
            self._live[session_id] = session
        return session

    def find(self, session_id: str) -> Session | None:
        """The session with this id; None if there is none, because it has no message yet.

        Raises:
            StorageError: The log cannot be read; or it cannot be written, to close what an earlier process left open.
        """
        return self.open(session_id) if self.exists(session_id) else None

    def exists(self, session_id: str) -> bool:
        """Whether there is a session with this id: it has a message.

        Raises:
            StorageError: The log cannot be read.
        """
        live = self._live.get(session_id)
        return live.exists if live is not None else self._log.position(session_id) is not None

    def owner(self, session_id: str) -> str | None:
        """The user to whom a session belongs; None if users are not distinguished.

        Raises:
            KeyError: There is no such session.
            StorageError: The log cannot be read.
        """
        live = self._live.get(session_id)
        if live is not None and live.owned:
            return live.owner
        return self._log.owner(session_id)

    def transcript(self, session_id: str) -> Transcript | None:
        """The transcript of a session, without loading it; None if there is no such session. Do not change it.

        Raises:
            StorageError: The log cannot be read.
        """
        live = self._live.get(session_id)
        if live is not None:
            return live.state if live.exists else None
        return transcript_of(self._log, session_id)

    def rename(self, session_id: str, title: str) -> None:
        """Give a session another title.

        Raises:
            KeyError: There is no such session.
            ValueError: The title is empty.
            StorageError: The log cannot be read or written.
        """
        session = self.find(session_id)
        if session is None:
            raise KeyError(session_id)
        session.rename(title)

    def delete(self, session_id: str) -> None:
        """Delete a session. Its run is stopped, and its watchers end.

        Raises:
            KeyError: There is no such session.
            StorageError: The log cannot be written. Nothing has changed.
        """
        if not self.exists(check_session_id(session_id)):
            raise KeyError(session_id)
        self._log.delete(session_id)
        session = self._forget(session_id)
        if session is not None:
            session.close("deleted")

    def recover(self, session_ids: list[str]) -> None:
        """Load sessions in which an earlier process left something open, so that it is closed or resumed.

        Damaged sessions are passed to `on_failure`.

        Raises:
            StorageError: The log cannot be written.
        """
        for session_id in session_ids:
            try:
                self.open(session_id)
            except LogDamaged as error:
                self._on_failure(session_id, error)

    def release_idle(self) -> None:
        """Unload the sessions that have been idle for `idle_after` seconds. Call it regularly."""
        now = asyncio.get_running_loop().time()
        for session_id, session in list(self._live.items()):
            if not session.idle:
                self._idle_since.pop(session_id, None)
            elif now - self._idle_since.setdefault(session_id, now) >= self._idle_after:
                self._forget(session_id)
                session.close()

    def close(self) -> None:
        """Unload all sessions: stop their runs, and end their watchers.

        When a session is next loaded, its run is closed as `interrupted`, and its queued prompts are asked.
        """
        for session_id, session in list(self._live.items()):
            self._forget(session_id)
            session.close()

    def _forget(self, session_id: str) -> Session | None:
        self._idle_since.pop(session_id, None)
        return self._live.pop(session_id, None)

    def _forget_failed(self, session_id: str, error: StorageError) -> None:
        self._forget(session_id)
        self._on_failure(session_id, error)
