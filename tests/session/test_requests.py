"""The requests of agents to the person, without a session."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from reasoning_widget.agents.exceptions import Stopped
from reasoning_widget.session.log import StorageError
from reasoning_widget.session.requests import Requests


class Desk:
    """Requests whose events and timers are visible to the test."""

    def __init__(self):
        self.events = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.full = False
        self.requests = Requests(self.append, lambda seconds, call: self.timers.append((seconds, call)), lambda: 5.0)

    def append(self, *events):
        if self.full:
            raise StorageError("the disk is full")
        self.events.extend(events)

    def ask(self, **request):
        reply: Future[Any] = Future()
        self.requests.open({"kind": "approval", "prompt": "Delete?", **request}, reply, "r1", None)
        return reply

    @property
    def last_id(self):
        return self.events[-1][1]["request_id"]


@pytest.fixture
def desk():
    return Desk()


def test_a_reply_is_logged_and_given_to_the_agent_once(desk):
    reply = desk.ask()

    for value in (True, False):
        desk.requests.answer(desk.last_id, value, "ada")

    assert reply.result(0) is True
    closed = {"request_id": desk.last_id, "reason": "answered", "value": True, "by": "ada"}
    assert desk.events[1:] == [("request_closed", closed)]


def test_a_request_expires_after_its_timeout(desk):
    reply = desk.ask(timeout=30)
    ((seconds, expire),) = desk.timers
    expire()

    assert seconds == 30
    assert reply.result(0) is None
    assert [data.get("reason") for _, data in desk.events] == [None, "expired"]
    assert desk.events[0][1]["expires"] == 35.0


def test_a_timer_after_the_reply_changes_nothing(desk):
    reply = desk.ask(timeout=30)
    desk.requests.answer(desk.last_id, "yes", None)
    desk.timers[0][1]()

    assert reply.result(0) == "yes"
    assert [data.get("reason") for _, data in desk.events] == [None, "answered"]


def test_a_malformed_request_is_an_error_to_the_agent(desk):
    reply = desk.ask(kind="riddle")

    with pytest.raises(ValueError, match="riddle"):
        reply.result(0)
    assert desk.events == []


def test_closing_stops_all_waiting_agents(desk):
    replies = [desk.ask(), desk.ask()]
    desk.requests.close("stopped")

    assert [type(reply.exception(0)) for reply in replies] == [Stopped, Stopped]
    assert [data["reason"] for kind, data in desk.events if kind == "request_closed"] == ["stopped", "stopped"]


def test_a_reply_that_cannot_be_logged_does_not_reach_the_agent(desk):
    reply = desk.ask()
    request_id = desk.last_id
    desk.full = True

    with pytest.raises(StorageError):
        desk.requests.answer(request_id, True, None)
    assert not reply.done()
    desk.requests.drop()  # as a session does when its log has failed
    assert isinstance(reply.exception(0), Stopped)
