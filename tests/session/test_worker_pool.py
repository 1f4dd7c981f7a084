"""Runs in real worker processes. The tests share a runner, which reuses its processes."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from reasoning_widget.protocol import MAX_FILE_BYTES
from reasoning_widget.session import pipe, worker_process
from reasoning_widget.session.session import Session
from reasoning_widget.session.sqlite import SQLiteLog
from reasoning_widget.session.worker_pool import WorkerPool
from tests.parts import PNG, address
from tests.session.agents import NAMES
from tests.session.manual import NoAgents, ask

REPOSITORY = Path(__file__).resolve().parent.parent.parent


pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def importable():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(importable):
    runner = WorkerPool(agents=NAMES, spare=0)
    yield runner
    await runner.close()
    assert runner.workers == 0


def open_with(runner):
    return Session("demo", log=SQLiteLog(), agents=NoAgents(), runner=runner)


async def settled(session, message_id="m1"):
    await asyncio.wait_for(session.wait_for(lambda: session.message_is_settled(message_id, session.epoch)), 60)
    return session.state["runs"][-1], list(session.state["steps"].values())


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def asked(runner, agent, prompt="hi"):
    session = open_with(runner)
    ask(session, prompt, "m1", agent_name=agent)
    return await settled(session)


async def test_a_run_gets_its_attachments_and_the_earlier_ones(runner):
    session = open_with(runner)
    table = {"file": address(bytes(MAX_FILE_BYTES), "text/csv"), "name": "table.csv"}

    ask(session, [{"text": "look"}, {"image": address(PNG), "name": "red.png"}, table], "m1", agent_name="looks")
    run, _ = await settled(session)
    ask(session, "again", "m2", agent_name="looks")
    _, steps = await settled(session, "m2")

    seen = f"look | red.png data:image/png;base64 {len(PNG)} | table.csv data:text/csv;base64 {MAX_FILE_BYTES}"
    assert run["status"] == "completed"
    assert [step["content"] for step in steps] == [f"{seen} []", f"again [{seen!r}]"]


async def working(runner, agent, prompt="hi"):
    """Return a session whose agent has begun."""
    session = open_with(runner)
    ask(session, prompt, "m1", agent_name=agent)
    await asyncio.wait_for(session.wait_for(lambda: bool(session.state["steps"])), 60)
    return session


def is_gone(pid_file):
    pid = int(pid_file.read_text())
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_an_agent_in_another_process_answers_and_knows_the_earlier_turns(runner):
    session = open_with(runner)
    ask(session, "one", "m1", agent_name="echo")
    await settled(session)
    ask(session, "two", "m2", agent_name="echo")
    run, steps = await settled(session, "m2")

    assert run["status"] == "completed"
    assert [step["content"] for step in steps] == ["one []", "two ['one []']"]


async def test_a_process_is_reused_unless_a_run_leaves_a_thread_behind(runner):
    _, (first,) = await asked(runner, "process")
    _, (second,) = await asked(runner, "process")
    assert first["content"] == second["content"] != str(os.getpid())

    _, (disorderly,) = await asked(runner, "leaves_a_thread")
    assert disorderly["content"] == first["content"]
    _, (third,) = await asked(runner, "process")
    assert third["content"] != first["content"]
    await until(lambda: not psutil.pid_exists(int(first["content"])))


async def test_a_worker_sends_appended_steps_of_a_custom_type(runner):
    run, steps = await asked(runner, "plans", "one two three")

    assert run["status"] == "completed"
    plan, answer = [(step["type"], step["content"], step["status"]) for step in steps]
    assert plan == ("plan", "one two three there.", "done")
    assert answer == ("final_answer", "done", "done")


async def test_growing_text_is_sent_once(runner, monkeypatch):
    received = []

    feed = pipe.MessageReader.feed

    def counted(self, data):
        received.append(len(data))
        return feed(self, data)

    monkeypatch.setattr(pipe.MessageReader, "feed", counted)
    sizes = {}
    for tokens in (2000, 8000):
        received.clear()
        _, (answer,) = await asked(runner, "Fast", str(tokens))
        assert answer["content"] == "".join(f"w{number} " for number in range(tokens))
        sizes[tokens] = sum(received) / len(answer["content"])
    assert sizes[8000] < 1.5 * sizes[2000], "bytes over the pipe, for each character"


async def test_an_agent_that_yields_many_steps_at_once_does_not_delay_others(runner, monkeypatch):
    turns = 0
    taken: Counter[int] = Counter()  # the number of steps, by turn of the loop

    async def take_turns():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    step = pipe.StepReceiver.step

    def counted(self, message):
        taken[turns] += 1
        return step(self, message)

    monkeypatch.setattr(pipe.StepReceiver, "step", counted)
    others = asyncio.create_task(take_turns())
    _, steps = await asked(runner, "floods", "5000")
    others.cancel()

    assert [step["content"] for step in steps] == [f"Thought {number}." for number in range(5000)]
    assert max(taken.values()) < 1000


async def test_an_agent_that_is_faster_than_its_session_waits(runner, monkeypatch):
    read = 0
    feed = pipe.MessageReader.feed

    def counted(self, data):
        nonlocal read
        read += len(data)
        return feed(self, data)

    step = pipe.StepReceiver.step
    ahead: list[int] = []

    def taken(self, message):
        nonlocal read
        ahead.append(read)
        read -= len(message["whole"]["content"])
        return step(self, message)

    monkeypatch.setattr(pipe.MessageReader, "feed", counted)
    monkeypatch.setattr(pipe.StepReceiver, "step", taken)
    _, steps = await asked(runner, "rambles", "500")
    assert len(steps) == 500
    assert max(ahead) < 2_000_000, "of 10 MB"


@pytest.mark.parametrize("agent", ["sleeps", "computes"])
async def test_stop_ends_an_agent_that_does_not_respond(runner, agent, tmp_path):
    pid = tmp_path / "pid"
    session = await working(runner, agent, str(pid))
    await until(pid.exists)
    session.stop()
    run, (thought,) = await settled(session)

    assert (run["status"], thought["status"]) == ("stopped", "stopped")
    assert "may still be running" not in thought["content"]
    await until(lambda: is_gone(pid))


async def test_stop_ends_processes_that_an_agent_has_started(runner, tmp_path):
    child = tmp_path / "pid"
    session = await working(runner, "leaves_a_child", str(child))
    session.stop()
    await settled(session)
    await until(lambda: is_gone(child))


async def test_a_run_can_be_stopped_before_its_process_is_ready(runner):
    session = open_with(runner)
    ask(session, "hi", "m1", agent_name="echo")
    session.stop()
    run, steps = await settled(session)
    assert (run["status"], steps) == ("stopped", [])
    await until(lambda: runner.running == 0)  # there is room for others


@pytest.mark.parametrize(
    ("agent", "prompt", "reason"),
    [
        ("exits", "3", "its exit status was 3"),
        ("exits", "0", "its exit status was 0"),
        ("is_killed", "SIGSEGV", "ended by SIGSEGV"),
        ("is_killed", "SIGKILL", "ended by SIGKILL. It may have used up the memory."),
    ],
)
async def test_a_crash_fails_the_run_with_the_reason_and_the_next_run_works(runner, agent, prompt, reason):
    run, (thought, error) = await asked(runner, agent, prompt)
    assert (run["status"], thought["content"], error["type"]) == ("failed", "Goodbye.", "error")
    assert reason in error["content"]
    run, _ = await asked(runner, "echo")
    assert run["status"] == "completed"


async def test_a_process_that_hangs_before_a_run_is_replaced_and_the_prompt_answered(runner, monkeypatch):
    run, (answer,) = await asked(runner, "process")
    still = int(answer["content"])
    await until(lambda: runner._ready)
    os.kill(still, signal.SIGSTOP)
    monkeypatch.setattr(worker_process, "_RESPONSE_TIMEOUT", 0.5)
    run, (answer,) = await asked(runner, "process")
    assert run["status"] == "completed"
    assert int(answer["content"]) != still
    await until(lambda: not psutil.pid_exists(still))


async def test_a_process_that_hangs_during_a_run_is_ended_and_reported(runner, monkeypatch, tmp_path):
    monkeypatch.setattr(worker_process, "ALIVE_INTERVAL", 0.05)
    session = await working(runner, "leaves_a_child", str(tmp_path / "pid"))
    worker = next(run._worker for run in runner._runs if run._worker is not None)
    os.kill(worker._transport.get_pid(), signal.SIGSTOP)
    run, steps = await settled(session)
    assert (run["status"], steps[-1]["type"]) == ("failed", "error")
    assert "unresponsive" in steps[-1]["content"]
    monkeypatch.undo()
    run, _ = await asked(runner, "echo")
    assert run["status"] == "completed"


async def test_a_run_fails_with_the_reason_if_no_process_can_be_started(tmp_path):
    runner = WorkerPool(agents=NAMES, spare=0, max_runs=1, folder=tmp_path / "gone")
    try:
        for _ in range(2):  # a failed run does not keep its place
            run, (error,) = await asked(runner, "echo")
            assert (run["status"], error["type"]) == ("failed", "error")
            assert "No process could be started for the agent: [Errno 2] No such file or directory" in error["content"]
        (tmp_path / "gone").mkdir()
        run, _ = await asked(runner, "echo")
        assert run["status"] == "completed"
    finally:
        await runner.close()


async def test_an_invalid_message_of_a_process_fails_the_run(runner, monkeypatch):
    def confused(self, message):
        raise ValueError("no step")

    with monkeypatch.context() as patch:
        patch.setattr(pipe.StepReceiver, "step", confused)
        run, (error,) = await asked(runner, "echo")
        assert (run["status"], error["type"]) == ("failed", "error")
        assert "not understood: ValueError('no step')" in error["content"]
        await until(lambda: runner.running == 0)
    run, (answer,) = await asked(runner, "echo")
    assert (run["status"], answer["content"]) == ("completed", "hi []")


async def test_errors_of_agents_are_reported_as_in_a_kernel(runner):
    run, (_, error) = await asked(runner, "raises", "no such table, api_key=hunter2")
    assert (run["status"], error["content"]) == (
        "failed",
        "The agent raised ValueError: no such table, api_key=[masked: key]",
    )
    assert re.fullmatch(r"tests/session/agents.py, line \d+, in raises", error["raised"]["where"])
    run, (error,) = await asked(runner, "nobody")
    assert 'There is no agent "nobody". Known agents: "echo", "process", "Fast",' in error["content"]


async def test_output_printed_by_an_agent_does_not_disturb_its_messages(runner):
    run, (answer,) = await asked(runner, "prints")
    assert (run["status"], answer["content"]) == ("completed", "quiet")


async def test_an_agent_gets_the_reply_to_its_request(runner):
    session = open_with(runner)
    ask(session, "hi", "m1", agent_name="asks")
    await asyncio.wait_for(session.wait_for(lambda: bool(session.state["requests"])), 60)
    (request_id,) = session.state["requests"]
    session.handle({"type": "answer", "payload": {"request_id": request_id, "value": "blue"}})
    _, (answer,) = await settled(session)
    assert answer["content"] == "blue, then"


async def test_a_request_ends_with_its_run(runner):
    session = open_with(runner)
    ask(session, "hi", "m1", agent_name="asks")
    await asyncio.wait_for(session.wait_for(lambda: bool(session.state["requests"])), 60)
    session.stop()
    run, _ = await settled(session)
    assert run["status"] == "stopped"


async def test_a_steering_message_reaches_the_agent(runner):
    session = await working(runner, "is_steered")
    ask(session, "Mind the gap.", "m2", agent_name="is_steered", steer=True)
    _, (_, answer) = await settled(session)
    assert answer["content"] == "Mind the gap."


async def test_output_printed_by_a_generator_during_a_call_is_shown(runner):
    _, (_, result, _) = await asked(runner, "works")
    assert (result["content"], result["outputs"]) == ("ready", [{"text/plain": "half\ndone\n"}])


async def test_steps_arrive_as_from_a_thread(runner):
    _, steps = await asked(runner, "strange")
    assert [step["type"] for step in steps] == ["tool_use", "tool_result", "final_answer"]
    assert steps[1]["outputs"] == [{"text/plain": "abc", "application/json": {"x": None}}]
    assert steps[2]["content"] == "lone \ufffd half"


async def test_runs_above_the_limit_wait_in_order(tmp_path):
    runner = WorkerPool(agents=NAMES, spare=0, max_runs=1)
    try:
        first = await working(runner, "sleeps", str(tmp_path / "busy"))
        others = [open_with(runner) for _ in range(2)]
        for session in others:
            ask(session, "hi", "m1", agent_name="echo")
        assert [session.state["runs"] for session in others] == [[], []], "they are queued"
        assert (runner.running, runner.waiting) == (1, 2)
        first.stop()
        for session in others:
            run, _ = await settled(session)
            assert run["status"] == "completed"
        begun = [session.state["runs"][0]["timestamp"] for session in others]
        assert begun == sorted(begun)
    finally:
        await runner.close()


async def test_a_warm_spare_worker_is_ready_and_is_replaced_when_taken(tmp_path):
    runner = WorkerPool(agents=NAMES, spare=1)
    try:
        runner.keep_spares()
        await until(lambda: len(runner._ready) == 1)
        session = await working(runner, "sleeps", str(tmp_path / "busy"))
        await until(lambda: len(runner._ready) == 1)
        session.stop()
        await settled(session)
        await until(lambda: runner.workers == 1)
        _, (answer,) = await asked(runner, "is_warm")
        assert answer["content"] == "warm"
    finally:
        await runner.close()
    assert runner.workers == 0


@pytest.mark.parametrize("agent", ["sleeps", "computes"])
async def test_a_worker_ends_when_its_server_is_killed(agent, tmp_path):
    script = f"""
