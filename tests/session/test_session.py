from concurrent.futures import Future

import pytest

from reasoning_widget.agents.exceptions import MaxIterationsReached, Stopped
from reasoning_widget.answer import answer_to
from reasoning_widget.protocol import MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, ToolCall, Usage, encode
from reasoning_widget.session.session import Session
from reasoning_widget.session.sqlite import SQLiteLog
from reasoning_widget.session.watcher import MAX_BATCH_BYTES, Watcher
from tests.session.manual import Clock, ManualRunner, NoAgents, ask, open_session


def types(session):
    return [step["type"] for run in session.state["runs"] for step in map(session.state["steps"].get, run["steps"])]


def steps(session):
    return [session.state["steps"][step_id] for run in session.state["runs"] for step_id in run["steps"]]


async def test_a_message_is_acknowledged_logged_and_run():
    session, runner = open_session()

    replies = ask(session, "How high?", "m1", max_iterations=7)

    assert replies == [{"type": "ack", "data": {"id": "m1"}}]
    assert session.state["title"] == "How high?"
    assert (runner.run.spec.prompt, runner.run.spec.max_iterations) == ("How high?", 7)


async def test_a_message_without_an_id_gets_one():
    session, _ = open_session()

    (reply,) = session.handle({"type": "chat", "payload": {"message": "hi", "agent_name": "researcher"}})

    assert session.state["messages"][0]["id"] == reply["data"]["id"]


async def test_a_repeated_message_runs_once():
    session, runner = open_session()

    assert ask(session, "hi", "m1") == ask(session, "hi", "m1")
    assert len(runner.runs) == len(session.state["messages"]) == 1


async def test_the_same_id_for_another_message_is_a_conflict():
    session, _ = open_session()
    ask(session, "hi", "m1")

    (reply,) = ask(session, "hello", "m1")

    assert (reply["type"], reply["data"]["code"], reply["data"]["id"]) == ("error", "id_conflict", "m1")


@pytest.mark.parametrize(
    ("message", "extra", "code"),
    [
        ("", {}, "empty_message"),
        (" \n", {}, "empty_message"),
        ("x" * (MAX_MESSAGE_BYTES + 1), {}, "too_large"),
        ("hi", {"max_iterations": 0}, "bad_message"),
        ("hi", {"follows": "nothing"}, "unknown_follows"),
    ],
)
async def test_a_refused_message_changes_nothing(message, extra, code):
    session, runner = open_session()

    (reply,) = ask(session, message, "m1", **extra)

    assert (reply["data"]["code"], reply["data"]["id"]) == (code, "m1")
    assert (session.state["last_seq"], runner.runs) == (0, [])


async def test_messages_are_queued_during_a_run():
    session, runner = open_session()
    ask(session, "one", "m1")
    ask(session, "two", "m2")
    ask(session, "three", "m3")
    session.handle({"type": "withdraw", "payload": {"message_id": "m2"}})

    runner.run.end()

    assert [run.spec.prompt for run in runner.runs] == ["one", "three"]
    assert session.state["messages"][1]["withdrawn"] == "withdrawn"


async def test_stop_closes_open_steps_and_withdraws_the_queue():
    session, runner = open_session()
    ask(session, "one", "m1")
    ask(session, "two", "m2")
    runner.run.emit({"type": "thought", "id": "t", "content": "hm", "status": "streaming"})

    session.handle({"type": "stop", "payload": {"run_id": session.state["runs"][0]["run_id"]}})
    runner.run.emit({"type": "thought", "id": "t", "content": "hm, but", "status": "streaming"})
    runner.run.end()

    assert session.state["runs"][0]["status"] == "stopped"
    assert [(step["status"], step["content"]) for step in steps(session)] == [("stopped", "hm")]
    assert session.state["messages"][1]["withdrawn"] == "stopped"
    assert len(runner.runs) == 1


async def test_a_late_stop_does_not_stop_the_next_run():
    session, runner = open_session()
    ask(session, "one", "m1")
    ask(session, "two", "m2")
    first = session.state["runs"][0]["run_id"]
    runner.run.end()

    session.handle({"type": "stop", "payload": {"run_id": first}})

    assert not runner.run.stopped
    assert session.state["runs"][1]["status"] == "running"


