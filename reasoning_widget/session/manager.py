"""The sessions of one server, by id: in memory while anyone needs them, in the log for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from ..fold import Transcript
from ..protocol import check_session_id
from .log import EventLog, LogDamaged, StorageError
from .record import transcript_of
from .runner import Runner
from .session import Agents, Session


class SessionManager:
    """Live sessions. Everything here must be called on one asyncio loop.

    Args:
        log: Where the sessions are kept.
        agents: Who may be asked.
        runner: Where runs execute.
        idle_after: Seconds after which a session leaves memory that nobody watches and in which nothing runs.
        on_failure: Called with the id of a session whose log could not be written, and why. It has left memory, and is
            loaded again from what the log has when it is next asked for.
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
        """The sessions in memory, by id. Only to be read."""
        return self._live

    def open(self, session_id: str) -> Session:
        """The session of that id, whether it was spoken in before or not.

        Raises:
            ValueError: The id is malformed.
            StorageError: The log cannot be read, or what an earlier process left open cannot be closed in it.
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
        """The session, if anything was ever said in it.

        Raises:
            StorageError: The log cannot be read, or cannot be closed where an earlier process left it open.
        """
        return self.open(session_id) if self.exists(session_id) else None

    def exists(self, session_id: str) -> bool:
        """Whether anything was ever said in the session.

        Raises:
            StorageError: The log cannot be read.
        """
        live = self._live.get(session_id)
        return live.exists if live is not None else self._log.position(session_id) is not None

    def owner(self, session_id: str) -> str | None:
        """The user to whom a session belongs; None where users are not told apart.

        Raises:
            KeyError: There is no such session.
            StorageError: The log cannot be read.
        """
        live = self._live.get(session_id)
        if live is not None and live.owned:
            return live.owner
        return self._log.owner(session_id)

    def transcript(self, session_id: str) -> Transcript | None:
        """What was said in the session, only to be read; it does not come into memory for that. None if nothing was.

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
        """Delete a session and everything said in it. Its run is stopped and its watchers are let go.

        Raises:
            KeyError: There is no such session.
            StorageError: The log cannot be written; the session is still there.
        """
        if not self.exists(check_session_id(session_id)):
            raise KeyError(session_id)
        self._log.delete(session_id)
        session = self._forget(session_id)
        if session is not None:
            session.close("deleted")

    def recover(self, session_ids: list[str]) -> None:
        """Close what an earlier process left open in these sessions. Those that are damaged are told, and left.

        Raises:
            StorageError: The log cannot be written.
        """
        for session_id in session_ids:
            try:
                self.open(session_id)
            except LogDamaged as error:
                self._on_failure(session_id, error)

    def release_idle(self) -> None:
        """Let sessions leave memory that have been idle for long enough; call it now and then."""
        now = asyncio.get_running_loop().time()
        for session_id, session in list(self._live.items()):
            if not session.idle:
                self._idle_since.pop(session_id, None)
            elif now - self._idle_since.setdefault(session_id, now) >= self._idle_after:
                self._forget(session_id)
                session.close()

    def close(self) -> None:
        """Stop what runs and let go of all watchers. What runs is closed as `interrupted` when it is next loaded."""
        for session_id, session in list(self._live.items()):
            self._forget(session_id)
            session.close()

    def _forget(self, session_id: str) -> Session | None:
        self._idle_since.pop(session_id, None)
        return self._live.pop(session_id, None)

    def _forget_failed(self, session_id: str, error: StorageError) -> None:
        self._forget(session_id)
        self._on_failure(session_id, error)
