"""The real model, in a process of its own. The weights are downloaded once, into the user's cache."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from reasoning_widget.agents.base import RunContext, Turn, as_current_run
from reasoning_widget.agents.exceptions import AgentError, Stopped
from reasoning_widget.agents.local import weights
from reasoning_widget.agents.local.connection import connect
from reasoning_widget.agents.local.embedded import EmbeddedModel
from reasoning_widget.agents.local.model_files import SMALL
from reasoning_widget.agents.local.paths import server_state
from reasoning_widget.agents.presets import assistant, researcher

pytestmark = pytest.mark.slow

LLM = {"model_type": "embedded", "model": "0.5b"}
HELLO = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A separate cache with the weights, so that the tests have a separate server."""
    real = weights.pull("0.5b")
    cache = tmp_path_factory.mktemp("cache")
    (cache / "models").mkdir()
    (cache / "models" / real.name).symlink_to(real)
    before = os.environ.get("REASONING_WIDGET_CACHE")
    os.environ["REASONING_WIDGET_CACHE"] = str(cache)
    yield cache
    for state in (cache / "servers").glob("*.json"):
        os.kill(json.loads(state.read_text())["pid"], signal.SIGKILL)
    if before is None:
        del os.environ["REASONING_WIDGET_CACHE"]
    else:
        os.environ["REASONING_WIDGET_CACHE"] = before


@pytest.fixture
def folder(tmp_path):
    """A folder with files for questions."""
    (tmp_path / "travel.md").write_text("# Travel\n\nHotels are paid up to 140 euros a night.\n")
    (tmp_path / "team.md").write_text("# Team\n\nThe laboratory is led by Ines Okafor since 2021.\n")
    (tmp_path / "menu.txt").write_text("On Fridays the canteen serves lentil soup.\n")
    return tmp_path


async def steps_of(agent, question, history=()):
    found = {}
    with as_current_run(RunContext(history=list(history))):
        async for step in agent.run_with_reasoning_stream(question):
            found[step["id"]] = step
    return list(found.values())


def text_of(chunks):
    return "".join(chunk.text for chunk in chunks)


def metric(embedded, name):
    """A metric of the server; requesting it requires the key."""
    text = embedded.server().get("/metrics").decode()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"llamacpp:{name} ")))


async def test_a_question_about_files_is_answered_with_citations(here, folder):
    steps = await steps_of(researcher(LLM, folder), "Who leads the laboratory?")
    assert [step["type"] for step in steps] == ["tool_use", "tool_result", "final_answer"]
    assert steps[0]["tool"]["name"] == "search_files"
    assert "team.md:1-3" in steps[1]["content"]
    assert "Okafor" in steps[2]["content"]
    assert "Source: team.md:1-3" in steps[2]["content"]
    assert steps[2]["usage"]["output_tokens"] > 0


async def test_a_sum_is_calculated(here, folder):
    steps = await steps_of(researcher(LLM, folder), "What is 23 times 17?")
    assert steps[0]["tool"]["name"] == "calculate"
    assert "391" in steps[-1]["content"]


@pytest.mark.parametrize("question", ["What is in this folder?", "Which files are here?", "List the files."])
async def test_the_folder_is_listed(here, folder, question):
    steps = await steps_of(researcher(LLM, folder), question)
    assert [step["type"] for step in steps] == ["tool_use", "tool_result", "final_answer"]
    assert all(name in steps[-1]["content"] for name in ("menu.txt", "team.md", "travel.md"))


async def test_the_answer_after_a_failed_tool_gives_the_reason(here, folder):
    steps = await steps_of(researcher(LLM, folder), "What does holidays.md say?")
    assert steps[1]["status"] == "failed"
    assert steps[-1]["type"] == "final_answer"
    assert "There is no file holidays.md. There are: menu.txt, team.md, travel.md" in steps[-1]["content"]


async def test_small_talk_needs_no_tool(here, folder):
    steps = await steps_of(researcher(LLM, folder), "Hello!")
    assert [step["type"] for step in steps] == ["final_answer"]


async def test_a_follow_up_is_routed_by_the_previous_call(here, folder):
    call = {"type": "tool_use", "tool": {"name": "search_files", "arguments": '{"query": "hotel price"}'}}
    earlier: Turn = {"prompt": "What is paid for a hotel?", "answer": "140 euros.", "steps": [call]}
    steps = await steps_of(researcher(LLM, folder), "And who leads the laboratory?", [earlier])
    assert steps[0]["tool"]["name"] == "search_files"
    assert "Okafor" in steps[-1]["content"]


async def test_plain_chat_remembers_earlier_turns(here):
    earlier: Turn = {"prompt": "My name is Zenobia.", "answer": "Hello Zenobia!", "steps": []}
    steps = await steps_of(assistant(LLM), "What is my name?", [earlier])
    assert [step["type"] for step in steps] == ["final_answer"]
    assert "Zenobia" in steps[0]["content"]


async def test_the_error_for_a_too_long_prompt_says_what_to_do(here, folder):
    with pytest.raises(AgentError, match="put the text into a file"):
        await steps_of(researcher(LLM, folder), "word " * 5000)


