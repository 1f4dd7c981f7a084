"""The hub, with simulated peers: what is sent to which peer, and when."""

from __future__ import annotations

import asyncio
import json

import pytest

from reasoning_widget.fold import new_transcript, receive
from reasoning_widget.protocol import Step
from reasoning_widget.server.hub import Hub
from tests.session.manual import ask, open_session


class Peer:
    """Receives messages at once, unless it is stalled."""

    def __init__(self):
        self.frames = []
        self.batches = []
        self.sleeping = False
        self.woken = asyncio.Event()
        self.ended = None

    @property
    def stalled(self):
        return self.sleeping

    def send(self, messages):
        self.batches.append(len(messages))
        self.frames.extend(json.loads(message) for message in messages)

    async def drained(self):
        while self.sleeping:
            self.woken.clear()
            await self.woken.wait()

    def wake(self):
        self.sleeping = False
        self.woken.set()

    def end(self, reason):
        self.ended = reason

    @property
    def state(self):
        state = new_transcript()
        outcomes = [receive(state, frame) for frame in self.frames]
        assert "gap" not in outcomes
        return state

    def types(self):
        return [frame["type"] for frame in self.frames]


async def turn():
    """Let the event loop run all callbacks that are due."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def hub():
    hub = Hub()
    yield hub
    hub.close()
    await turn()


async def test_peers_that_are_up_to_date_share_each_message(hub):
    session, runner = open_session()
    sent = []
    hub = Hub(lambda messages, size: sent.append((messages, size)))
    peers = [Peer() for _ in range(5)]
    for peer in peers:
        hub.follow(peer, session, growing=True, epoch=None, after=0)
    await turn()
    ask(session, "hi", "m1")
    runner.run.emit({"type": "thought", "id": "t", "content": "H"})
    await turn()
    runner.run.emit({"type": "thought", "id": "t", "content": "Hm"})
    await turn()

    assert all(peer.state["steps"] == session.state["steps"] for peer in peers)
    assert sent[-1] == (5, 5 * len(json.dumps(peers[0].frames[-1], separators=(",", ":"))))
    hub.close()


async def test_a_stalled_peer_is_sent_nothing_until_it_catches_up_with_merged_text(hub):
    session, runner = open_session()
    awake, sleeper = Peer(), Peer()
    for peer in (awake, sleeper):
        hub.follow(peer, session, growing=True, epoch=None, after=0)
    await turn()
    ask(session, "hi", "m1")
    runner.run.emit({"type": "final_answer", "id": "a", "content": "0 "})
    await turn()
    sleeper.sleeping = True
    before = len(sleeper.frames)
    text = "0 "
    for number in range(1, 200):
        text += f"{number} "
        runner.run.emit({"type": "final_answer", "id": "a", "content": text})
        await turn()

    assert len(sleeper.frames) == before
    assert awake.frames[-1]["data"]["text"] == "199 "
    sleeper.wake()
    await turn()
    assert len(sleeper.frames) == before + 1, "what it missed comes as one delta, and only what it missed"
    assert sleeper.state == awake.state == session.state

    runner.run.end()
    await turn()
    assert sleeper.frames[-1] == awake.frames[-1]


async def test_without_tokens_each_step_is_sent_once_it_is_closed(hub):
    session, runner = open_session()
    peer = Peer()
    hub.follow(peer, session, growing=False, epoch=None, after=None)
    await turn()
    ask(session, "hi", "m1")
    runner.run.emit({"type": "thought", "id": "t", "content": "H"})
    await turn()
    runner.run.emit({"type": "thought", "id": "t", "content": "Hm."}, {"type": "final_answer", "content": "Hi."})
    await turn()
    runner.run.end()
    await turn()

    assert peer.types()[0] == "session"
    steps = [frame["data"] for frame in peer.frames if frame["type"] == "reasoning_step"]
    assert [(step["type"], step["content"], step["status"]) for step in steps] == [
        ("thought", "Hm.", "done"),
        ("final_answer", "Hi.", "done"),
    ]
    assert "step_delta" not in peer.types()


@pytest.mark.parametrize("growing", [True, False])
async def test_without_reasoning_only_the_outcome_is_sent(hub, growing):
    session, runner = open_session()
    peer, late = Peer(), Peer()
    hub.follow(peer, session, growing=growing, epoch=None, after=0)
    ask(session, "hi", "m1", enable_reasoning=False)
    runner.run.emit({"type": "thought", "content": "Hm."})
    runner.run.emit({"type": "final_answer", "id": "a", "content": "Let me see"})
    await turn()
    runner.run.emit({"type": "tool_use", "content": "", "tool": {"name": "look"}})
    runner.run.emit({"type": "final_answer", "id": "b", "content": "Hi."})
    await turn()
    runner.run.end()
    await turn()
    hub.follow(late, session, growing=growing, epoch=None, after=0)
    await turn()

    def shown(peer):
        return [(step["type"], step["content"]) for step in peer.state["steps"].values()]

    # A peer that saw the first text grow as an answer is also sent the thought that it became.
    before = [("thought", "Let me see")] if growing else []
    assert shown(peer) == [*before, ("final_answer", "Hi.")]
    assert shown(late) == shown(peer)


async def test_following_from_now_on_includes_open_steps(hub):
    session, runner = open_session()
    ask(session, "hi", "m1")
    runner.run.emit({"type": "thought", "content": "Done with."}, {"type": "final_answer", "id": "a", "content": "H"})
    peer = Peer()
    hub.follow(peer, session, growing=True, epoch=None, after=None)
    await turn()
    runner.run.emit({"type": "final_answer", "id": "a", "content": "Hello"})
    await turn()

    assert peer.types() == ["session", "reasoning_step", "step_delta"]
    assert [step["content"] for step in peer.state["steps"].values()] == ["Hello"]


async def test_a_long_log_is_sent_in_batches(hub):
    session, runner = open_session()
    for number in range(40):
        ask(session, "x" * 20_000, f"m{number}")
        runner.run.end()
    peer = Peer()
    peer.sleeping = True
    hub.follow(peer, session, growing=True, epoch=None, after=0)
    await turn()
    assert peer.batches == []
    peer.wake()
    await turn()
    peer.sleeping = True
    await turn()

    assert len(peer.batches) > 2
    peer.wake()
    for _ in range(20):
        await turn()
    assert peer.state == session.state


async def test_a_peer_that_stalls_during_a_long_log_is_sent_no_more_of_it(hub):
    class Full(Peer):
        def send(self, messages):
            super().send(messages)
            self.sleeping = self.sleeping or len(messages[-1]) > 1000

    session, runner = open_session()
    awake, full = Peer(), Full()
    for peer in (awake, full):
        hub.follow(peer, session, growing=True, epoch=None, after=0)
    await turn()
    ask(session, "hi", "m1")
    thought: Step = {"type": "thought", "content": "x" * 100_000}
    runner.run.emit(*[thought] * 20)
    await turn()

    assert awake.state == session.state
    assert len(full.frames) < 8
    for _ in range(20):
        full.wake()
        await turn()
    assert full.state == awake.state


@pytest.mark.parametrize("reason", ["deleted", "failed", "closed"])
async def test_the_end_of_a_session_ends_its_peers(hub, reason):
    session, _ = open_session()
    there, coming = Peer(), Peer()
    hub.follow(there, session, growing=True, epoch=None, after=0)
    await turn()
    coming.sleeping = True
    hub.follow(coming, session, growing=True, epoch=None, after=0)
    session.close(reason)
    await turn()

    assert (there.ended, coming.ended) == (reason, reason)


async def test_a_session_without_peers_is_idle(hub):
    session, _ = open_session()
    peer = Peer()
    hub.follow(peer, session, growing=True, epoch=None, after=0)
    await turn()
    assert not session.idle
    hub.leave(peer)
    assert session.idle


async def test_a_peer_that_has_left_is_sent_nothing_more(hub):
    session, runner = open_session()
    old, new = Peer(), Peer()
    hub.follow(old, session, growing=True, protocol=1, epoch=None, after=0)
    hub.follow(new, session, growing=True, epoch=None, after=0)
    await turn()
    hub.leave(old)
    hub.leave(old)
    ask(session, "hi", "m1")
    runner.run.end()
    await turn()

    assert old.types() == ["session"]
    assert new.types()[-1] == "run_finished"
    hub.leave(new)
    assert session.idle


async def test_a_peer_follows_one_session_at_a_time(hub):
    first, _ = open_session()
    second, _ = open_session()
    peer = Peer()
    hub.follow(peer, first, growing=True, epoch=None, after=0)
    hub.follow(peer, second, growing=True, epoch=None, after=0)
    await turn()

    assert first.idle
    assert not second.idle


async def test_peers_follow_the_new_log_after_a_clear(hub):
    session, _ = open_session()
    ask(session, "hi", "m1")
    peer = Peer()
    hub.follow(peer, session, growing=True, epoch=session.epoch, after=session.state["last_seq"])
    await turn()
    session.clear()
    await turn()

    assert peer.types() == ["session", "session"]
    assert peer.state == session.state


async def test_a_client_of_version_1_is_sent_frames_of_version_1(hub):
    session, runner = open_session()
    old, new = Peer(), Peer()
    hub.follow(old, session, growing=True, protocol=1, epoch=None, after=0)
    hub.follow(new, session, growing=True, epoch=None, after=0)
    ask(session, "hi", "m1")
    step: Step = {"type": "tool_result", "id": "r", "content": "", "status": "streaming"}
    picture = {"image/png": "YQ=="}
    for outputs in (
        [],
        [{"text/plain": "one"}],
        [{"text/plain": "one two"}],
        [{"text/plain": "one two"}, picture],
        [{"text/plain": "one two"}, picture, {"text/plain": "three"}],
    ):
        runner.run.emit({**step, "outputs": outputs})
        await turn()
    runner.run.emit({**step, "status": "done"})
    runner.run.end()
    await turn()

    assert (old.frames[0]["data"]["protocol"], new.frames[0]["data"]["protocol"]) == (1, 2)
    grown = [frame["data"]["text"] for frame in old.frames if frame["type"] == "step_delta"]
    assert grown == ["one", " two"]  # as long as there is one output to which it may belong
    last = [frame["data"] for frame in old.frames if frame["type"] == "reasoning_step"][-1]
    assert last["output"] == {"text/plain": "one twothree", **picture}
    assert old.state["steps"] == new.state["steps"] == session.state["steps"]
