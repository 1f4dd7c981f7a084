"""A chat used from code, without a kernel. Its session is the one that a page watches."""

import asyncio
import subprocess
import sys
import threading

import pytest

from reasoning_widget import ReasoningChat, current_run
from reasoning_widget.session.thread import wait as wait_on_loop


async def echo(prompt):
    """Repeat the prompt."""
    yield {"type": "thought", "content": "easy"}
    yield {"type": "final_answer", "content": prompt.upper(), "usage": {"output_tokens": 3}}


@pytest.fixture
def open_chat():
    chats = []

    def make(agent=echo, **options):
        chats.append(ReasoningChat(agent, **options))
        return chats[-1]

    yield make
    for chat in chats:
        chat.close()


def test_ask_waits_for_the_answer(open_chat):
    answer = open_chat().ask("hello")

    assert (answer.text, answer.status, answer.usage) == ("HELLO", "completed", {"output_tokens": 3})
    assert [step["type"] for step in answer.steps] == ["thought", "final_answer"]
    assert answer.duration > 0
    assert str(answer) == "HELLO"
    assert "2 steps, 3 tokens" in repr(answer)


def test_a_function_that_returns_a_text_is_an_agent(open_chat):
    def shout(prompt):
        return prompt.upper()

    async def whisper(prompt):
        return prompt.lower()

    assert [open_chat(each).ask("Hello").text for each in (shout, whisper)] == ["HELLO", "hello"]


def test_a_function_that_returns_no_text_fails_the_run_with_an_explanation(open_chat):
    answer = open_chat(lambda prompt: 42).ask("hello")

    assert answer.status == "failed"
    assert "`int`" in answer.error
    assert "return a text" in answer.error


def test_a_follow_up_sees_the_earlier_turns(open_chat):
    async def remember(prompt):
        yield {"type": "final_answer", "content": str([turn["answer"] for turn in current_run().history])}

    chat = open_chat(remember)

    assert [chat.ask("a").text, chat.ask("b").text] == ["[]", "['[]']"]


def test_steps_and_runs_are_plain_data(open_chat):
    chat = open_chat()
    chat.ask("one")
    chat.ask("two")

    assert [step["content"] for step in chat.steps] == ["easy", "ONE", "easy", "TWO"]
    assert [run["status"] for run in chat.runs] == ["completed", "completed"]
    chat.steps[0]["content"] = "mine"
    assert chat.steps[0]["content"] == "easy"
    assert "seq" not in chat.steps[0]


def test_clear_forgets_the_conversation(open_chat):
    chat = open_chat()
    chat.ask("one")
    chat.clear()

    assert (chat.steps, chat.runs) == ([], [])


@pytest.mark.parametrize(("prompt", "says"), [("", "empty"), ("   ", "empty"), ("x" * 2**20, "256 KiB")])
def test_an_empty_or_too_long_prompt_is_refused(open_chat, prompt, says):
    chat = open_chat()

    with pytest.raises(ValueError, match=says):
        chat.ask(prompt)
    assert chat.ask("fine").status == "completed"


def test_an_unknown_agent_is_refused_with_a_list_of_the_known_ones(open_chat):
    with pytest.raises(ValueError, match=r"nobody.*assistant"):
        open_chat("nobody")
    with pytest.raises(ValueError, match=r"nobody.*echo"):
        open_chat().ask("hi", agent="nobody")


def test_an_agent_of_an_unknown_type_is_a_type_error(open_chat):
    with pytest.raises(TypeError, match="async generator"):
        open_chat(42)


def test_a_failing_agent_gives_a_failed_answer(open_chat):
    async def fail(prompt):
        yield {"type": "thought", "content": "hm"}
        raise RuntimeError("out of luck")

    answer = open_chat(fail).ask("hi")

    assert (answer.text, answer.status) == ("", "failed")
    assert "out of luck" in answer.error
    assert "out of luck" in str(answer)


def test_stop_ends_the_run(open_chat):
    started = threading.Event()

    async def wait(prompt):
        yield {"type": "thought", "content": "waiting"}
        started.set()
        await asyncio.Event().wait()

    chat = open_chat(wait)
    stopper = threading.Thread(target=lambda: (started.wait(10), chat.stop()))
    stopper.start()
    answer = chat.ask("hi")
    stopper.join()

    assert answer.status == "stopped"


async def test_stream_yields_each_step_when_it_is_complete(open_chat):
    steps = [step async for step in open_chat().stream("hi")]

    assert [(step["type"], step["status"]) for step in steps] == [("thought", "done"), ("final_answer", "done")]


async def test_stream_can_yield_growing_steps(open_chat):
    looked = threading.Event()

    async def slow(prompt):
        yield {"type": "final_answer", "id": "a", "content": "one"}
        await asyncio.to_thread(looked.wait, 10)
        yield {"type": "final_answer", "id": "a", "content": "one two"}

    seen = []
    async for step in open_chat(slow).stream("hi", tokens=True):
        seen.append((step["content"], step["status"]))
        looked.set()

    assert seen[0] == ("one", "streaming")
    assert seen[-1] == ("one two", "done")


async def test_leaving_a_stream_stops_the_run(open_chat):
    async def endless(prompt):
        yield {"type": "thought", "content": "first"}
        await asyncio.Event().wait()

    chat = open_chat(endless)
    stream = chat.stream("hi")
    await anext(stream)
    await stream.aclose()

    assert chat.runs[0]["status"] == "stopped"


def test_closing_a_chat_stops_its_run(open_chat):
    ended = threading.Event()

    async def wait(prompt):
        try:
            yield {"type": "thought", "content": "waiting"}
            await asyncio.Event().wait()
        finally:
            ended.set()

    chat = open_chat(wait)
    wait_on_loop(chat._conversation.prepare("hi", agent=None, reasoning=True, max_iterations=None).post())
    chat.close()

    assert ended.wait(10)


@pytest.mark.usefixtures("built")
def test_a_program_with_an_open_chat_exits():
    program = (
        "from reasoning_widget import ReasoningChat\n"
        "async def echo(prompt):\n    yield {'type': 'final_answer', 'content': prompt}\n"
        "chat = ReasoningChat(echo); print(chat.ask('hi'))"
    )

    command = [sys.executable, "-m", "IPython", "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("hi\n", "")


@pytest.mark.parametrize("use", ["r.models; r.QwenAgent; r.AgentManager", "r.ReasoningChat(lambda prompt: prompt)"])
def test_modules_that_only_some_agents_need_are_not_imported(use):
    heavy = (
        "cryptography dashscope httpx huggingface_hub jwt mcp nbformat numpy openai pandas qwen_agent requests "
        "simpleeval xllamacpp"
    )
    program = f"import sys, reasoning_widget as r; {use}; print(*set({heavy.split()}) & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "\n"
