"""Conversations are exported from the kernel, and restored in it."""

import asyncio
import json
import os
import queue
import subprocess
import sys

import pytest

from reasoning_widget import ReasoningChat
from reasoning_widget.conversation.persistence import ConversationInUse, log_path
from reasoning_widget.export.log import SESSION_MIME
from reasoning_widget.export.reading import SessionFileError
from reasoning_widget.session.thread import on_loop
from tests.export.sessions import KEY, png


async def painter(prompt):
    """Think, draw a picture, answer."""
    yield {"type": "thought", "content": f"I use {KEY}."}
    output = {"image/png": png(400, 400), "text/html": "<p>x</p>" * 10_000}
    yield {"type": "tool_result", "content": "painted", "tool": {"name": "paint"}, "output": output}
    yield {"type": "final_answer", "content": prompt.upper()}


@pytest.fixture
def open_chat(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    chats = []

    def make(agent=painter, **options):
        chats.append(ReasoningChat(agent, **options))
        return chats[-1]

    yield make
    for chat in chats:
        chat.close()


def test_nothing_is_lost_in_json(open_chat):
    chat = open_chat()
    chat.ask("one")
    chat.ask("two")
    written = chat.to_json()

    back = ReasoningChat.from_json(written, agent=painter)

    assert back.to_json() == written
    assert (back.steps, back.runs) == (chat.steps, chat.runs)
    assert back.to_html() == chat.to_html()
    assert back.ask("three").text == "THREE"
    back.close()


def test_a_restored_session_uses_its_agent_if_its_name_is_known(open_chat):
    chat = open_chat()
    chat.ask("one")

    back = ReasoningChat.from_json(json.loads(chat.to_json()))

    assert "ReasoningChat with assistant: 1 runs, 3 steps" in repr(back)  # the name `painter` is not known
    back.close()


def test_an_unreadable_file_is_an_error_and_an_unreadable_event_a_warning(open_chat):
    chat = open_chat()
    chat.ask("one")
    file = json.loads(chat.to_json())

    with pytest.raises(SessionFileError, match="ends too early"):
        ReasoningChat.from_json(chat.to_json()[:-100])
    file["events"].insert(3, {"type": "reasoning_step", "data": {"type": "thought"}})
    with pytest.warns(UserWarning, match="One event in the file cannot be read"):
        back = ReasoningChat.from_json(file)
    assert back.steps == chat.steps
    back.close()


def test_documents_are_masked_and_data_is_not(open_chat):
    chat = open_chat()
    chat.ask("one")

    for text in (chat.to_markdown(), chat.to_html(), str(chat.to_notebook())):
        assert KEY not in text
        assert "[masked: API key]" in text
    assert KEY in chat.to_json()
    assert KEY in chat.to_frame()["content"][0]


def test_pictures_stored_beside_the_log_are_on_the_page(open_chat):
    chat = open_chat()
    chat.ask("one")

    assert png(400, 400) in chat.to_html()
    assert '"blob"' in chat.to_json()


def test_a_chat_that_is_not_saved_leaves_only_a_note(open_chat):
    chat = open_chat(save=False)
    chat.ask("one")

    bundle = chat._snapshot(None)

    assert sorted(bundle) == [SESSION_MIME, "text/plain"]
    assert bundle[SESSION_MIME]["events"] == []
    assert "not saved" in bundle["text/plain"]
    assert "ONE" not in str(bundle)


def test_prompts_are_answered_even_if_the_snapshot_fails(open_chat, monkeypatch, caplog):
    chat = open_chat()
    chat._ipython_display_()
    tried: queue.Queue[str | None] = queue.Queue()

    def broken(description, message_id):
        tried.put(message_id)
        raise RuntimeError("out of luck")

    monkeypatch.setattr(chat._snapshots, "bundle", broken)

    assert chat.ask("one").text == "ONE"
    for _ in range(2):  # a task saves the prompts of a page; it must survive the first failure
        while not tried.empty():
            tried.get()
        message = {"type": "chat", "payload": {"message": "go", "agent_name": "painter"}}
        on_loop(lambda message=message: chat._conversation.source.handle(message))
        assert tried.get(timeout=10) is None
    assert "out of luck" in caplog.text


@pytest.mark.usefixtures("built")
def test_a_conversation_can_be_resumed_in_another_kernel(open_chat):
    program = (
        "from reasoning_widget import ReasoningChat\n"
        "async def echo(prompt):\n    yield {'type': 'final_answer', 'content': prompt.upper()}\n"
        "print(ReasoningChat(echo, session_id='notes', resume=True).ask('hello'))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("HELLO\n", "")

    chat = open_chat(session_id="notes", resume=True)

    assert [step["content"] for step in chat.steps] == ["HELLO"]
    assert chat.ask("again").text == "AGAIN"
    assert len(chat.runs) == 2


@pytest.mark.usefixtures("built")
def test_a_run_interrupted_by_the_kernels_death_is_closed(open_chat):
    program = (
        "import asyncio, os, signal\n"
        "from reasoning_widget import ReasoningChat\n"
        "async def slow(prompt):\n"
        "    yield {'type': 'thought', 'content': 'Hm.'}\n"
        "    yield {'type': 'final_answer', 'id': 'a', 'content': 'Once upon', 'status': 'streaming'}\n"
        "    await asyncio.sleep(1.5)\n"  # growing steps are stored once a second
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "ReasoningChat(slow, session_id='notes', resume=True).ask('hello')"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9

    chat = open_chat(session_id="notes", resume=True)

    assert [run["status"] for run in chat.runs] == ["interrupted"]
    assert [(step["content"], step["status"]) for step in chat.steps] == [("Hm.", "done"), ("Once upon", "stopped")]


async def waits(prompt):
    """Answer, unless asked to wait."""
    yield {"type": "thought", "content": "Hm."}
    if prompt == "wait":
        await asyncio.Event().wait()
    yield {"type": "final_answer", "content": prompt.upper()}


def post(chat, *prompts):
    """Send prompts like a page, without waiting for the answers."""
    for prompt in prompts:
        message = {"type": "chat", "id": prompt, "payload": {"message": prompt, "agent_name": "waits"}}
        on_loop(lambda message=message: chat._conversation.source.handle(message))


def outcomes(chat):
    return [(run["message_id"], run["status"]) for run in chat.runs]


def test_queued_prompts_are_asked_when_their_conversation_is_resumed(open_chat):
    post(open_chat(waits, session_id="notes", resume=True), "wait", "one", "two")

    again = open_chat(waits, session_id="notes", resume=True)  # the log is in the state that a killed kernel leaves

    assert again.ask("three").text == "THREE"
    assert outcomes(again)[:3] == [("wait", "interrupted"), ("one", "completed"), ("two", "completed")]


def test_queued_prompts_of_an_exported_session_are_not_asked(open_chat):
    chat = open_chat(waits)
    post(chat, "wait", "one")

    back = ReasoningChat.from_json(chat.to_json(), agent=waits, resume=True)

    assert back.ask("two").text == "TWO"
    assert [status for _, status in outcomes(back)] == ["interrupted", "completed"]
    back.close()


def test_two_kernels_cannot_open_a_conversation_at_once(open_chat):
    open_chat(session_id="notes", resume=True)
    program = (
        "from reasoning_widget import ReasoningChat\n"
        "async def echo(prompt):\n    yield {'type': 'final_answer', 'content': prompt}\n"
        "try: ReasoningChat(echo, session_id='notes', resume=True)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout.startswith(f"{ConversationInUse.__name__} the conversation 'notes' is open in the kernel with")
    assert str(os.getpid()) in ran.stdout


def test_running_the_cell_again_continues_the_conversation(open_chat):
    first = open_chat(session_id="notes", resume=True)
    first.ask("one")

    again = open_chat(session_id="notes", resume=True)

    assert [step["content"] for step in again.steps][-1] == "ONE"
    assert first.comm is None


def test_without_resume_a_conversation_ends_with_its_chat(open_chat):
    open_chat(session_id="notes").ask("one")

    assert open_chat(session_id="notes").steps == []
    assert not log_path("notes").exists()


def test_a_conversation_that_cannot_be_resumed_raises_an_error_with_the_reason(open_chat):
    with pytest.raises(ValueError, match="session_id"):
        open_chat(resume=True)
    with pytest.raises(ValueError, match="A-Z a-z"):
        open_chat(session_id="../notes", resume=True)
    log_path("notes").parent.mkdir(parents=True)
    log_path("notes").write_text("no database")
    with pytest.raises(RuntimeError, match="not a database"):
        open_chat(session_id="notes", resume=True)


def test_an_exported_session_does_not_replace_a_conversation(open_chat):
    chat = open_chat(session_id="notes", resume=True)
    chat.ask("one")

    with pytest.raises(ValueError, match="already"):
        ReasoningChat.from_json(chat.to_json(), agent=painter, resume=True)


@pytest.mark.usefixtures("built")
def test_a_program_that_exits_during_a_run_closes_the_run(open_chat):
    program = (
        "import threading, asyncio\n"
        "from reasoning_widget import ReasoningChat\n"
        "said = threading.Event()\n"
        "async def slow(prompt):\n"
        "    yield {'type': 'thought', 'content': 'Hm.'}\n"
        "    said.set()\n"
        "    await asyncio.Event().wait()\n"
        "chat = ReasoningChat(slow, session_id='notes', resume=True)\n"
        "threading.Thread(target=chat.ask, args=('hello',), daemon=True).start()\n"
        "said.wait()"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stderr == ""

    log = log_path("notes").read_bytes()

    assert b'"interrupted"' in log
