"""MCP servers, over standard streams and over streamable HTTP."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from qwen_agent.agents import Assistant

from reasoning_widget import AgentManager, ReasoningChat
from reasoning_widget.agents.qwen import mcp_servers
from reasoning_widget.protocol import ReasoningStep
from reasoning_widget.session.session import Session
from reasoning_widget.session.sqlite import SQLiteLog
from reasoning_widget.session.worker_pool import WorkerPool
from tests.agents.qwen.mcp_server import PIXEL
from tests.agents.qwen.tools import Tool
from tests.scripted_model import ScriptedModel, call
from tests.session.manual import NoAgents
from tests.session.manual import ask as post

pytestmark = pytest.mark.slow

SERVER = str(Path(__file__).with_name("mcp_server.py"))
ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 60


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        for name, arguments in (
            ("stock", {"item": "nut"}),
            ("pid", {}),
            ("pictures", {}),
            ("mixed", {}),
            ("broken", {"key": "sk-proj-abcDEF123456"}),
            ("slow", {}),
            ("list_resources", {}),
            ("read_resource", {"uri": "lab://notes"}),
        ):
            model.script(f"use {name}", [[call(f"lab-{name}", arguments)], "Done."])
        model.script("read nothing", [[call("lab-read_resource", {"uri": "lab://nothing"})], "Done."])
        model.script("use both", [[call("lab-stock", {"item": "nut"}), call("web-stock", {"item": "bolt"})], "Done."])
        yield model


def stdio(*options: str) -> dict[str, Any]:
    return {"command": sys.executable, "args": [SERVER, *options]}


def assistant(model: ScriptedModel, **servers: dict[str, Any]) -> Any:
    return Assistant(llm=model.llm(), function_list=[{"mcpServers": servers or {"lab": stdio()}}])


def result_of(chat: ReasoningChat, prompt: str) -> ReasoningStep:
    """The step of the tool's result."""
    answer = chat.ask(prompt)
    assert answer.status == "completed", answer.error
    return next(step for step in answer.steps if step["type"] == "tool_result")


def pid_of(chat: ReasoningChat) -> int:
    return int(result_of(chat, "use pid")["content"])


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def is_listening(port: int) -> bool:
    with socket.socket() as there:
        return there.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def lab(model: ScriptedModel) -> Iterator[ReasoningChat]:
    chat = ReasoningChat(assistant(model), save=False)
    yield chat
    chat.close()


# Answers of servers -----------------------------------------------------------------------------------------------


def test_a_result_is_its_text(lab: ReasoningChat) -> None:
    assert result_of(lab, "use stock")["content"] == "nut: 42"
    assert result_of(lab, "use read_resource")["content"] == "the notes"
    assert "lab://notes" in result_of(lab, "use list_resources")["content"]


@pytest.mark.parametrize(
    ("prompt", "said"), [("use broken", "no such thing"), ("read nothing", "Unknown resource: lab://nothing")]
)
def test_an_error_of_the_server_is_a_failed_step_and_is_sent_to_the_model(
    model: ScriptedModel, lab: ReasoningChat, prompt: str, said: str
) -> None:
    result = result_of(lab, prompt)

    assert result["status"] == "failed"
    assert said in result["content"]
    told = json.dumps(model.requests[-1].messages[-1])
    assert said in told
    assert "Traceback" not in told
    assert "abcDEF" not in told + json.dumps(result)


def test_pictures_of_the_server_are_shown(model: ScriptedModel, lab: ReasoningChat) -> None:
    import base64

    result = result_of(lab, "use pictures")

    assert result["outputs"] == [{"image/png": base64.b64encode(PIXEL).decode()}] * 2
    assert result["content"] == "Two pictures:\n\n[image: image/png]\n\n[image: image/png]"
    assert "Two pictures:" in json.dumps(model.requests[-1].messages)


