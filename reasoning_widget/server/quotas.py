"""How much one user may have at once. Where users are not told apart, all of them are one."""

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
    """What the quotas limit: the sessions and connections of a server."""

    @property
    def app(self) -> ReasoningSettings:
        """The limits."""

    @property
    def sockets(self) -> Iterable[_Counted]:
        """The open connections."""

    @property
    def live(self) -> Mapping[str, Session]:
        """The sessions in memory."""

    @property
    def store(self) -> SessionStore:
        """Where all sessions are kept. Raises `StorageError` if it cannot be opened."""


class Quotas:
    """Checks the limits `ReasoningApp.max_…_per_user`. What is refused is left with whoever asked for it.

    Args:
        service: Whose users they are.
    """

    def __init__(self, service: Limited) -> None:
        self._service = service
        self._app = service.app

    def check_connection(self, account: str | None) -> str | None:
        """Why a connection, which is counted already, is one too many; None if it is not."""
        most = self._app.max_connections_per_user
        if not most or sum(1 for socket in self._service.sockets if socket.account == account) <= most:
            return None
        return f"a user may have {_counted(most, 'connection')} at once, and no more: close another page or program"

    def check_message(self, session: Session, account: str | None, size: int) -> None:
        """Make sure that there is room for a prompt.

        Args:
            session: In which it is asked.
            account: Who asks; see `Access.account`.
            size: Its length in bytes.

        Raises:
            ProtocolError: There is none; the text says what to do.
            StorageError: What there is cannot be read.
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
                f"{_counted(most, 'message')} of yours may be queued at once, and no more: withdraw one, or send this "
                "again when another is being answered",
            )

    def _check_sessions(self, owner: str | None) -> None:
        most = self._app.max_sessions_per_user
        if self._service.store.usage(owner).sessions >= most:
            raise ProtocolError(
                "quota",
                f"you have {_counted(most, 'session')}, as many as you may have: delete one that you need no more, "
                "then send this again",
            )

    def _check_size(self, owner: str | None, size: int, *, mine: bool) -> None:
        most = self._app.max_bytes_per_user
        used = self._service.store.usage(owner).size
        if used + size > most:
            who, whose = ("you", "your") if mine else ("its owner", "the owner's")
            raise ProtocolError(
                "quota",
                f"this message does not fit beside what {who} may keep, {_in_words(most)}, "
                f"of which {_in_words(used)} are taken: delete or clear some of {whose} sessions, then send this again",
            )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def _in_words(size: int) -> str:
    return next((f"{size / unit:.1f} {name}" for name, unit in _UNITS if size >= unit), f"{size} bytes")
