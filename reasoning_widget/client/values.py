"""The values that are too long for a frame: the server keeps them beside the log, and here they are fetched.

One after the other, over the connection that there is; like all messages, what was asked for is asked again after a
break. No I/O here.
"""

from __future__ import annotations

from typing import Any

from ..depth import loads
from ..export.log import is_reference
from ..outputs import outputs_of
from ..protocol import Frame
from .link import Link


class Values:
    """Puts the values that steps refer to into their places.

    Args:
        link: Which asks for them, and whose steps they are.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._known: dict[str, Any] = {}
        self._wanted: dict[str, set[str]] = {}  # the steps that lack a value, by its SHA-256
        self._lacking: dict[str, set[str]] = {}  # the values that a step lacks, by its id
        self._asked: tuple[str, str] | None = None  # the message that asks, and for what
        self._parts: list[str] = []

    @property
    def complete(self) -> bool:
        """Whether no step lacks a value."""
        return not self._lacking

    def is_whole(self, step_id: str) -> bool:
        """Whether a step lacks no value."""
        return step_id not in self._lacking

    def want(self, sha256: str) -> None:
        """Ask for a value, unless it is here."""
        if sha256 not in self._known:
            self._wanted.setdefault(sha256, set())
            self._ask()

    def wanted(self, sha256: str) -> bool:
        """Whether a value is still to come."""
        return sha256 in self._wanted

    def value(self, sha256: str) -> Any:
        """A value that came.

        Raises:
            KeyError: There is none.
        """
        return self._known[sha256]

    def forget(self) -> None:
        """The log begins anew."""
        if self._asked is not None:
            self._link.forget(self._asked[0])
        self._asked = None
        self._known.clear()
        self._wanted.clear()
        self._lacking.clear()

    def complete_step(self, step_id: str) -> None:
        """A step came: put into it what is known, and ask for what is not."""
        step = self._link.state["steps"][step_id]
        values = (value for bundle in outputs_of(step) for value in bundle.values())
        references = {value["blob"] for value in values if is_reference(value)}
        for sha256 in references - self._known.keys():
            self._wanted.setdefault(sha256, set()).add(step_id)
            self._lacking.setdefault(step_id, set()).add(sha256)
        self._fill(step_id)
        self._ask()

    def take(self, frame: Frame) -> None:
        """A `blob` frame came: a value, or a part of one."""
        data = frame["data"]
        if "part" in data:
            self._parts = [*(self._parts if data["part"]["index"] > 0 else []), data["text"]]
            if len(self._parts) < data["part"]["count"]:
                return
            self._have(data["blob"], loads("".join(self._parts)))
        else:
            self._have(data["blob"], data["value"])

    def answered(self, message_id: str) -> bool:
        """Whether it was a message of ours that was answered: then the value is here, or there is none."""
        if self._asked is None or self._asked[0] != message_id:
            return False
        sha256, self._asked = self._asked[1], None
        self._lack_no_more(sha256)
        self._ask()
        return True

    def _ask(self) -> None:
        if self._asked is None and self._wanted:
            sha256 = next(iter(self._wanted))
            self._asked = self._link.send("blob", {"blob": sha256}), sha256

    def _have(self, sha256: str, value: Any) -> None:
        self._known[sha256] = value
        for step_id in self._lack_no_more(sha256):
            self._fill(step_id)

    def _lack_no_more(self, sha256: str) -> set[str]:
        step_ids = self._wanted.pop(sha256, set())
        for step_id in step_ids:
            lacking = self._lacking[step_id]
            lacking.discard(sha256)
            if not lacking:
                del self._lacking[step_id]
        return step_ids

    def _fill(self, step_id: str) -> None:
        step = self._link.state["steps"][step_id]
        if outputs := outputs_of(step):
            step["outputs"] = [{mime: self._value(each) for mime, each in bundle.items()} for bundle in outputs]

    def _value(self, value: Any) -> Any:
        return self._known.get(value["blob"], value) if is_reference(value) else value
