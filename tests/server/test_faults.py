"""Cut connections, killed servers and full disks: the laws hold, and the conversation continues."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
import urllib.request

import pytest
from websockets.exceptions import InvalidStatus

from tests.server.client import new_session
from tests.server.disk import small_disk
from tests.server.laws import checked, exported, steps_of
from tests.server.proxy import Proxy
from tests.server.survivor import Survivor

CUTS = 50  # of one client's connection, in one run
KILLS = 10  # of one server
FAR = 3000  # bytes; a connection is cut somewhere before: in its handshake, in the first frame, in a later one
LONG = 60  # frames; a server is killed somewhere before

WORDS = [f"word{number} " for number in range(100_000)]


def is_talk(text):
    """Whether a text is the beginning of the answer of `talk`."""
    words = text.split(" ")
    return "".join(WORDS[: len(words)]).startswith(text)


def nothing_runs(survivor, message_id):
    """Whether the runs of a message have ended."""
    message = next((m for m in survivor.state["messages"] if m["id"] == message_id), None)
    if message is None or message_id not in survivor.acked:
        return False
    return message["withdrawn"] or any(
        run["message_id"] == message_id and run["status"] != "running" for run in survivor.state["runs"]
    )


# The connection


@pytest.mark.parametrize("seed", range(4))
async def test_clients_with_unreliable_connections_get_the_whole_run(server, tmp_path, seed):
    session_id, end = new_session(), tmp_path / "end"
    moments = random.Random(seed)
    growing, plain, undisturbed = (Survivor(session_id, server.token, growing=tokens) for tokens in (True, False, True))
    undisturbed.ask("talk", str(end), "talk")
    assert await undisturbed.follow(server.origin, lambda: bool(undisturbed.grown))
    growing.ask("echo", "hello", "echo")  # its acknowledgement may be lost, and it is sent again

    def over(survivor):
        return [run["status"] for run in survivor.state["runs"]] == ["completed", "completed"]

    def over_after_all_cuts():
        if proxy.cut_count == CUTS:
            end.touch()
        return over(growing)

    async def survive():
        while not await growing.follow(proxy.origin, over_after_all_cuts):
            calm.cut()  # not after a number of bytes: a client without tokens is sent only a few in a run

    async def survive_without_tokens():
        while not await plain.follow(calm.origin, lambda: over(plain)):
            pass

    cuts = [moments.randrange(1, FAR) for _ in range(CUTS)]
    async with Proxy(server.origin, cuts) as proxy, Proxy(server.origin) as calm:
        watching = undisturbed.follow(server.origin, lambda: over(undisturbed))
        left_alone, *_ = await asyncio.gather(watching, survive(), survive_without_tokens())

    assert left_alone
    assert proxy.cut_count == CUTS
    state = checked(exported(server, session_id), undisturbed.state, growing.state, plain.state)
    assert [message["id"] for message in state["messages"]] == ["talk", "echo"]
    steps = steps_of(state, state["runs"][0])
    assert [step["type"] for step in steps] == ["thought", "tool_use", "tool_result", "final_answer"]
    assert is_talk(steps[-1]["content"])


# The server


def text_lost_since(survivor, kept, now):
    """Return for how long the client had text that was not in the log, and the longest time without a frame."""
    times = [moment for moment, _ in survivor.grown]
    lost = [moment for moment, length in survivor.grown if length > kept]
    silence = max((b - a for a, b in itertools.pairwise([*times, now])), default=0.0)
    return (now - lost[0] if lost else 0.0), silence


@pytest.mark.parametrize("seed", [[0, 1]])
async def test_a_killed_server_keeps_all_acknowledged_messages(tmp_path, seed, start_bare_server):
    """Provide two servers, so that one can start while the other is in use."""

    async def live(number):
        moments = random.Random(number)
        home = tmp_path / f"server{number}"
        home.mkdir()
        server = start_bare_server(home)
        survivor = Survivor("s", server.token)
        try:
            await asyncio.to_thread(server.start)
            for life in range(KILLS):
                await kill_in_a_run(server, survivor, life, moments.randrange(LONG))
            survivor.ask("last", "hello", "echo")
            assert await survivor.follow(server.origin, lambda: nothing_runs(survivor, "last"))
            state = checked(exported(server, "s"), survivor.state)
            assert state["runs"][-1]["status"] == "completed"
            ended = {run["message_id"]: run["status"] for run in state["runs"]}
            assert [ended[f"talk{life}"] for life in range(KILLS)] == ["interrupted"] * KILLS
            assert [ended[f"queued{life}"] for life in range(KILLS)] == ["completed"] * KILLS
        finally:
            if server.running:
                await asyncio.to_thread(server.kill)

    await asyncio.gather(*(live(number) for number in seed))


async def kill_in_a_run(server, survivor, life, frames):
    """Kill the server after some frames of a run, and start it again."""
    talk, queued = f"talk{life}", f"queued{life}"
    survivor.grown.clear()
    survivor.ask(talk, "/there/is/no/such/file", "talk")
    survivor.ask(queued, "later", "echo")
    left = itertools.count(frames, -1)
    assert await survivor.follow(server.origin, lambda: next(left) <= 0)
    killed = time.monotonic()
    await asyncio.to_thread(server.kill)
    acked, finished = set(survivor.acked), dict(survivor.finished)
    await asyncio.to_thread(server.start)
    assert await survivor.follow(server.origin, lambda: all(nothing_runs(survivor, m) for m in (talk, queued)))

    state = checked(exported(server, "s"), survivor.state)
    assert acked <= {message["id"] for message in state["messages"]}
    for step_id, step in finished.items():
        known = {name: value for name, value in state["steps"][step_id].items() if name != "seq"}
        assert known == step, "a finished step is there as it was"
    talks = [run for run in state["runs"] if run["message_id"].startswith("talk")]
    answers = [step for run in talks for step in steps_of(state, run) if step["type"] == "final_answer"]
    texts = [step["content"] for step in answers]
    assert all(map(is_talk, texts))
    if survivor.grown:
        since, silence = text_lost_since(survivor, len(texts[-1]), killed)
        assert since <= 1 + 2 * silence + 0.1, "more than the last second is lost"


async def test_prompts_queued_in_a_killed_server_run_unchanged(tmp_path, start_bare_server):
    with start_bare_server(tmp_path) as server:
        survivor = Survivor("s", server.token)
        survivor.ask("m0", "hi", "wait")
        survivor.ask("m1", "one", "limit", max_iterations=3)
        survivor.ask("m2", "two", "echo")
        survivor.ask("m3", "three", "limit", max_iterations=7, enable_reasoning=False)
        assert await survivor.follow(server.origin, lambda: survivor.acked >= {"m0", "m1", "m2", "m3"})
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)

        assert await survivor.follow(server.origin, lambda: nothing_runs(survivor, "m3"))

        state = checked(exported(server, "s"))  # a client sees only the outcome of "m3"
        runs = {run["message_id"]: run for run in state["runs"]}
        assert [run["status"] for run in state["runs"]] == ["interrupted", "completed", "completed", "completed"]
        answers = [steps_of(state, runs[message_id])[-1]["content"] for message_id in ("m1", "m2", "m3")]
        assert answers == ["one: 3 model calls", "You said: two", "three: 7 model calls"]
        assert [runs[message_id]["enable_reasoning"] for message_id in ("m1", "m2", "m3")] == [True, True, False]


# The disk


async def test_a_full_disk_ends_only_the_run_and_is_reported(tmp_path, start_bare_server):
    with (
        small_disk(tmp_path / "disk") as disk,
        start_bare_server(tmp_path, store_path=str(disk.folder / "s.db")) as server,
    ):
        survivor = Survivor("s", server.token)
        survivor.ask("m1", "hello", "echo")
        assert await survivor.follow(server.origin, lambda: nothing_runs(survivor, "m1"))

        def fill_once_it_talks():
            if survivor.grown and not disk.full:
                disk.fill(server.pid)
            return False

        survivor.ask("m2", "/there/is/no/such/file", "talk")
        assert not await survivor.follow(server.origin, fill_once_it_talks), "what is said cannot be saved any more"
        assert survivor.closed == 1013
        with pytest.raises(InvalidStatus) as refused:
            await survivor.follow(server.origin, lambda: False)
        assert refused.value.response.status_code == 503
        assert disk.complaint in refused.value.response.body.decode()
        other = Survivor("other", server.token)
        other.ask("m", "hello", "echo")
        assert not await other.follow(server.origin, lambda: False)
        assert [(error["code"], error["id"]) for error in other.errors] == [("storage_failed", "m")]
        assert disk.complaint in other.errors[0]["message"]
        with urllib.request.urlopen(server.request("GET", "api/status")) as answer:
            assert answer.status == 200, "the server lives"

        disk.empty(server.pid)
        survivor.ask("m3", "hello again", "echo")
        assert await survivor.follow(server.origin, lambda: nothing_runs(survivor, "m3"))
        assert await other.follow(server.origin, lambda: nothing_runs(other, "m"))
        state = checked(exported(server, "s"), survivor.state)
        assert [run["status"] for run in state["runs"]] == ["completed", "interrupted", "completed"]
        assert is_talk(steps_of(state, state["runs"][1])[-1]["content"])
        checked(exported(server, "other"), other.state)
        assert disk.complaint in server.log.read_text()
