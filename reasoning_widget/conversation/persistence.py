"""Open the log of a conversation: in memory, or in a file that outlives the kernel."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from ..protocol import Frame, check_session_id
from ..session.log import EventLog, StorageError
from ..session.sqlite import SQLiteLog
from ..session.store import SessionStore, StoreLocked

if TYPE_CHECKING:
    from ..export.log import SessionFile


class Holder(Protocol):
    """The owner of a log, such as a chat."""

    def close(self) -> None:
        """Release the log."""


_holders: Final[weakref.WeakValueDictionary[str, Holder]] = weakref.WeakValueDictionary()
"""The holders in this process whose logs are in files, by session id."""


class ConversationInUse(StorageError):
    """Another kernel has the conversation open. The message says which."""


def log_path(session_id: str) -> Path:
    """Return the path of a conversation's file, which is in Jupyter's data directory.

    Raises:
        ValueError: The id is malformed.
    """
    from jupyter_core.paths import jupyter_data_dir  # slow to import, and only needed for files

    return Path(jupyter_data_dir()) / "reasoning-widget" / "chats" / f"{check_session_id(session_id)}.db"


def open_log(session_id: str | None, holder: Holder, *, resume: bool, file: SessionFile | None = None) -> EventLog:
    """Open the log of a conversation. Call this on the sessions' event loop, and close the log there.

    An earlier holder of the same conversation in this kernel is closed, because its cell was run again.

    Args:
        session_id: The conversation's id.
        holder: The owner of the log.
        resume: Whether to store the log in a file, and to continue the conversation in it.
        file: An exported session to start from.

    Raises:
        ValueError: `resume` is set without an id, the id is malformed, or a conversation exists already under the id of
            the exported one.
        ConversationInUse: Another kernel has the conversation open.
        StorageError: The file cannot be read or written.
    """
    if resume and session_id is None:
        raise ValueError("`resume=True` needs the `session_id` of the conversation")
    if session_id is not None:
        check_session_id(session_id)
    log = _file_log(session_id, holder) if resume and session_id is not None else SQLiteLog()
    if file is not None:
        try:
            _import_file(log, session_id or file["session_id"], file)
        except (ValueError, StorageError):
            log.close()
            raise
    return log


def _file_log(session_id: str, holder: Holder) -> SessionStore:
    earlier = _holders.pop(session_id, None)
    if earlier is not None:
        earlier.close()
    path = log_path(session_id)
    try:
        log = SessionStore(path, f"the kernel with process id {os.getpid()}")
    except StoreLocked:
        owner = Path(f"{path}.owner")
        other = owner.read_text("utf-8").strip() if owner.exists() else "another kernel"
        raise ConversationInUse(
            f"the conversation {session_id!r} is open in {other}: shut that one down, or choose another `session_id`"
        ) from None
    _holders[session_id] = holder
    return log


def _import_file(log: EventLog, session_id: str, file: SessionFile) -> None:
    """Copy an exported session into a log.

    Raises:
        ValueError: The log already contains a conversation with this id.
        StorageError: The log cannot be written.
    """
    if log.position(session_id) is not None:
        raise ValueError(f"there is a conversation {session_id!r} already: choose another `session_id`")
    events: list[Frame] = [{**event, "seq": seq} for seq, event in enumerate(file["events"], 1)]
    if not events:
        return
    log.begin(session_id, file["epoch"])
    log.append(session_id, 0, events)
    for sha256, value in file.get("blobs", {}).items():
        log.put_blob(session_id, sha256, value)
