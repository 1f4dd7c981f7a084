"""Fetch the values that are too long for a frame, which the server stores beside the log.

They are requested one at a time over the session's connection. As with all messages, unanswered requests are sent again
after a reconnect. This module does no I/O.
"""

from __future__ import annotations

from typing import Any

from ..depth import loads
from ..export.log import is_reference
from ..outputs import outputs_of
from ..protocol import Frame
from .link import Link


class Values:
    """Replaces references in steps by the values that they refer to.

    Args:
        link: Sends the requests, and holds the steps.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._values: dict[str, Any] = {}
        self._steps_lacking: dict[str, set[str]] = {}  # ids of the steps, by the SHA-256 of a value that they lack
        self._values_lacking: dict[str, set[str]] = {}  # SHA-256 of the values, by the id of the step that lacks them
        self._requested: tuple[str, str] | None = None  # the ids of the open request and of its value
        self._parts: list[str] = []

    @property
    def complete(self) -> bool:
        """Whether no step lacks a value."""
        return not self._values_lacking

    def is_whole(self, step_id: str) -> bool:
        """Whether a step lacks no value."""
        return step_id not in self._values_lacking

    def request(self, sha256: str) -> None:
        """Request a value, unless it has arrived."""
        if sha256 not in self._values:
            self._steps_lacking.setdefault(sha256, set())
            self._request_next()

    def is_pending(self, sha256: str) -> bool:
        """Whether a value was requested and has not arrived."""
        return sha256 in self._steps_lacking

    def value(self, sha256: str) -> Any:
        """Return a value that has arrived.

        Raises:
            KeyError: There is no such value.
        """
        return self._values[sha256]

    def clear(self) -> None:
        """Remove all values and requests, because the log was replaced."""
        if self._requested is not None:
            self._link.drop(self._requested[0])
        self._requested = None
        self._values.clear()
        self._steps_lacking.clear()
        self._values_lacking.clear()

    def fill_step(self, step_id: str) -> None:
        """Insert the values of a new step, and request those that are missing."""
        step = self._link.state["steps"][step_id]
        values = (value for bundle in outputs_of(step) for value in bundle.values())
        references = {value["blob"] for value in values if is_reference(value)}
        for sha256 in references - self._values.keys():
            self._steps_lacking.setdefault(sha256, set()).add(step_id)
            self._values_lacking.setdefault(step_id, set()).add(sha256)
        self._fill(step_id)
        self._request_next()

    def receive(self, frame: Frame) -> None:
        """Receive a `blob` frame with a value, or a part of one."""
        data = frame["data"]
        if "part" in data:
            self._parts = [*(self._parts if data["part"]["index"] > 0 else []), data["text"]]
            if len(self._parts) < data["part"]["count"]:
                return
            self._add(data["blob"], loads("".join(self._parts)))
        else:
            self._add(data["blob"], data["value"])

    def handle_reply(self, message_id: str) -> bool:
        """Return whether the reply to a message ends a request: the value has arrived, or does not exist."""
        if self._requested is None or self._requested[0] != message_id:
            return False
        sha256, self._requested = self._requested[1], None
        self._resolve(sha256)
        self._request_next()
        return True

    def _request_next(self) -> None:
        if self._requested is None and self._steps_lacking:
            sha256 = next(iter(self._steps_lacking))
            self._requested = self._link.send("blob", {"blob": sha256}), sha256

    def _add(self, sha256: str, value: Any) -> None:
        self._values[sha256] = value
        for step_id in self._resolve(sha256):
            self._fill(step_id)

    def _resolve(self, sha256: str) -> set[str]:
        step_ids = self._steps_lacking.pop(sha256, set())
        for step_id in step_ids:
            lacking = self._values_lacking[step_id]
            lacking.discard(sha256)
            if not lacking:
                del self._values_lacking[step_id]
        return step_ids

    def _fill(self, step_id: str) -> None:
        step = self._link.state["steps"][step_id]
        if outputs := outputs_of(step):
            step["outputs"] = [{mime: self._value(each) for mime, each in bundle.items()} for bundle in outputs]

    def _value(self, value: Any) -> Any:
        return self._values.get(value["blob"], value) if is_reference(value) else value