async def test_a_run_is_closed_even_if_its_agent_does_not_end(monkeypatch):
    monkeypatch.setattr("reasoning_widget.session.session.STOP_GRACE", 0.0)
    session, runner = open_session()
    ask(session, "one", "m1")
    tool: ToolCall = {"name": "sleep"}
    runner.run.emit({"type": "tool_result", "id": "r", "content": "", "tool": tool, "status": "streaming"})

    session.stop()
    await session.wait_for(lambda: session.message_is_settled("m1", session.epoch))

    assert "may still be running" in steps(session)[0]["content"]
    runner.run.end()
    assert [run["status"] for run in session.state["runs"]] == ["stopped"]


@pytest.mark.parametrize(
    ("error", "status", "last"),
    [
        (None, "completed", "done"),
        (ValueError("x"), "failed", "failed"),
        (MaxIterationsReached(20), "max_iterations", "done"),
        (Stopped(), "stopped", "stopped"),
    ],
)
async def test_the_end_of_an_agent_decides_the_status_of_its_run(error, status, last):
    session, runner = open_session()
    ask(session, "one", "m1")
    runner.run.emit({"type": "thought", "id": "t", "content": "hm", "status": "streaming"})

    runner.run.end(error, "what to do" if error else "")

    assert session.state["runs"][0]["status"] == status
    assert steps(session)[0]["status"] == last
    shown = [step["content"] for step in steps(session) if step["type"] == "error"]
    assert shown == (["what to do"] if status in ("failed", "max_iterations") else [])
    ask(session, "next", "m2")
    assert runner.run.spec.prompt == "next"


async def test_only_the_last_answer_is_final():
    session, runner = open_session()
    ask(session, "one", "m1")
    runner.run.emit({"type": "final_answer", "content": "Let me see."})
    runner.run.emit({"type": "tool_use", "content": "", "tool": {"name": "look", "arguments": "{}"}})
    runner.run.emit({"type": "final_answer", "content": "Seen."})
    runner.run.end()

    assert types(session) == ["thought", "tool_use", "final_answer"]
    assert steps(session)[1]["content"] == "look({})"


async def test_a_step_closes_when_the_next_begins():
    session, runner = open_session()
    ask(session, "one", "m1")
    runner.run.emit({"type": "thought", "id": "a", "content": "h"})
    runner.run.emit({"type": "thought", "id": "a", "content": "hm"})
    assert steps(session)[0]["status"] == "streaming"

    runner.run.emit({"type": "thought", "id": "b", "content": "so"})

    assert [step["status"] for step in steps(session)] == ["done", "streaming"]


async def test_a_step_that_grows_and_closes_between_two_flushes_is_complete():
    session, runner = open_session()
    ask(session, "one", "m1")
    runner.run.emit({"type": "thought", "id": "t", "content": "H"})

    runner.run.emit({"type": "thought", "id": "t", "content": "Hm."}, {"type": "final_answer", "content": "Yes."})

    thought, _ = session.state["steps"].values()
    assert (thought["content"], thought["status"]) == ("Hm.", "done")


async def test_a_step_that_only_grows_is_not_logged():
    log = SQLiteLog()
    session, runner = open_session(log)
    ask(session, "one", "m1")
    text = ""
    for word in ["a ", "b ", "c ", "d "]:
        text += word
        runner.run.emit({"type": "final_answer", "id": "x", "content": text, "status": "streaming"})
    runner.run.emit({"type": "thought", "id": "x", "content": text, "status": "streaming"})
    runner.run.emit({"type": "thought", "id": "x", "content": "a", "status": "streaming"})
    runner.run.emit({"type": "thought", "id": "x", "content": "a", "status": "done"})

    logged = [e["data"] for e in log.read("demo") if e["type"] == "reasoning_step"]

    assert [(s["type"], s["content"], s["status"]) for s in logged] == [
        ("final_answer", "a ", "streaming"),
        ("thought", text, "streaming"),
        ("thought", "a", "streaming"),
        ("thought", "a", "done"),
    ]


