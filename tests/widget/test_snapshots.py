"""Snapshots are updated from changes, and equal those that are made from scratch."""

import asyncio
import threading

import pytest

from reasoning_widget.export import html
from reasoning_widget.export.log import SESSION_MIME
from reasoning_widget.widget.snapshots import Snapshots
from tests.session.manual import ask, open_session

ANSWER = {"type": "final_answer", "id": "a", "content": "It is **this**."}


def saved(snapshots, message_id=None):
    snapshots.note_changes()
    return snapshots.bundle("<A chat>", message_id)


def anew(session, message_id=None):
    return saved(Snapshots(session, enabled=True), message_id)


@pytest.fixture
async def opened():
    session, runner = open_session()
    return session, runner, Snapshots(session, enabled=True)


def conversation(session, runner):
    """Make changes of every kind, and yield after each."""
    yield ask(session, "What is it?", "m1")
    yield runner.run.emit({"type": "thought", "id": "t", "content": "Hm", "status": "streaming"})
    yield runner.run.emit({"type": "thought", "id": "t", "content": "Hm, `x`", "status": "streaming"})
    yield ask(session, "Wait for it", "m2")
    yield runner.run.emit({"type": "thought", "id": "t", "content": "Hm, `x`, done"})
    yield runner.run.emit({"type": "tool_use", "id": "u", "content": "", "tool": {"name": "f", "arguments": "{}"}})
    yield runner.run.emit(
        {"type": "tool_result", "id": "r", "content": "x" * 9000, "tool": {"name": "f"}, "output": {"text/html": "<b>"}}
    )
    yield runner.run.emit({**ANSWER, "content": "It is **th", "status": "streaming"})
    yield runner.run.emit(ANSWER)
    yield runner.run.end()
    yield runner.run.emit({"type": "error", "content": "no"})
    yield runner.run.end(ValueError("broken"), "It broke.")
    yield ask(session, "Take it back", "m3")
    yield session.handle({"type": "withdraw", "payload": {"message_id": "m3"}})
    yield session.clear()
    yield ask(session, "And now?", "m4")


async def test_after_every_change_a_snapshot_equals_one_made_from_scratch(opened):
    session, runner, snapshots = opened

    for _ in conversation(session, runner):
        assert saved(snapshots) == anew(session)


async def test_after_every_change_the_snapshot_of_a_message_equals_one_made_from_scratch(opened):
    session, runner, snapshots = opened

    for _ in conversation(session, runner):
        for message_id in ("m1", "m2", "m4"):
            assert saved(snapshots, message_id) == anew(session, message_id)


async def test_the_html_of_a_snapshot_equals_that_of_the_whole_transcript(opened):
    session, runner, snapshots = opened
    for number in range(3):
        ask(session, f"Question {number}", f"m{number}")
        runner.run.emit({**ANSWER, "id": f"a{number}"})
        runner.run.end()

    assert saved(snapshots)["text/html"].endswith(html.to_html(session.state))


async def test_unchanged_parts_are_not_made_again(opened, monkeypatch):
    session, runner, snapshots = opened
    made = []
    to_html = html.to_html

    def noted(state):
        made.append(state["runs"])
        return to_html(state)

    monkeypatch.setattr(html, "to_html", noted)
    for number in range(20):
        ask(session, f"Question {number}", f"m{number}")
        runner.run.emit({**ANSWER, "id": f"a{number}"})
        runner.run.end()
    saved(snapshots)
    made.clear()

    ask(session, "One more", "more")
    saved(snapshots)
    saved(snapshots, "m3")

    assert [[run["message_id"] for run in runs] for runs in made if runs] == [["more"]]


async def test_a_snapshot_can_be_made_while_the_session_continues(opened, monkeypatch):
    session, runner, snapshots = opened
    ask(session, "What is it?", "m1")
    runner.run.emit({**ANSWER, "content": "It", "status": "streaming"})
    to_html, begun, go_on = html.to_html, threading.Event(), threading.Event()

    def slow(state):
        begun.set()
        go_on.wait()
        return to_html(state)

    monkeypatch.setattr(html, "to_html", slow)
    snapshots.note_changes()
    making = asyncio.create_task(asyncio.to_thread(snapshots.bundle, "a chat", None))
    await asyncio.to_thread(begun.wait)
    runner.run.emit(ANSWER)
    runner.run.end()
    go_on.set()
    bundle = await making

    assert bundle[SESSION_MIME]["events"][-1]["data"]["content"] == "It"
    assert "It is <strong>this</strong>." in saved(snapshots)["text/html"]


@pytest.mark.parametrize(
    ("questions", "line"),
    [
        ([], "A chat"),
        (["What is it?"], "Chat with researcher: What is it?"),
        (["One\n  two", "b", "c"], "Chat with researcher: One two (and 2 more)"),
        (["<script>x</script>"], "Chat with researcher: \u2039script>x\u2039/script>"),
        (["x" * 500], f"Chat with researcher: {'x' * 99}…"),
        (["\x1b[1;31mred\x1b[0m \x1b]0;t\x07one"], "Chat with researcher: red one"),
        (["$x_1$"], "Chat with researcher: $x_1$"),
        (["$\\def\\a{\\a\\a}\\a$"], "Chat with researcher: $\u29f5def\u29f5a{\u29f5a\u29f5a}\u29f5a$"),
        (["my key is sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"], None),
    ],
    ids=["nothing", "one", "several", "markup", "long", "colours", "formula", "costly", "secret"],
)
async def test_the_first_line_is_the_subject_without_markup(opened, questions, line):
    session, runner, snapshots = opened
    for number, question in enumerate(questions):
        ask(session, question, f"m{number}")
        runner.run.end()

    bundle = saved(snapshots)
    first = {bundle[form].split("\n")[0] for form in ("text/html", "text/plain")}

    assert len(first) == 1
    assert line is None or first == {line}
    assert "abcdefghij" not in str(bundle)
