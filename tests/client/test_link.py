"""The policy of a client, without a socket or a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasoning_widget.client.link import DELETED, PING_EVERY, PONG_TIMEOUT, TICKET_ENDED, Close, Connect, Link, Send
from reasoning_widget.fold import new_transcript, receive
from reasoning_widget.protocol import JSON, Frame, ProtocolError


def session(last_seq=0, epoch="e1") -> Frame:
    data: JSON = {"session_id": "s", "protocol": 1, "epoch": epoch, "last_seq": last_seq, "agents": [], "run": None}
    return {"type": "session", "data": data}


def title(seq) -> Frame:
    return {"type": "session_info", "seq": seq, "data": {"title": f"title {seq}"}}


def taken(link):
    actions, link.actions = link.actions, []
    return actions


def opened(now=0.0, **options):
    """Return a connected link."""
    link = Link(**options)
    link.connect()
    link.receive(session(), now)
    taken(link)
    return link


def posted(actions):
    return [action.message["type"] for action in actions if isinstance(action, Send)]


def test_a_link_requests_all_events_and_resumes_after_the_last_one():
    link = Link()
    link.connect()
    assert taken(link) == [Connect(None, 0)]
    link.receive(session(2), 0)
    link.receive(title(1), 0)
    link.receive(title(2), 0)
    link.lost(0, "cut", 5)
    link.tick(7)
    assert taken(link) == [Connect("e1", 2)]


def test_without_history_a_link_requests_new_events_and_resumes_where_it_began():
    link = Link(history=False)
    link.connect()
    assert taken(link) == [Connect(None, None)]
    link.receive(session(40), 0)
    link.lost(0, "cut", 0)
    link.tick(2)
    assert taken(link) == [Connect("e1", 40)]


def test_a_link_retries_after_2_4_6_8_and_10_seconds_and_then_stops():
    link = opened()
    link.lost(0, "cut", 0)
    now, waits = 0.0, []
    while link.connection.state == "waiting":
        assert link.deadline is not None
        link.tick(link.deadline - 0.001)
        assert link.connection.state == "waiting"
        waits.append(link.deadline - now)
        now = link.deadline
        link.tick(now)
        assert link.connection.state == "connecting"
        link.lost(0, "refused", now)
    assert waits == [2, 4, 6, 8, 10]
    assert (link.connection.state, link.connection.reason) == ("resting", "refused")
    assert link.deadline is None


@pytest.mark.parametrize("anew", [lambda link: link.connect(), lambda link: link.send("chat", {})])
def test_reconnecting_or_a_new_message_restarts_retries(anew):
    link = opened(retry_after=[1])
    link.lost(0, "cut", 0)
    link.tick(1)
    link.lost(0, "cut", 1)
    assert link.connection.state == "resting"
    taken(link)
    anew(link)
    assert link.connection.state == "connecting"
    link.lost(0, "cut", 9)
    assert link.connection.retry_at == 10  # the schedule has restarted


def test_a_successful_connection_restarts_the_schedule():
    link = opened()
    for now in (0, 100, 200):
        link.lost(0, "cut", now)
        assert link.connection.retry_at == now + 2
        link.tick(now + 2)
        link.receive(session(), now + 2)


def test_messages_written_offline_are_sent_in_order_and_once_on_reconnecting():
    link = opened()
    link.lost(0, "cut", 0)
    first, second = link.send("chat", {"message": "1"}), link.send("chat", {"message": "2"})
    assert taken(link) == []
    assert not link.was_sent(first)
    link.tick(2)
    link.receive(session(), 2)
    assert [action.message["id"] for action in taken(link) if isinstance(action, Send)] == [first, second]
    for message_id in (first, second):
        link.receive({"type": "ack", "data": {"id": message_id}}, 2)
    link.lost(0, "cut", 3)
    link.tick(5)
    link.receive(session(), 5)
    assert posted(taken(link)) == []


def test_an_unacknowledged_message_is_sent_again_with_its_id():
    link = opened()
    message_id = link.send("chat", {"message": "1"})
    link.lost(0, "cut", 0)
    link.tick(2)
    link.receive(session(), 2)
    assert [action.message["id"] for action in taken(link) if isinstance(action, Send)] == [message_id, message_id]


def test_a_stop_is_never_queued():
    link = opened()
    link.send("stop", {"run_id": "r"})
    link.lost(0, "cut", 0)
    link.send("stop", {"run_id": "r"})
    assert link.pending == {}
    taken(link)
    link.tick(2)
    link.receive(session(), 2)
    assert posted(taken(link)) == []


@pytest.mark.parametrize(("code", "state"), [(DELETED, "deleted"), (TICKET_ENDED, "refused")])
def test_a_deleted_session_or_an_ended_ticket_is_not_retried(code, state):
    link = opened()
    link.lost(code, "", 0)
    assert link.connection.state == state
    assert link.connection.reason
    assert link.deadline is None
    link.tick(1e6)
    assert taken(link) == []


def test_a_refused_connection_is_retried_only_by_hand():
    link = Link()
    link.connect()
    link.rejected("403")
    assert (link.connection.state, link.deadline) == ("refused", None)
    link.connect()
    assert link.connection.state == "connecting"


def test_an_unresponsive_server_is_pinged_and_disconnected():
    link = opened()
    link.tick(PING_EVERY)
    assert posted(taken(link)) == ["ping"]
    link.tick(PING_EVERY + PONG_TIMEOUT)
    assert taken(link) == [Close()]
    assert link.connection.state == "waiting"


def test_any_frame_counts_as_a_sign_of_life():
    link = opened()
    link.tick(PING_EVERY)
    link.receive(title(1), PING_EVERY + 1)
    taken(link)
    link.tick(PING_EVERY + PONG_TIMEOUT)
    assert taken(link) == []
    assert link.deadline == 2 * PING_EVERY + 1


def test_a_pong_with_a_higher_last_seq_causes_one_attach():
    link = opened()
    for now in (1, 2):
        link.receive({"type": "pong", "data": {"last_seq": 3, "time": 0.0}}, now)
    assert [action.message["payload"] for action in taken(link) if isinstance(action, Send)] == [
        {"epoch": "e1", "after": 0}
    ]


def test_a_new_log_resets_the_state():
    link = opened()
    link.receive(title(1), 0)
    link.receive(session(0, "e2"), 0)
    assert link.state["title"] is None
    link.lost(0, "cut", 0)
    link.tick(2)
    assert taken(link)[-1] == Connect("e2", 0)


def test_a_link_has_caught_up_when_all_events_arrived_or_none_arrive_any_more():
    link = Link()
    link.connect()
    link.receive(session(2), 0)
    assert not link.caught_up
    link.receive(title(2), 0)
    assert link.caught_up
    link.lost(0, "cut", 0)
    link.tick(2)
    link.receive(session(9), 2)  # the other events are hidden in a plain chat
    assert not link.caught_up
    assert link.deadline is not None
    link.tick(link.deadline)
    assert link.caught_up


def test_a_message_sent_too_fast_is_repeated_a_second_later():
    link = opened()
    message_id = link.send("chat", {"message": "1"})
    taken(link)
    link.receive({"type": "error", "data": {"code": "too_fast", "message": "", "id": message_id}}, 1)
    assert message_id in link.pending
    link.tick(2)
    assert posted(taken(link)) == ["chat"]
    link.receive({"type": "error", "data": {"code": "empty_message", "message": "", "id": message_id}}, 2)
    assert link.pending == {}


def test_a_message_that_is_too_long_is_not_sent():
    link = opened()
    with pytest.raises(ProtocolError, match="too long"):
        link.send("chat", {"message": "x" * 2**20})
    assert link.pending == {}


def test_a_closed_link_does_nothing():
    link = opened()
    link.close()
    assert taken(link) == [Close()]
    link.lost(1000, "", 1)
    assert (link.connection.state, link.deadline) == ("closed", None)


class World:
    """A server that accepts each id once, and a network that delivers in order until it breaks."""

    def __init__(self):
        self.log: list[Frame] = []
        self.accepted: list[str] = []
        self.link = Link()
        self.up: list[JSON] = []
        self.down: list[Frame] = []
        self.now = 0.0
        self.written: list[str] = []
        self.link.connect()
        self.act()

    def act(self):
        for action in taken(self.link):
            if isinstance(action, Connect):
                self.up, after = [], action.after or 0
                self.down = [session(len(self.log)), *self.log[after:]]
            elif isinstance(action, Send):
                self.up.append(action.message)
            else:
                self.up, self.down = [], []

    def write(self):
        self.written.append(self.link.send("chat", {"message": "x"}))

    def arrive(self):
        """Deliver the oldest message in transit to the server."""
        if not self.up:
            return
        message = self.up.pop(0)
        if message["type"] == "chat":
            if message["id"] not in self.accepted:
                self.accepted.append(message["id"])
                data = {"id": message["id"], "content": "x", "timestamp": 0.0, "follows": None}
                self.log.append({"type": "user_message", "seq": len(self.log) + 1, "data": data})
                self.down.append(self.log[-1])
            self.down.append({"type": "ack", "data": {"id": message["id"]}})
        elif message["type"] == "attach":
            self.down.extend([session(len(self.log)), *self.log[message["payload"]["after"] :]])
        else:
            self.down.append({"type": "pong", "data": {"last_seq": len(self.log), "time": 0.0}})

    def deliver(self):
        """Deliver the oldest frame in transit to the client."""
        if self.down:
            self.link.receive(self.down.pop(0), self.now)

    def cut(self):
        self.up, self.down = [], []
        self.link.lost(0, "cut", self.now)

    def wait(self):
        self.now = self.link.deadline if self.link.deadline is not None else self.now
        self.link.tick(self.now)

    def settle(self):
        self.link.connect()
        self.act()
        while self.up or self.down or self.link.connection.retry_at:
            if self.link.connection.retry_at:
                self.wait()
            self.arrive()
            self.deliver()
            self.act()


@given(st.lists(st.sampled_from(["write", "arrive", "deliver", "deliver", "cut", "wait"]), max_size=60))
def test_despite_lost_connections_each_message_arrives_once_and_no_event_is_missed(happenings):
    world = World()
    for happening in happenings:
        getattr(world, happening)()
        world.act()
    world.settle()
    assert sorted(world.accepted) == sorted(world.written)
    assert world.link.pending == {}
    expected = new_transcript()
    for frame in [session(), *world.log]:
        receive(expected, frame)
    assert world.link.state == expected