async def test_a_follow_up_gets_the_earlier_turns_of_its_branch():
    session, runner = open_session()
    for number, follows in ((1, None), (2, "m1"), (3, "m1")):
        ask(session, f"q{number}", f"m{number}", **({"follows": follows} if follows else {}))
        runner.run.emit({"type": "final_answer", "content": f"a{number}"})
        runner.run.end()

    history = runner.run.spec.history
    ask(session, "q4", "m4")

    assert [(turn["prompt"], turn["answer"]) for turn in history] == [("q1", "a1")]
    assert [turn["prompt"] for turn in runner.run.spec.history] == ["q1", "q3"]


async def test_a_steering_message_is_delivered_once():
    session, runner = open_session()
    ask(session, "one", "m1")
    ask(session, "hurry", "m2", steer=True)

    assert (runner.run.host.steering(), runner.run.host.steering()) == (["hurry"], [])
    await session.wait_for(lambda: session.state["messages"][1]["steered"])
    assert len(session.state["runs"]) == 1


async def test_an_untaken_steering_message_gets_the_next_run():
    session, runner = open_session()
    ask(session, "one", "m1")
    ask(session, "hurry", "m2", steer=True)

    runner.run.end()

    assert runner.run.spec.prompt == "hurry"


async def test_the_first_reply_to_a_request_counts():
    session, runner = open_session()
    ask(session, "one", "m1")
    answer: Future[object] = Future()
    runner.run.host.on_request({"kind": "approval", "prompt": "Really?"}, answer)
    (request_id,) = session.state["requests"]

    for value in (True, False):
        session.handle({"type": "answer", "payload": {"request_id": request_id, "value": value}})

    assert answer.result() is True
    closed = session.state["requests"][request_id]["closed"]
    assert closed is not None
    assert closed["value"] is True


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (["error"], "failed"),
        (["thought", "error"], "failed"),
        (["error", "thought"], "failed"),
        (["error", "tool_use", "tool_result"], "failed"),
        (["final_answer", "error"], "failed"),
        (["error", "final_answer"], "completed"),
        (["error", "error", "thought", "final_answer"], "completed"),
        (["thought"], "completed"),
        ([], "completed"),
    ],
)
async def test_a_run_with_an_error_and_no_later_answer_has_failed(said, status):
    session, runner = open_session()
    ask(session, "hi", "m1")
    for kind in said:
        runner.run.emit({"type": kind, "content": "What I say."})
    runner.run.end()
    (run,) = session.state["runs"]
    assert run["status"] == status
    assert (answer_to(session.state, "m1").error is not None) == ("error" in said)


async def test_an_error_of_a_nested_agent_does_not_fail_the_run():
    session, runner = open_session()
    ask(session, "hi", "m1")
    runner.run.emit({"type": "tool_result", "id": "r", "content": "", "status": "streaming"})
    runner.run.emit({"type": "error", "content": "Within.", "parent_id": "r"})
    runner.run.emit({"type": "tool_result", "id": "r", "content": "It failed.", "status": "failed"})
    runner.run.end()
    assert session.state["runs"][0]["status"] == "completed"


@pytest.mark.parametrize("kind", ["form", "", None, 1, "Approval", ["approval"]])
async def test_an_unknown_kind_of_request_is_an_error_to_the_agent(kind):
    session, runner = open_session()
    ask(session, "hi", "m1")
    answer: Future[object] = Future()
    runner.run.host.on_request({"kind": kind, "prompt": "Really?"}, answer)
    with pytest.raises(ValueError, match="approval"):
        answer.result()
    assert session.state["requests"] == {}


async def test_a_request_ends_with_its_run():
    session, runner = open_session()
    ask(session, "one", "m1")
    answer: Future[object] = Future()
    runner.run.host.on_request({"kind": "question", "prompt": "Why?"}, answer)

    session.stop()

    with pytest.raises(Stopped):
        answer.result()
    closed = next(iter(session.state["requests"].values()))["closed"]
    assert closed is not None
    assert closed["reason"] == "stopped"


