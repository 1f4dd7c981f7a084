"""Limits for each user. If users are not identified, all of them count as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from ..protocol import ProtocolError
from ..session.session import Session
from ..session.store import SessionStore
from .settings import ReasoningSettings

_UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


class _Counted(Protocol):
    @property
    def account(self) -> str | None: ...


class Limited(Protocol):
    """The sessions and connections to which the limits apply."""

    @property
    def app(self) -> ReasoningSettings:
        """The settings, with the limits."""

    @property
    def sockets(self) -> Iterable[_Counted]:
        """The open connections."""

    @property
    def live(self) -> Mapping[str, Session]:
        """The sessions that are loaded."""

    @property
    def store(self) -> SessionStore:
        """The file with all sessions. Raises `StorageError` if it cannot be opened."""


class Quotas:
    """Checks the limits `ReasoningApp.max_…_per_user`.

    Args:
        service: The sessions and connections.
    """

    def __init__(self, service: Limited) -> None:
        self._service = service
        self._app = service.app

    def check_connection(self, account: str | None) -> str | None:
        """Check the number of a user's connections, after a new one was added to them.

        Returns:
            Why the new connection is refused; None if it is not.
        """
        most = self._app.max_connections_per_user
        if not most or sum(1 for socket in self._service.sockets if socket.account == account) <= most:
            return None
        return f"a user may have at most {_counted(most, 'connection')} at once: close another page or program"

    def check_message(self, session: Session, account: str | None, size: int) -> None:
        """Check the limits for a prompt.

        Args:
            session: The session of the prompt.
            account: The account of its author; see `Access.account`.
            size: The size of the prompt, in bytes.

        Raises:
            ProtocolError: The prompt would exceed a limit. The message says what to do.
            StorageError: The current usage cannot be read.
        """
        self._check_queue(account)
        owner = session.owner if session.owned else account
        if not session.exists and self._app.max_sessions_per_user:
            self._check_sessions(owner)
        if self._app.max_bytes_per_user:
            self._check_size(owner, size, mine=owner == account)

    def _check_queue(self, account: str | None) -> None:
        most = self._app.max_queued_per_user
        if most and sum(session.waiting_of(account) for session in self._service.live.values()) >= most:
            raise ProtocolError(
                "quota",
                f"at most {_counted(most, 'message')} of yours may be queued at once: withdraw one, or send this again "
                "when the next one is being answered",
            )

    def _check_sessions(self, owner: str | None) -> None:
        most = self._app.max_sessions_per_user
        if self._service.store.usage(owner).sessions >= most:
            raise ProtocolError(
                "quota",
                f"you have {_counted(most, 'session')}, which is the limit: delete one that you no longer need, then "
                "send this again",
            )

    def _check_size(self, owner: str | None, size: int, *, mine: bool) -> None:
        most = self._app.max_bytes_per_user
        used = self._service.store.usage(owner).size
        if used + size > most:
            owner_may, owners = ("you may", "your") if mine else ("its owner may", "the owner's")
            raise ProtocolError(
                "quota",
                f"there is no room for this message: {owner_may} store {_size_text(most)}, of which {_size_text(used)} "
                f"are in use. Delete or clear some of {owners} sessions, then send this again",
            )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def _size_text(size: int) -> str:
    return next((f"{size / unit:.1f} {name}" for name, unit in _UNITS if size >= unit), f"{size} bytes")
