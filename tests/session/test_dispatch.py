"""One table of messages, and one rule for answering them, on every transport."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reasoning_widget.export.reading import read_session
from reasoning_widget.fold import _EVENTS
from reasoning_widget.protocol import CLIENT_MESSAGES, SERVER_MESSAGES
from reasoning_widget.session.dispatch import dispatch
from reasoning_widget.session.log import StorageError
from reasoning_widget.widget.link import CommLink
from reasoning_widget.widget.server_link import ServerLink
from tests.session.manual import open_session


class Comm:
    """A session's comm, and the frames that are sent over it."""

    def __init__(self, session):
        self.frames = []
        self.link = CommLink(session, self._sent, lambda: None, lambda: None, self._forms)

    def say(self, kind, message_id=None, **payload):
        before = len(self.frames)
        self.link.receive({"type": kind, "payload": payload, **({"id": message_id} if message_id else {})})
        return self.frames[before:]

    def _sent(self, batch):
        self.frames += batch["frames"]

    async def _forms(self, message_id):
        return {"text/plain": "all of it"}


@pytest.fixture
async def session():
    session, _ = open_session()
    return session


@pytest.fixture
async def comm(session):
    comm = Comm(session)
    yield comm
    comm.link.close()


class Tickets:
    async def frame(self, *, fresh):
        return {"type": "ticket", "data": {"ticket": "fresh" if fresh else "first", "expires_in": None}}


@pytest.fixture
async def relay():
    frames: list[Any] = []

    async def forms(message_id):
        return {"text/plain": "all of it"}

    link = ServerLink("ws://there/ws/chat/s", Tickets(), frames.append, forms)  # type: ignore[arg-type] # enough of them
    yield link, frames
    link.close()


# The table


def test_the_fold_knows_every_event():
    assert list(_EVENTS) == [kind for kind, declared in SERVER_MESSAGES.items() if declared.is_event]


@pytest.mark.parametrize("kind", [kind for kind, declared in SERVER_MESSAGES.items() if not declared.is_event])
def test_other_messages_are_not_read_as_events(kind):
    events = [
        {"type": kind, "seq": 1, "data": {"id": "x", "message_id": None, "bundle": {}}},
        {"type": "session_info", "seq": 2, "data": {"title": "T"}},
    ]
    file = {"format": "reasoning-widget.session", "version": 1, "session_id": "s", "epoch": "e", "events": events}
    assert [event["type"] for event in read_session(file).file["events"]] == ["session_info"]


@pytest.mark.parametrize("transport", ["program", "socket", "comm", "relay"])
@pytest.mark.parametrize("kind", [*CLIENT_MESSAGES, "fly"])
def test_a_transport_accepts_and_lists_only_its_messages(kind, transport):
    (error,) = dispatch({"type": kind, "id": "1", "payload": 5}, transport, lambda message: [])
    takes = {name for name, declared in CLIENT_MESSAGES.items() if transport in declared.transports}
    assert error["data"]["id"] == "1"
    assert error["data"]["code"] == ("bad_message" if kind in takes else "unknown_type")
    if kind not in takes:
        named = error["data"]["message"].partition("known are ")[2].split(", ")
        assert set(named) == takes


# The rule


async def test_the_acknowledgement_of_a_prompt_without_an_id_contains_its_new_id(session):
    (ack,) = session.handle({"type": "chat", "payload": {"message": "Hello", "agent_name": "researcher"}})
    assert ack == {"type": "ack", "data": {"id": session.state["messages"][0]["id"]}}


async def test_a_message_with_an_id_is_acknowledged_once(session, comm):
    pong, ack = session.handle({"type": "ping", "id": "p", "payload": {}})
    assert (pong["type"], ack) == ("pong", {"type": "ack", "data": {"id": "p"}})
    attach = comm.say("attach", "a", epoch=None, after=0)
    assert attach == [{"type": "ack", "data": {"id": "a"}}]
    assert comm.say("stop") == []


async def test_a_request_for_an_unknown_value_gets_only_an_error(comm):
    (error,) = comm.say("blob", "b", blob="nothing")
    assert (error["type"], error["data"]["code"], error["data"]["id"]) == ("error", "unknown_blob", "b")


async def test_a_request_for_an_unreadable_value_gets_an_error(session, comm, monkeypatch):
    def unreadable(sha256):
        raise StorageError("the disk is gone")

    monkeypatch.setattr(session, "blob", unreadable)
    (error,) = comm.say("blob", "b", blob="x")
    assert error["data"] == {"code": "storage_failed", "message": "the disk is gone", "id": "b"}
    assert session.ended is None, "what can be read is still served"


async def test_a_value_is_sent_after_the_acknowledgement(session, comm, monkeypatch):
    monkeypatch.setattr(session, "blob", lambda sha256: {"rows": 3})
    assert comm.say("blob", "b", blob="x") == [{"type": "ack", "data": {"id": "b"}}]
    while comm.frames[-1]["type"] != "blob":
        await asyncio.sleep(0)
    assert comm.frames[-1]["data"] == {"blob": "x", "value": {"rows": 3}}


async def test_the_link_to_a_server_follows_the_same_rule(relay):
    link, frames = relay
    while frames[-1]["type"] != "ticket":
        await asyncio.sleep(0)
    assert [frame["type"] for frame in frames] == ["server", "ticket"]

    link.receive({"type": "ticket", "id": "t", "payload": {"fresh": True}})
    assert frames[-1] == {"type": "ack", "data": {"id": "t"}}
    while frames[-1]["type"] != "ticket":
        await asyncio.sleep(0)
    assert frames[-1]["data"]["ticket"] == "fresh"

    link.receive({"type": "module", "id": "m", "payload": {"name": "secrets"}})
    assert (frames[-1]["type"], frames[-1]["data"]["id"]) == ("error", "m")
    link.receive({"type": "chat", "payload": {"message": "Hello", "agent_name": "researcher"}})
    assert frames[-1]["data"]["code"] == "unknown_type"