async def test_a_request_expires():
    session, runner = open_session()
    ask(session, "one", "m1")
    answer: Future[object] = Future()
    runner.run.host.on_request({"kind": "question", "prompt": "Why?", "timeout": 0.01}, answer)

    await session.wait_for(lambda: all(request["closed"] for request in session.state["requests"].values()))

    assert answer.result() is None


async def test_clear_begins_a_new_epoch_and_ignores_the_old_run():
    session, runner = open_session()
    ask(session, "one", "m1")
    old_epoch, old_run = session.epoch, runner.run
    watcher = Watcher(session)
    watcher.read()

    session.handle({"type": "clear", "payload": {"epoch": old_epoch}})
    old_run.emit({"type": "thought", "content": "late"})
    old_run.end()
    batch = watcher.read()
    session.handle({"type": "clear", "payload": {"epoch": old_epoch}})

    assert old_run.stopped
    assert (session.state["messages"], session.state["last_seq"]) == ([], 0)
    assert batch["epoch"] == session.epoch != old_epoch
    assert batch["frames"][0]["data"]["epoch"] == session.epoch


async def test_tool_objects_are_kept_until_clear():
    session, runner = open_session()
    ask(session, "one", "m1")
    runner.run.emit({"type": "tool_result", "id": "r", "content": "", "tool": {"name": "df"}, "status": "streaming"})
    runner.run.host.on_keep(value := object(), None)

    assert session.results == {steps(session)[0]["id"]: value}
    session.clear()
    assert session.results == {}


async def test_an_object_is_kept_for_its_step_even_if_another_is_open():
    session, runner = open_session()
    ask(session, "one", "m1")
    tool: ToolCall = {"name": "df"}
    runner.run.emit({"type": "tool_result", "id": "a", "content": "", "tool": tool, "status": "done"})
    runner.run.emit({"type": "tool_result", "id": "b", "content": "", "tool": tool, "status": "streaming"})
    runner.run.host.on_keep(value := object(), "a")
    runner.run.host.on_keep(object(), "never seen")

    assert session.results == {steps(session)[0]["id"]: value}


async def test_long_text_is_cut_and_the_cut_is_marked():
    session, runner = open_session()
    ask(session, "one", "m1")
    text = "\x00ä𝔘" * 200_000
    tool: ToolCall = {"name": "t", "arguments": text}
    output = {"text/plain": text, "text/html": text, "image/png": "A" * 60_000, "image/jpeg": "B" * 60_000}
    for end in ("streaming", "done"):
        runner.run.emit(
            {"type": "tool_result", "id": "r", "content": text, "tool": tool, "output": output, "status": end}
        )
    watcher = Watcher(session)
    frames = []
    while not watcher.up_to_date:
        frames += watcher.read()["frames"]

    step = steps(session)[0]
    assert text.startswith(step["content"])
    assert step["cut"]["content"] == len(text) - len(step["content"]) > 0
    assert max(len(encode(frame)) for frame in frames) < MAX_FRAME_BYTES
    (shown,) = step["outputs"]
    assert session.blob(shown["text/html"]["blob"]) == text
    assert step["cut"]["output"] == len(text) - len(shown["text/plain"]) > 0


async def test_values_that_are_not_valid_json_are_converted():
    session, runner = open_session()
    ask(session, "one \ud83d", "m1")
    output = {"application/json": {"a": float("nan"), 1: (float("inf"), object)}}
    runner.run.emit({"type": "tool_result", "content": "\ud83d\ude00 \ud83d", "tool": {"name": "t"}, "output": output})

    step = steps(session)[0]
    assert step["content"] == "😀 \ufffd"
    assert step["outputs"][0]["application/json"]["a"] is None
    assert step["outputs"][0]["application/json"]["1"][0] is None


async def test_usage_is_summed_over_the_model_calls():
    session, runner = open_session()
    ask(session, "one", "m1")
    for step_type in ("thought", "final_answer"):
        usage: Usage = {"input_tokens": 10, "output_tokens": 4}
        runner.run.emit({"type": step_type, "content": "x", "usage": usage})
    runner.run.end()

    assert session.state["runs"][0]["usage"] == {"input_tokens": 20, "output_tokens": 8}


