"""The requests of a run's agent to the person: approvals and questions."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from ..agents.base import check_request
from ..agents.exceptions import Stopped
from ..clean import clean_json, clean_text
from ..protocol import JSON


class Append(Protocol):
    """Logs events, given by their types and data."""

    def __call__(self, *events: tuple[str, JSON]) -> None:
        """Log the events.

        Raises:
            StorageError: The log cannot be written.
        """


class Requests:
    """The open requests of a session, by id. Each is logged when it is opened, and again before its agent continues.

    Args:
        append: Logs events.
        call_later: Calls a function after a number of seconds.
        clock: The time, in seconds since the epoch.
    """

    def __init__(
        self,
        append: Append,
        call_later: Callable[[float, Callable[[], None]], object],
        clock: Callable[[], float],
    ) -> None:
        self._append = append
        self._call_later = call_later
        self._clock = clock
        self._replies: dict[str, Future[Any]] = {}

    def open(self, request: JSON, reply: Future[Any], run_id: str, step_id: str | None) -> None:
        """Ask the person.

        Args:
            request: The agent's request. A malformed one raises an error in the agent.
            reply: Takes the person's reply; None if the request expires.
            run_id: The run that asks.
            step_id: The step that asks, if known.

        Raises:
            StorageError: The log cannot be written.
        """
        try:
            check_request(request)
        except ValueError as error:
            reply.set_exception(error)
            return
        request_id = secrets.token_hex(6)
        timeout = request.get("timeout")
        now = self._clock()
        data: JSON = {
            "request_id": request_id,
            "run_id": run_id,
            "step_id": step_id,
            "kind": request["kind"],
            "prompt": clean_text(str(request.get("prompt", ""))),
            "timestamp": now,
            "expires": now + timeout if timeout is not None else None,
        }
        data.update({name: clean_json(request[name]) for name in ("options", "details") if request.get(name)})
        self._replies[request_id] = reply
        self._append(("request", data))
        if timeout is not None:
            self._call_later(timeout, lambda: self._expire(request_id))

    def answer(self, request_id: str, value: Any, by: str | None) -> None:
        """Close a request with the person's reply; ignored if it is already closed.

        Args:
            request_id: The request.
            value: The reply.
            by: The user who replied, if the server distinguishes users.

        Raises:
            StorageError: The log cannot be written.
        """
        if request_id in self._replies:
            value = clean_json(value)
            data = {"request_id": request_id, "reason": "answered", "value": value}
            self._append(("request_closed", data if by is None else {**data, "by": by}))
            self._replies.pop(request_id).set_result(value)

    def close(self, reason: str) -> None:
        """Close all open requests for `reason`, and stop their agents.

        Raises:
            StorageError: The log cannot be written.
        """
        self._append(*(("request_closed", {"request_id": each, "reason": reason}) for each in self._replies))
        self.drop()

    def drop(self) -> None:
        """Stop the agents waiting for replies, without logging anything."""
        replies, self._replies = self._replies, {}
        for reply in replies.values():
            reply.set_exception(Stopped())

    def _expire(self, request_id: str) -> None:
        if request_id in self._replies:
            self._append(("request_closed", {"request_id": request_id, "reason": "expired"}))
            self._replies.pop(request_id).set_result(None)
