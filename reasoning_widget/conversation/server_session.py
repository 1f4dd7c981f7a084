"""The kernel's copy of a session on a server. It is always read as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from ..client import rest
from ..client.address import Address
from ..export.log import SessionFile, session_file
from ..fold import Transcript, new_transcript, receive
from ..protocol import Frame
from ..session.folded_log import LoggedStep

_TIMEOUT: Final = 30.0  # seconds; long sessions take a while
_EXIT_TIMEOUT: Final = 2.0  # seconds; kernels that do not exit soon are killed


class ServerSession:
    """A session as of its last read, with the part of `Session`'s interface that snapshots and exports use.

    Args:
        address: The address of the server.
        session_id: The id of the session.
    """

    def __init__(self, address: Address, session_id: str) -> None:
        self.session_id = session_id
        self.file: SessionFile
        self.state: Transcript
        self.open_steps: Mapping[str, LoggedStep] = {}  # the steps that were read contain their text
        self._replace(session_file(session_id, "", []))
        self._address = address

    @property
    def epoch(self) -> str:
        """The id of the log that was read."""
        return self.file["epoch"]

    def blob(self, sha256: str) -> Any:
        """Return a value that is stored beside the log.

        Raises:
            KeyError: There is no value with this SHA-256.
        """
        return self.file.get("blobs", {})[sha256]

    def events_after(self, after: int) -> Iterator[Frame]:
        """Return the events after the one with the `seq` `after`."""
        return (event for event in self.file["events"] if event["seq"] > after)

    async def read(self) -> None:
        """Fetch the log. It is empty if the session has not begun.

        Raises:
            Disconnected: The session cannot be read. The message says why.
        """
        self._replace(await asyncio.to_thread(self._fetch, _TIMEOUT))

    def read_at_exit(self) -> None:
        """Fetch the log while the interpreter exits, when no threads can be started any more.

        Raises:
            Disconnected: The session cannot be read in time. The message says why.
        """
        self._replace(self._fetch(_EXIT_TIMEOUT))

    def _fetch(self, timeout: float) -> SessionFile:
        try:
            content = rest.export(self._address, self.session_id, "json", timeout=timeout)
        except LookupError:
            return session_file(self.session_id, "", [])
        return cast("SessionFile", msgspec.json.decode(content))

    def _replace(self, file: SessionFile) -> None:
        state = new_transcript()
        state["session_id"], state["epoch"] = file["session_id"], file["epoch"]  # the page identifies it by these
        for event in file["events"]:
            receive(state, event)
        self.file, self.state = file, state