async def test_a_long_session_is_sent_in_batches():
    session, runner = open_session()
    ask(session, "one", "m1")
    for _ in range(30):
        runner.run.emit({"type": "thought", "content": "x" * 50_000})
    watcher = Watcher(session)
    batches = []
    while not watcher.up_to_date:
        batches.append(watcher.read())

    assert all(len(encode(batch)) < MAX_BATCH_BYTES + 1000 for batch in batches)
    assert [b["after"] for b in batches[1:]] == [b["upto"] for b in batches[:-1]]
    assert batches[-1]["upto"] == session.state["last_seq"]


async def test_the_conversation_continues_after_a_restart():
    log, clock = SQLiteLog(), Clock()
    session, runner = open_session(log, clock)
    ask(session, "one", "m1")
    runner.run.emit({"type": "final_answer", "content": "answer one"})
    runner.run.end()
    ask(session, "two", "m2")
    ask(session, "three", "m3")
    runner.run.emit({"type": "final_answer", "id": "x", "content": "ans", "status": "streaming"})

    again, runner = open_session(log, clock)

    assert [run["status"] for run in again.state["runs"]] == ["completed", "interrupted"]
    assert again.state["messages"][2]["withdrawn"] == "interrupted"
    assert again.epoch == session.epoch
    ask(again, "four", "m4")
    assert [turn["prompt"] for turn in runner.run.spec.history] == ["one", "two"]


async def test_another_writer_of_the_log_is_detected_and_ends_the_session():
    log = SQLiteLog()
    session, _ = open_session(log)
    ask(session, "one", "m1")
    last = session.state["last_seq"]
    log.append("demo", last, [{"type": "session_info", "seq": last + 1, "data": {"title": "mine"}}])

    (error,) = session.handle({"type": "chat", "id": "m2", "payload": {"message": "two", "agent_name": "researcher"}})

    assert (error["data"]["code"], error["data"]["id"]) == ("storage_failed", "m2")
    assert f"does not end at event {last}" in error["data"]["message"]
    assert session.ended == "failed"
    assert "m2" not in [message["id"] for message in session.state["messages"]]


async def test_pong_contains_the_last_seq_of_the_log():
    session, _ = open_session()
    ask(session, "one", "m1")

    (pong,) = session.handle({"type": "ping"})

    assert pong["data"]["last_seq"] == session.state["last_seq"]


async def test_a_malformed_session_id_is_refused():
    with pytest.raises(ValueError, match="128 characters"):
        Session("../../x", log=SQLiteLog(), agents=NoAgents(), runner=ManualRunner())


async def test_a_page_reloaded_in_a_long_session_gets_all_steps_and_reads_events_once():
    log = CountingLog()
    session, runner = open_session(log)
    ask(session, "Write a long report.", "m1")
    for number in range(2000):
        runner.run.emit({"type": "thought", "content": f"{number} {'word ' * 200}"})
    watcher = Watcher(session, session.epoch, 0)
    log.events_read = 0

    batches = []
    while not watcher.up_to_date:
        batches.append(watcher.read())

    frames = [frame for batch in batches for frame in batch["frames"] if frame["type"] == "reasoning_step"]
    assert [frame["data"]["index"] for frame in frames] == list(range(2000))
    assert len(batches) > 5
    assert log.events_read < 1.5 * len(frames)


class CountingLog(SQLiteLog):
    events_read = 0

    def read(self, *args):
        events = super().read(*args)
        self.events_read += len(events)
        return events


async def test_a_step_yielded_complete_began_earlier_by_its_duration():
    clock = Clock()
    session, runner = open_session(clock=clock)
    ask(session, "one", "m1")

    runner.run.emit({"type": "thought", "content": "hm", "duration": 100.0})

    (step,) = steps(session)
    assert step["duration"] == 100.0
    assert step["timestamp"] <= clock.now - 100.0
