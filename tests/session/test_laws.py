"""The laws of the design, as properties: whatever an agent does or a client misses, all end in the same state."""

import asyncio
import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_widget.fold import is_open, new_transcript, receive
from reasoning_widget.protocol import STEP_TYPES
from reasoning_widget.session.sqlite import SQLiteLog
from reasoning_widget.session.watcher import Watcher
from tests.parts import PNG, address
from tests.session.manual import Clock, ask, open_session

TEXT = st.text(alphabet=st.sampled_from("ab 👩‍\ud83d\ude00𝔘\n$"), max_size=8)

OUTPUT = st.one_of(
    st.fixed_dictionaries({"text/plain": TEXT}),
    st.fixed_dictionaries({}, optional={"text/plain": TEXT, "image/png": TEXT}),
)
STEP = st.fixed_dictionaries(
    {"type": st.sampled_from(STEP_TYPES), "content": TEXT},
    optional={
        "id": st.sampled_from("pqrs"),
        "status": st.sampled_from(["streaming", "done", "failed", "stopped"]),
        "parent_id": st.sampled_from("pq"),
        "tool": st.fixed_dictionaries({"name": st.just("t")}, optional={"arguments": TEXT}),
        "output": st.fixed_dictionaries({"text/plain": TEXT}, optional={"image/png": TEXT}),
        "outputs": st.lists(OUTPUT, max_size=3),
    },
)
GROW = st.fixed_dictionaries({"id": st.sampled_from("pqrs"), "grow": TEXT})
SHOW = st.fixed_dictionaries(
    {
        "id": st.sampled_from("pqrs"),
        "how": st.sampled_from(["print", "display", "replace", "empty", "clear"]),
        "at": st.integers(0, 3),
        "what": TEXT,
    }
)

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.booleans()),
        st.tuples(st.just("emit"), st.lists(STEP, min_size=1, max_size=3)),
        st.tuples(st.just("grow"), GROW),
        st.tuples(st.just("show"), SHOW),
        st.tuples(st.just("end"), st.booleans()),
        st.tuples(st.just("stop"), st.none()),
        st.tuples(st.just("clear"), st.none()),
        st.tuples(st.just("save"), st.none()),
        st.tuples(st.just("restart"), st.none()),
        st.tuples(st.just("look"), st.integers(0, 2)),
        st.tuples(st.just("lose"), st.integers(0, 2)),
        st.tuples(st.just("repeat"), st.integers(0, 2)),
        st.tuples(st.just("leave"), st.integers(0, 2)),
    ),
    max_size=40,
)


class Client:
    """Folds batches as a page does: drops a batch that leaves a gap, and requests it again."""

    def __init__(self, session):
        self.session = session
        self.state = new_transcript()
        self.position = 0
        self.seen = []
        self.lost = False
        self.watcher = Watcher(session)

    def look(self, *, lose=False):
        while not self.watcher.up_to_date:
            batch = copy.deepcopy(self.watcher.read())
            if lose:
                self.lost = True
                continue
            self.seen.append(batch)
            self.fold(batch)

    def fold(self, batch):
        if batch["epoch"] != self.state["epoch"]:
            if batch["epoch"] != self.session.epoch:
                return  # an old batch, repeated
            self.state = new_transcript()
            self.state["epoch"] = batch["epoch"]
            self.state["session_id"] = "demo"
            self.position = 0
        if batch["after"] > self.position:
            self.lost = True
            return
        outcomes = [receive(self.state, frame) for frame in batch["frames"]]
        self.position = max(self.position, batch["upto"])
        self.lost = self.lost or "gap" in outcomes

    def attach(self, session):
        self.watcher.close()
        self.session = session
        self.watcher = Watcher(session, self.state["epoch"], self.position)
        self.lost = False