def test_kernels_share_one_server_that_only_its_user_can_reach(here):
    pid = EmbeddedModel(LLM).server().pid
    code = "from reasoning_widget.agents.local.embedded import EmbeddedModel; print(EmbeddedModel({}).server().pid)"
    others = [
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=Path.cwd()).stdout
        for _ in range(2)
    ]
    assert [int(other) for other in others] == [pid, pid]
    state = server_state("0.5b")
    assert state.stat().st_mode & 0o077 == 0
    assert psutil.Process(pid).net_connections("inet") == []
    folder = Path(str(EmbeddedModel(LLM).server().address)).parent
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_client_without_the_key_gets_nothing(here):
    server = EmbeddedModel(LLM).server()
    for method, path in (("POST", "/v1/chat/completions"), ("GET", "/slots"), ("GET", "/metrics")):
        with contextlib.closing(http.client.HTTPConnection("localhost")) as connection:
            connection.sock = connect(server.address, server.key, 60)
            connection.request(method, path, json.dumps({"messages": HELLO}) if method == "POST" else None)
            assert connection.getresponse().status in {401, 403, 404, 501}


def test_a_server_that_was_killed_is_started_again(here):
    embedded = EmbeddedModel(LLM)
    pid = embedded.server().pid
    process = psutil.Process(pid)
    process.kill()
    psutil.wait_procs([process])
    assert text_of(embedded.complete(messages=HELLO, max_tokens=5))
    assert embedded.server().pid != pid


def test_a_server_that_dies_during_an_answer_is_reported_and_the_next_prompt_answered(here):
    embedded = EmbeddedModel(LLM)
    chunks = embedded.complete(messages=[{"role": "user", "content": "Count from one to a thousand."}], max_tokens=900)
    next(chunks)
    psutil.Process(embedded.server().pid).kill()
    with pytest.raises(AgentError, match="Ask again: it is started again"):
        text_of(chunks)
    assert text_of(embedded.complete(messages=HELLO, max_tokens=5))


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "{}",
        '{"url": "http://127.0.0.1:9", "key": "x", "pid": 1}',
        '{"address": 9, "key": "x", "pid": 1}',
        '{"address": 99999999999, "key": "x", "pid": 1}',
        '{"address": "/nowhere/llm.sock", "key": "x", "pid": 1}',
        '{"address": "\\u0000", "key": "x", "pid": 1}',
    ],
)
def test_a_stale_state_file_is_corrected(here, garbage):
    psutil.Process(EmbeddedModel(LLM).server().pid).kill()
    server_state("0.5b").write_text(garbage)
    assert EmbeddedModel(LLM).server().is_alive()


def test_stop_wakes_a_waiting_run_and_ends_decoding(here):
    embedded, run = EmbeddedModel(LLM), RunContext()
    before = metric(embedded, "tokens_predicted_total")
    outcome: list[object] = []
    begun = threading.Event()

    def work() -> None:
        try:
            with as_current_run(run):
                for _ in embedded.complete(
                    messages=[{"role": "user", "content": "Count to a thousand."}], max_tokens=3000
                ):
                    begun.set()
        except Stopped as stopped:
            outcome.append(stopped)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    run.request_stop()
    thread.join()
    assert len(outcome) == 1
    while metric(embedded, "requests_processing"):
        pass
    assert metric(embedded, "tokens_predicted_total") - before < 1000


def test_an_idle_server_ends_and_leaves_no_state(here, monkeypatch):
    old = EmbeddedModel(LLM).server()
    psutil.Process(old.pid).kill()
    monkeypatch.setenv("REASONING_WIDGET_IDLE_MINUTES", "0.02")
    embedded = EmbeddedModel(LLM)
    pid = embedded.server().pid
    assert text_of(embedded.complete(messages=HELLO, max_tokens=5))
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [])
    assert not server_state("0.5b").exists()
    assert text_of(embedded.complete(messages=HELLO, max_tokens=5))


def test_the_error_for_an_invalid_idle_time_says_what_to_set(monkeypatch):
    monkeypatch.setenv("REASONING_WIDGET_IDLE_MINUTES", "soon")
    with pytest.raises(AgentError, match="REASONING_WIDGET_IDLE_MINUTES"):
        EmbeddedModel(LLM)


def test_the_error_for_missing_weights_says_to_download_them(monkeypatch, tmp_path):
    monkeypatch.setenv("REASONING_WIDGET_CACHE", str(tmp_path))
    assert not weights.is_downloaded(SMALL)
    with pytest.raises(AgentError, match="reasoning-widget model pull"):
        text_of(EmbeddedModel(LLM).complete(messages=HELLO))


def test_an_invalid_model_file_is_reported_with_the_servers_log(monkeypatch, tmp_path):
    monkeypatch.setenv("REASONING_WIDGET_CACHE", str(tmp_path))
    own = tmp_path / "own.gguf"
    own.write_bytes(b"no model")
    with pytest.raises(AgentError, match=r"could not be started.*\.log"):
        EmbeddedModel({"model": str(own)}).server()
