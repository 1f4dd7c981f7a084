"""Clients that take random actions on a real server: in the end, the laws hold."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from reasoning_widget.fold import Transcript
from reasoning_widget.protocol import JSON
from tests.jupyter import Jupyter
from tests.server.client import new_session
from tests.server.laws import checked, exported
from tests.server.member import Member, asked_twice
from tests.server.rest import call

_T = TypeVar("_T")
_numbers = itertools.count(1)

WHICH = st.integers(0, 5)  # an index of a member, modulo the number of members
PROMPTS = st.sampled_from(
    [
        ("echo", "hello"),
        ("count", "30 0.003"),
        ("count", "500"),
        ("essay", "20"),
        ("table", "100000"),
        ("question", "go"),
        ("wait", "go"),
        ("crash", "go"),
        ("nobody", "go"),
    ]
)
DEEDS = st.lists(
    st.lists(
        st.sampled_from(["echo", "count", "essay", "wait", "stop", "ask and stop", "attach", "leave", "be cut off"]),
        min_size=1,
        max_size=4,
    ),
    min_size=2,
    max_size=4,
)
NO_MESSAGES = {
    "no json": "bad_json",
    "[1, 2]": "bad_message",
    b"\x00\x01": "bad_message",
    '{"type": "fly", "payload": {}}': "unknown_type",
    '{"type": "chat", "payload": {"message": 5, "agent_name": "echo"}}': "bad_message",
    '{"type": "chat", "payload": {"message": " ", "agent_name": "echo"}}': "empty_message",
    '{"type": "chat", "payload": {"message": "x", "agent_name": "echo", "follows": "nothing"}}': "unknown_follows",
    '{"type": "withdraw", "payload": {"message_id": "nothing"}}': "unknown_message",
    '{"type": "answer", "payload": {"request_id": "nothing", "value": 1}}': "unknown_request",
    '{"type": "blob", "payload": {"blob": "nothing"}}': "unknown_blob",
    '{"type": "stop", "payload": {"run_id": 5}}': "bad_message",
}


class Clients(RuleBasedStateMachine):
    """Members of one session, and a witness: a member that reads all the time and is never disturbed.

    Each rule waits for the replies to its messages; runs that they start continue meanwhile. The choice of rules does
    not depend on the progress of those runs, because Hypothesis must be able to repeat its actions.
    """

    def __init__(self, server: Jupyter) -> None:
        super().__init__()
        self.server = server
        self.session_id = new_session()
        self.runner = asyncio.Runner()
        self.witness = Member(server, self.session_id, growing=True)
        self.members: list[Member] = []
        self.asked: dict[str, JSON] = {}  # the acknowledged prompts of this log
        self.old_epochs: list[str] = []
        self.ended = False
        self.do(self.witness.come("after=0"))

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.runner.run(work)

    # Members

    @property
    def here(self) -> list[Member]:
        return [member for member in self.members if member.here]

    @property
    def away(self) -> list[Member]:
        return [member for member in self.members if member.client is None]

    @property
    def connected(self) -> list[Member]:
        return [member for member in self.members if member.client is not None]

    @initialize(growing=st.booleans())
    def one_is_there(self, growing):
        self.somebody_new_comes(growing, "everything")

    @precondition(lambda self: len(self.members) < 4)
    @rule(growing=st.booleans(), where=st.sampled_from(["everything", "now", "future", "another log"]))
    def somebody_new_comes(self, growing, where):
        queries = {
            "everything": "after=0",
            "now": "x=",
            "future": f"after=1000000&epoch={self.witness.state['epoch']}",
            "another log": "after=1&epoch=another",
        }
        member = Member(self.server, self.session_id, growing=growing)
        self.do(member.come(queries[where]))
        self.members.append(member)

    @precondition(lambda self: self.connected)
    @rule(which=WHICH)
    def one_is_cut_off(self, which):
        async def cut() -> None:
            _one_of(self.connected, which).cut()

        self.do(cut())

    @precondition(lambda self: self.here)
    @rule(which=WHICH)
    def one_leaves(self, which):
        self.do(_one_of(self.here, which).leave())

    @precondition(lambda self: self.away)
    @rule(which=WHICH, where=st.sampled_from([None, None, "after=1000000", "after=1&epoch=another"]))
    def one_comes_back(self, which, where):
        self.do(self.come_back(_one_of(self.away, which), where))

    async def come_back(self, member, where=None):
        await member.come(where)
        for message_id in list(member.unsure):
            assert await member.reply(message_id) == "ack", "what may have been lost is accepted, once"
            self.asked[message_id] = member.unsure.pop(message_id)

    @precondition(lambda self: self.here)
    @rule(which=WHICH)
    def one_stops_reading(self, which):
        _one_of(self.here, which).awake = False

    @precondition(lambda self: any(not member.awake for member in self.members))
    @rule()
    def all_read_again(self):
        for member in self.members:
            member.awake = True
        self.do(self.all_pongs())

    # Messages

    @precondition(lambda self: self.here)
    @rule(which=WHICH, prompt=PROMPTS, reasoning=st.booleans(), steer=st.booleans(), after_this=WHICH)
    def one_asks(self, which, prompt, reasoning, steer, after_this):
        payload = _question(prompt, enable_reasoning=reasoning, steer=steer)
        if self.asked and after_this == 0:
            payload["follows"] = next(iter(self.asked))
        self.do(self.ask(_one_of(self.here, which), f"q{next(_numbers)}", payload))

    async def ask(self, member, message_id, payload):
        assert await member.say("chat", message_id, **payload) == "ack"
        self.asked[message_id] = payload

    @precondition(lambda self: len(self.here) > 1)
    @rule(prompt=PROMPTS)
    def all_ask_at_once_and_two_of_them_the_same(self, prompt):
        async def ask() -> None:
            same = f"q{next(_numbers)}"
            ids = [same, same, *(f"q{next(_numbers)}" for _ in self.here[2:])]
            payload = _question(prompt)
            everyone = zip(self.here, ids, strict=True)
            await asyncio.gather(*(self.ask(member, message_id, payload) for member, message_id in everyone))

        self.do(ask())

    @precondition(lambda self: self.here and self.asked)
    @rule(which=WHICH, message=WHICH, other=st.booleans())
    def one_asks_again(self, which, message, other):
        member, message_id = _one_of(self.here, which), _one_of(list(self.asked), message)
        payload = self.asked[message_id]
        if other:
            payload = {**payload, "message": "something else"}
        assert self.do(member.say("chat", message_id, **payload)) == ("id_conflict" if other else "ack")

    @precondition(lambda self: self.here)
    @rule(which=WHICH, prompt=PROMPTS)
    def one_asks_and_is_cut_off(self, which, prompt):
        self.do(self.ask_and_be_cut_off(_one_of(self.here, which), _question(prompt)))

    async def ask_and_be_cut_off(self, member, payload):
        member.unsure[await member.send("chat", f"q{next(_numbers)}", **payload)] = payload
        member.cut()

    @precondition(lambda self: len(self.here) > 1)
    @rule(deeds=DEEDS)
    def all_do_things_at_the_same_time(self, deeds):
        async def do_all() -> None:
            async with asyncio.TaskGroup() as group:
                for member, names in zip(self.here, deeds, strict=False):
                    group.create_task(self.do_one_after_the_other(member, names))

        self.do(do_all())

    async def do_one_after_the_other(self, member, deeds):
        for deed in deeds:
            if member.client is None:
                await self.come_back(member)
            if deed == "attach":
                after = member.state["last_seq"] if member.start else 0
                assert await member.say("attach", epoch=member.state["epoch"], after=after) == "ack"
            elif deed == "stop":
                assert await member.say("stop") == "ack"
            elif deed == "ask and stop":
                message_id, payload = f"q{next(_numbers)}", _question(("echo", "hello"))
                member.send_at_once(("chat", message_id, payload), ("stop", f"stop-{message_id}", {}))
                assert await member.reply(message_id) == await member.reply(f"stop-{message_id}") == "ack"
                self.asked[message_id] = payload
            elif deed == "leave":
                await member.leave()
            elif deed == "be cut off":
                await self.ask_and_be_cut_off(member, _question(("echo", "hello")))
            else:
                await self.ask(member, f"q{next(_numbers)}", _question((deed, "20")))

    @precondition(lambda self: self.here)
    @rule(which=WHICH, what=st.sampled_from(["whatever is on", "the last run", "an old run", "no run"]))
    def one_stops(self, which, what):
        runs = self.witness.state["runs"]
        payload = {"run_id": "nothing"}
        if what == "whatever is on":
            payload = {}
        elif what == "the last run" and runs:
            payload = {"run_id": runs[-1]["run_id"]}
        elif what == "an old run" and runs:
            payload = {"run_id": runs[0]["run_id"]}
        assert self.do(_one_of(self.here, which).say("stop", **payload)) == "ack"

    @precondition(lambda self: self.here and self.asked)
    @rule(which=WHICH, message=WHICH)
    def one_takes_a_message_back(self, which, message):
        message_id = _one_of(list(self.asked), -1 - message)
        assert self.do(_one_of(self.here, which).say("withdraw", message_id=message_id)) == "ack"

    @precondition(lambda self: self.here)
    @rule(which=WHICH, request=WHICH, value=st.sampled_from(["blue", True, None, {"x": [1]}]))
    def one_answers_the_agent(self, which, request, value):
        requests = list(self.witness.state["requests"])
        request_id = _one_of(requests, -1 - request) if requests else "nothing"
        answer = self.do(_one_of(self.here, which).say("answer", request_id=request_id, value=value))
        assert answer == ("ack" if requests else "unknown_request")

    @precondition(lambda self: self.here)
    @rule(which=WHICH)
    def one_asks_for_what_is_known(self, which):
        member = _one_of(self.here, which)
        after = member.state["last_seq"] if member.start else 0
        assert self.do(member.say("attach", epoch=member.state["epoch"], after=after)) == "ack"

    @precondition(lambda self: self.here)
    @rule(which=WHICH, sent=st.sampled_from(sorted(NO_MESSAGES, key=str)))
    def one_sends_what_is_no_message(self, which, sent):
        assert self.do(_one_of(self.here, which).say_raw(sent)) == NO_MESSAGES[sent]

    @precondition(lambda self: self.here)
    @rule(which=WHICH)
    def one_sends_too_much(self, which):
        assert self.do(_one_of(self.here, which).say_raw("x" * 1_100_000)) == "too_large"

    @precondition(lambda self: self.here)
    @rule(which=WHICH)
    def one_asks_whether_all_is_well(self, which):
        self.do(_one_of(self.here, which).pong())

    # Changes of the session

    @precondition(lambda self: self.here and len(self.asked) > 2)
    @rule(which=WHICH, old=st.booleans())
    def one_begins_anew(self, which, old):
        member = _one_of(self.here, which)
        epoch = str(self.witness.state["epoch"])
        if old and self.old_epochs:
            assert self.do(member.say("clear", epoch=self.old_epochs[0])) == "ack"
            self.do(self.witness.pong())
            assert self.witness.state["epoch"] == epoch, "that log is no more"
            return
        self.do(self.all_pongs())
        assert self.do(member.say("clear", epoch=epoch)) == "ack"
        self.old_epochs.append(epoch)
        self.asked.clear()
        self.do(self.witness.until(lambda: self.witness.state["epoch"] != epoch))

    @precondition(lambda self: self.asked)
    @rule()
    def the_session_gets_another_title(self):
        title = f"Title {next(_numbers)}"
        assert call(self.server, "PATCH", f"sessions/{self.session_id}", {"title": title}).status == 200
        self.do(self.witness.until(lambda: self.witness.state["title"] == title))

    @precondition(lambda self: len(self.asked) > 3)
    @rule()
    def the_session_is_deleted(self):
        self.all_read_again()
        assert call(self.server, "DELETE", f"sessions/{self.session_id}").status == 204

        async def go() -> None:
            for member in (self.witness, *self.connected):
                assert await member.dismissed() == 4410
            for member in (self.witness, *self.members):
                member.forget()
                await member.come("after=0")

        self.do(go())
        self.asked.clear()

    # Checks at the end and in between

    async def all_pongs(self) -> None:
        """Wait until the server has received all messages, and the members that read have read all replies."""
        for member in (self.witness, *self.here):
            await member.pong()

    @precondition(lambda self: len(self.asked) > 1)
    @rule()
    def all_comes_to_rest(self):
        """Wait until nothing more comes; then check that all prompts are in the log, and that all members know it."""

        async def rest() -> None:
            for member in self.members:
                member.awake = True
                if member.client is None:
                    await self.come_back(member)
            await self.all_pongs()
            await self.end_what_waits()
            last_seq = await self.witness.pong()
            for member in (self.witness, *self.members):
                assert await member.pong() == last_seq
                await member.until(lambda member=member: member.knows(last_seq))  # type: ignore[misc]

        self.do(rest())
        exists = call(self.server, "GET", f"sessions/{self.session_id}").status == 200
        assert exists or not self.asked
        if not exists:
            return
        file = exported(self.server, self.session_id)
        state = checked(file)
        for member in (self.witness, *self.members):
            member.check(file)
        told = {message["id"]: message["content"] for message in state["messages"]}
        assert told == {message_id: payload["message"] for message_id, payload in self.asked.items()}
        assert not asked_twice(state)

    async def end_what_waits(self) -> None:
        """Reply to the agents that ask, and stop those that would never end."""
        state = self.witness.state
        done: set[str] = set()
        while not _at_rest(state):
            for request in [each for each in state["requests"].values() if each["closed"] is None]:
                if request["request_id"] not in done:
                    await self.witness.send("answer", request_id=request["request_id"], value="green")
                    done.add(request["request_id"])
            for run in state["runs"]:
                if run["status"] == "running" and run["agent_name"] == "wait" and run["run_id"] not in done:
                    await self.witness.send("stop", run_id=run["run_id"])
                    done.add(run["run_id"])
            await self.witness.receive()

    def teardown(self):
        try:
            self.all_comes_to_rest()
        finally:
            for member in (self.witness, *self.connected):
                if member.client is not None:
                    self.do(member.leave())
            self.runner.close()


def _question(prompt: tuple[str, str], **more: Any) -> JSON:
    agent, text = prompt
    return {"message": text, "agent_name": agent, **more}


def _one_of(them: list[_T], which: int) -> _T:
    return them[which % len(them)]


def _at_rest(state: Transcript) -> bool:
    return not any(run["status"] == "running" for run in state["runs"]) and all(
        message["run_id"] or message["withdrawn"] for message in state["messages"]
    )


def test_the_laws_hold_for_random_actions_of_clients(server):
    run_state_machine_as_test(
        lambda: Clients(server),  # type: ignore[arg-type] # any function that makes one works
        settings=settings(
            max_examples=50,
            stateful_step_count=50,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