class World:
    def __init__(self):
        self.log, self.clock = SQLiteLog(), Clock()
        self.session, self.runner = open_session(self.log, self.clock)
        self.clients = [Client(self.session) for _ in range(3)]
        self.texts = {}
        self.count = 0

    def run(self, action, value):
        getattr(self, action)(value)

    def ask(self, reasoning):
        self.count += 1
        text = f"question {self.count}"
        parts = [{"text": text}, {"image": address(PNG)}]
        ask(self.session, parts if self.count % 2 else text, f"m{self.count}", enable_reasoning=reasoning)

    def current(self):
        run = self.session._run
        return self.runner.run if run is not None else None

    def emit(self, steps):
        if (run := self.current()) is not None:
            for step in steps:
                self.texts[step.get("id")] = step
            run.emit(*copy.deepcopy(steps))

    def grow(self, value):
        step = self.texts.get(value["id"])
        if step is not None and (run := self.current()) is not None:
            step = self.texts[value["id"]] = {**step, "content": step["content"] + value["grow"]}
            run.emit(dict(step))

    def show(self, value):
        """Let a tool print, display, or change its outputs."""
        step = self.texts.get(value["id"])
        if step is None or (run := self.current()) is None:
            return
        outputs = list(step.get("outputs", []))
        at, how = min(value["at"], len(outputs)), value["how"]
        if how == "print":
            printed = outputs.pop()["text/plain"] if outputs and outputs[-1].keys() == {"text/plain"} else ""
            outputs.append({"text/plain": printed + value["what"]})
        elif how == "display":
            outputs.append({"image/png": value["what"], "text/plain": "<Figure>"})
        elif how == "clear":
            outputs.clear()
        else:
            outputs[at : at + 1] = [{"text/html": value["what"]} if how == "replace" else {}]
        step = self.texts[value["id"]] = {**step, "outputs": outputs}
        step.pop("output", None)
        run.emit(copy.deepcopy(step))

    def end(self, fails):
        if (run := self.current()) is not None:
            run.end(*((ValueError("x"), "boom") if fails else ()))
            self.texts.clear()

    def stop(self, _):
        run = self.current()
        self.session.stop()
        if run is not None:
            run.end()
            self.texts.clear()

    def clear(self, _):
        self.session.handle({"type": "clear", "payload": {"epoch": self.session.epoch}})
        self.texts.clear()

    def save(self, _):
        self.session._save_open_text()

    def restart(self, _):
        self.session, self.runner = open_session(self.log, self.clock)
        self.texts.clear()
        for client in self.clients:
            client.attach(self.session)

    def look(self, index):
        self.clients[index].look()

    def lose(self, index):
        self.clients[index].look(lose=True)

    def repeat(self, index):
        client = self.clients[index]
        for batch in client.seen[-3:]:
            before = copy.deepcopy(client.state)
            client.fold(copy.deepcopy(batch))
            assert client.state == before, "what came before changes nothing when it comes again"

    def leave(self, index):
        self.clients[index].attach(self.session)


def everything_closed(state):
    return (
        not any(is_open(step) for step in state["steps"].values())
        and all(run["status"] != "running" for run in state["runs"])
        and all(request["closed"] for request in state["requests"].values())
    )


@settings(max_examples=300, deadline=None)
@given(ACTIONS)
def test_every_client_ends_with_the_sessions_state(actions):
    async def play():
        world = World()
        for action, value in actions:
            terminal = {k: s["status"] for k, s in world.session.state["steps"].items() if not is_open(s)}
            epoch = world.session.epoch
            world.run(action, value)
            if world.session.epoch == epoch:
                now = world.session.state["steps"]
                assert all(now[k]["status"] == status for k, status in terminal.items()), "5: no status regresses"
            finals = [
                sum(world.session.state["steps"][s]["type"] == "final_answer" for s in run["steps"])
                for run in world.session.state["runs"]
                if run["status"] != "running"
            ]
            assert all(count <= 1 for count in finals), "a run has at most one final answer"

        for client in world.clients:
            client.look()
            if client.lost:
                client.attach(world.session)
                client.look()
            assert client.state == world.session.state, "3: attaching ends in the same state as never having left"

        seqs = [frame["seq"] for frame in world.log.read("demo")]
        assert seqs == list(range(1, len(seqs) + 1)), "6: no gaps, no reuse"
        await close(world)

    async def close(world):
        again, _ = open_session(world.log, world.clock)
        assert everything_closed(again.state), "4: all that started is closed in the log"
        folded = new_transcript()
        folded["epoch"], folded["session_id"] = again.epoch, "demo"
        for frame in world.log.read("demo"):
            receive(folded, frame)
        assert folded == again.state, "1: the fold of the log is the snapshot"
        json.dumps(folded, allow_nan=False).encode()

    asyncio.run(play())


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=30), st.lists(st.booleans(), min_size=30, max_size=30))
def test_deltas_rebuild_the_text_whatever_is_merged(pieces, looks):
    async def play():
        session, runner = open_session()
        client = Client(session)
        ask(session, "go", "m")
        text = ""
        for piece, look in zip(pieces, looks, strict=False):
            text += piece
            runner.run.emit({"type": "final_answer", "id": "a", "content": text, "status": "streaming"})
            if look:
                client.look()
        client.look()
        assert client.state == session.state
        assert [step["content"] for step in client.state["steps"].values()] == [
            text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        ]

    asyncio.run(play())


@pytest.mark.parametrize("tokens", [10, 1000])
async def test_the_bytes_sent_for_a_token_do_not_grow_with_the_answer(tokens):
    session, runner = open_session()
    watcher = Watcher(session)
    ask(session, "go", "m")
    watcher.read()
    text = ""
    sizes = []
    for _ in range(tokens):
        text += "token "
        runner.run.emit({"type": "final_answer", "id": "a", "content": text, "status": "streaming"})
        sizes.append(len(json.dumps(watcher.read()["frames"])))

    assert max(sizes[1:]) < 200
