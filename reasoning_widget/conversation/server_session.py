"""What a kernel knows of a session on a server: it is read whole whenever it is needed, and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import httpx
import msgspec

from ..client.address import Address
from ..client.errors import Disconnected, NotAllowed
from ..export.log import SessionFile, session_file
from ..fold import Transcript, new_transcript, receive
from ..protocol import Frame
from ..session.record import LoggedStep

_TIMEOUT: Final = 30.0  # seconds; a long session takes a while
_EXIT_TIMEOUT: Final = 2.0  # seconds; a kernel that does not end soon is killed


class ServerSession:
    """A session as it was when it was read; has what the saved view and the exports want of a `Session`.

    Args:
        address: The server.
        session_id: The session.
    """

    def __init__(self, address: Address, session_id: str) -> None:
        self.session_id = session_id
        self.file: SessionFile
        self.state: Transcript
        self.open_steps: Mapping[str, LoggedStep] = {}  # what was read has their text
        self._replace(session_file(session_id, "", []))
        self._address = address

    @property
    def epoch(self) -> str:
        """The log that was read."""
        return self.file["epoch"]

    def blob(self, sha256: str) -> Any:
        """A value that is kept beside the log.

        Raises:
            KeyError: It is not there.
        """
        return self.file.get("blobs", {})[sha256]

    def events_after(self, after: int) -> Iterator[Frame]:
        """The events behind that one."""
        return (event for event in self.file["events"] if event["seq"] > after)

    async def read(self) -> None:
        """Fetch the log. A session that has not begun yet has an empty one.

        Raises:
            Disconnected: It cannot be read; the text says why.
        """
        self._replace(await asyncio.to_thread(self._fetch, _TIMEOUT))

    def read_at_exit(self) -> None:
        """The same while the interpreter ends, and begins no threads any more.

        Raises:
            Disconnected: It cannot be read in time; the text says why.
        """
        self._replace(self._fetch(_EXIT_TIMEOUT))

    def _fetch(self, timeout: float) -> SessionFile:
        url, headers = self._address.api("sessions", self.session_id, "export"), self._address.headers
        try:
            response = httpx.get(url, headers=headers, timeout=timeout)
        except httpx.TransportError:
            raise Disconnected(f"nothing answers at {self._address.base}") from None
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise NotAllowed(f"the server at {self._address.base} does not let us read session {self.session_id}")
        if response.is_success:
            return cast("SessionFile", msgspec.json.decode(response.content))
        if response.status_code != httpx.codes.NOT_FOUND:
            raise Disconnected(f"the server at {self._address.base} answered {response.status_code}")
        return session_file(self.session_id, "", [])

    def _replace(self, file: SessionFile) -> None:
        state = new_transcript()
        state["session_id"], state["epoch"] = file["session_id"], file["epoch"]  # by these the page knows it
        for event in file["events"]:
            receive(state, event)
        self.file, self.state = file, state