import asyncio, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from tests.session.test_worker_pool import *

async def main():
    runner = WorkerPool(agents=NAMES, spare=0)
    busy = Path({str(tmp_path / "busy")!r})
    session = await working(runner, {agent!r}, str(busy))
    await until(busy.exists)
    print(*(worker._transport.get_pid() for worker in runner._workers), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        worker = psutil.Process(int(server.stdout.readline()))
        server.send_signal(signal.SIGKILL)
    gone, _ = psutil.wait_procs([worker], timeout=60)
    assert gone


async def test_figures_of_tools_are_shown_without_opening_a_window(importable, monkeypatch):
    # A server that was started from a notebook has this setting.
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    runner = WorkerPool(agents=NAMES, spare=0)
    try:
        _, steps = await asked(runner, "Draws")
    finally:
        await runner.close()

    assert [[set(output) for output in step.get("outputs", [])] for step in steps] == [[{"image/png"}]] * 2 + [[]]
    assert steps[-1]["content"] == "agg"


async def test_displayed_outputs_of_tools_are_shown_as_in_a_kernel(runner):
    _, steps = await asked(runner, "displays")

    result = next(step for step in steps if step["type"] == "tool_result")
    replaced, picture, table = result["outputs"]
    assert replaced == {"text/html": "<b>done</b>"}
    assert base64.b64decode(picture["image/png"]) == PNG
    assert table == {"text/html": "<table></table>"}