def test_other_kinds_of_content_are_described(lab: ReasoningChat) -> None:
    result = result_of(lab, "use mixed")

    assert result["content"] == "a text\n\na note\n\n[image: image/x-unknown]"
    assert "outputs" not in result


def test_streamable_http_works_with_and_after_standard_streams(model: ScriptedModel) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, SERVER, "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        until(lambda: is_listening(port))
        web = {"type": "streamable-http", "url": f"http://127.0.0.1:{port}/mcp"}
        chat = ReasoningChat(assistant(model, lab=stdio(), web=web), save=False)
        both = [step["content"] for step in chat.ask("use both").steps if step["type"] == "tool_result"]
        chat.close()
        again = ReasoningChat(assistant(model, lab=web), save=False)
        alone = result_of(again, "use stock")["content"]
        again.close()
    finally:
        process.kill()
        process.wait()

    assert both == ["nut: 42", "bolt: 42"]
    assert alone == "nut: 42"


# Servers that cannot be reached -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"command": "/no/such/command", "args": []}, "there is no command `/no/such/command`"),
        ({"command": sys.executable, "args": ["-c", "raise SystemExit(3)"]}, f"`{sys.executable}`"),
        (
            {"type": "streamable-http", "url": "http://user:hidden@127.0.0.1:9/mcp?key=hidden"},
            "cannot be reached at `http://127.0.0.1:9/mcp`",
        ),
    ],
)
def test_the_error_names_a_server_that_cannot_be_used(model: ScriptedModel, server: dict[str, Any], said: str) -> None:
    agents = AgentManager()
    agents.register("mine", lambda: assistant(model, missing=server))
    chat = ReasoningChat("mine", agents=agents, save=False)
    answer = chat.ask("use stock")
    chat.close()

    assert answer.status == "failed"
    assert answer.error is not None
    assert '"missing"' in answer.error
    assert said in answer.error
    assert "hidden" not in answer.error
    with pytest.raises(mcp_servers.MCPServerError, match="missing"):
        assistant(model, missing=server)


# When servers end -------------------------------------------------------------------------------------------------


def test_a_server_ends_with_the_last_chat_that_uses_it(model: ScriptedModel) -> None:
    agent = assistant(model)
    one, two = ReasoningChat(agent, save=False), ReasoningChat(agent, save=False)
    pid = pid_of(one)
    one.close()
    assert pid_of(two) == pid
    two.close()

    assert is_gone(pid)


def test_a_server_ends_with_a_chat_that_asked_nothing(model: ScriptedModel) -> None:
    before = {child.pid for child in psutil.Process().children()}
    agent = assistant(model)
    (pid,) = {child.pid for child in psutil.Process().children()} - before
    ReasoningChat(agent, save=False).close()

    assert is_gone(pid)


def test_a_server_that_has_ended_is_started_again(model: ScriptedModel) -> None:
    agent = assistant(model)
    first = ReasoningChat(agent, save=False)
    pid = pid_of(first)
    first.close()
    second = ReasoningChat(agent, save=False)
    again = pid_of(second)
    second.close()

    assert again != pid
    assert is_gone(again)


def test_a_server_that_was_killed_is_started_again(model: ScriptedModel) -> None:
    chat = ReasoningChat(assistant(model), save=False)
    pid = pid_of(chat)
    psutil.Process(pid).kill()
    until(lambda: is_gone(pid))
    again = pid_of(chat)
    chat.close()

    assert again != pid
    assert is_gone(again)


def test_a_server_ends_when_its_agent_is_collected(model: ScriptedModel) -> None:
    agents = AgentManager()
    agents.register("mine", lambda: assistant(model))  # one for each run
    chat = ReasoningChat("mine", agents=agents, save=False)
    pid = pid_of(chat)

    def collected() -> bool:
        gc.collect()
        return is_gone(pid)

    until(collected)
    chat.close()


