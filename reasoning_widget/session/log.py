"""The interface of event logs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..fold import Place
from ..protocol import Frame


class StorageError(RuntimeError):
    """The log cannot be read or written; the message says why, and what to do."""


class LogConflict(StorageError):
    """Another writer has appended to the log: its last event is not the expected one."""


class LogDamaged(StorageError):
    """The stored events of a session differ from what was written. Other sessions are not affected."""


class LogPosition(NamedTuple):
    """The end of a log."""

    epoch: str
    last_seq: int


OpenText = dict[tuple[str, Place], tuple[int, int, str]]
"""By step id and place: the `base` of the text, an offset in code points, and the text from there on."""


class EventLog(ABC):
    """The events of many sessions, each an append-only list numbered from 1 without gaps.

    Any thread may make calls, but only one at a time. Every change is stored when the call returns. If the log cannot
    be read or written, every call raises `StorageError` and changes nothing.
    """

    @abstractmethod
    def position(self, session_id: str) -> LogPosition | None:
        """Return the end of the session's log; None if there is none."""

    @abstractmethod
    def owner(self, session_id: str) -> str | None:
        """Return the user to whom the session belongs; None if users are not distinguished.

        Raises:
            KeyError: There is no such session.
        """

    @abstractmethod
    def begin(self, session_id: str, epoch: str, owner: str | None = None) -> None:
        """Delete the session, if there is one, with its blobs, and begin an empty log of `owner` under `epoch`."""

    @abstractmethod
    def delete(self, session_id: str) -> None:
        """Delete the session. It is gone for all callers at once; its space may be freed later."""

    @abstractmethod
    def append(
        self,
        session_id: str,
        expected_last_seq: int,
        events: list[Frame],
        blobs: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Append `events`, all or none; their `seq` continue from `expected_last_seq`.

        `blobs`, values by their SHA-256, are stored with them. The open text of steps that they close is deleted: the
        events contain it.

        Raises:
            LogConflict: The log does not end at `expected_last_seq`.
        """

    @abstractmethod
    def read(self, session_id: str, after: int = 0, limit: int | None = None) -> list[Frame]:
        """Return the events after `after`, in order, at most `limit`.

        Raises:
            LogDamaged: One of them is missing, or differs from what was appended.
        """

    @abstractmethod
    def save_open_text(self, session_id: str, texts: OpenText) -> None:
        """Replace the stored text of open steps that no event contains yet. This is not an event."""

    @abstractmethod
    def open_text(self, session_id: str) -> OpenText:
        """Return the text that was last passed to `save_open_text`, of steps that are still open."""

    @abstractmethod
    def put_blob(self, session_id: str, sha256: str, value: Any) -> None:
        """Store a value that is too long for its event."""

    @abstractmethod
    def get_blob(self, session_id: str, sha256: str) -> Any:
        """Return the value with that SHA-256.

        Raises:
            KeyError: The session has no such blob.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the resources of the log."""