def test_a_server_that_was_started_within_a_tool_ends_with_the_chat(model: ScriptedModel) -> None:
    made: list[Any] = []

    def delegate() -> str:
        made.append(assistant(model))  # it is never called
        return str({child.pid for child in psutil.Process().children()} - before)

    model.script("delegate", [[call("delegate", {})], "Done."])
    before = {child.pid for child in psutil.Process().children()}
    chat = ReasoningChat(Assistant(llm=model.llm(), function_list=[Tool("delegate", delegate)]), save=False)
    (pid,) = json.loads(result_of(chat, "delegate")["content"].replace("{", "[").replace("}", "]"))
    chat.close()

    assert is_gone(pid)


def test_an_error_in_a_thread_is_a_failed_step(model: ScriptedModel) -> None:
    expert = assistant(model)

    def ask() -> str:
        with ThreadPoolExecutor(1) as pool:
            return str(pool.submit(expert.function_map["lab-broken"].call, "{}").result())

    model.script("in a thread", [[call("ask", {})], "Done."])
    chat = ReasoningChat(Assistant(llm=model.llm(), function_list=[Tool("ask", ask)]), save=False)
    answer = chat.ask("in a thread")
    chat.close()
    ReasoningChat(expert, save=False).close()

    assert next(step["status"] for step in answer.steps if step["type"] == "tool_result") == "failed"
    assert "no such thing" in str(answer.steps)


def test_a_server_that_does_not_end_is_killed(model: ScriptedModel) -> None:
    chat = ReasoningChat(assistant(model, lab=stdio("--stubborn")), save=False)
    pid = pid_of(chat)
    chat.close()

    until(lambda: is_gone(pid))


def test_servers_end_with_the_kernel(model: ScriptedModel) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from qwen_agent.agents import Assistant  # before ours
agent = Assistant(llm={model.llm()!r}, function_list=[{{"mcpServers": {{"lab": {stdio("--stubborn")!r}}}}}])
from reasoning_widget import ReasoningChat
chat = ReasoningChat(agent, save=False)
print("pid", [step["content"] for step in chat.ask("use pid").steps if step["type"] == "tool_result"][0])
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    pid = int(done.stdout.rsplit("pid", 1)[1])

    until(lambda: is_gone(pid))


def test_stop_ends_a_slow_call(model: ScriptedModel, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    chat = ReasoningChat(assistant(model, lab=stdio(str(begun))), save=False)
    chat.ask("use stock")  # starts the sessions' thread; other tests may have left threads, too
    before = set(threading.enumerate())
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(chat.ask("use slow")))
    asking.start()
    until(begun.exists)
    chat.stop()
    asking.join(WAIT_S)

    assert answers[0].status == "stopped"
    assert "may still be running" not in str(answers[0].steps)
    until(lambda: set(threading.enumerate()) <= before)
    assert result_of(chat, "use stock")["content"] == "nut: 42"
    chat.close()


async def test_servers_end_with_the_worker_of_a_jupyter_server(
    model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SCRIPTED_LLM", json.dumps(model.llm()))
    runner = WorkerPool(agents={"mine": f"{__name__}:made_of_environment"}, spare=0)
    session = Session("demo", log=SQLiteLog(), agents=NoAgents(), runner=runner)
    post(session, "use pid", "m1", agent_name="mine")
    await session.wait_for(lambda: session.message_is_settled("m1", session.epoch))
    (pid,) = [int(step["content"]) for step in session.state["steps"].values() if step["type"] == "tool_result"]
    await asyncio.to_thread(until, lambda: is_gone(pid))
    await runner.close()


def made_of_environment() -> Any:
    import os

    return Assistant(llm=json.loads(os.environ["SCRIPTED_LLM"]), function_list=[{"mcpServers": {"lab": stdio()}}])


def test_outside_of_runs_a_tool_answers_as_without_this_package(model: ScriptedModel) -> None:
    agent = assistant(model)
    try:
        assert "no such thing" in agent.function_map["lab-broken"].call("{}")
    finally:
        ReasoningChat(agent, save=False).close()
