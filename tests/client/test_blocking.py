"""The blocking client, for scripts."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys

import pytest

from reasoning_widget import connect
from reasoning_widget.client import Disconnected
from reasoning_widget.protocol import ProtocolError
from tests.server.client import new_session


def at(server, session_id=None, **options):
    return connect(server.origin, session_id or new_session(), token=server.token, **options)


def test_a_script_can_ask_and_read_the_conversation(server):
    with at(server) as chat:
        steps = list(chat.ask("hello", agent="echo"))
        assert [step["content"] for step in steps] == ["Repeat it.", "You said: hello"]
        assert steps == chat.steps
        assert chat.ask("again").answer().text == "You said: again"
        assert [run["status"] for run in chat.runs] == ["completed", "completed"]
        assert chat.agent_name == "echo"
        assert "echo" in [agent["name"] for agent in chat.agents]
        assert (chat.waiting, chat.requests, chat.connection.state) == (0, [], "open")
        chat.stop()
        chat.clear()
        with pytest.raises(ProtocolError, match="empty"):
            chat.ask(" ", agent="echo").answer()
    with pytest.raises(Disconnected, match="closed"):
        chat.ask("hello?")


def test_a_script_can_send_and_fetch_a_file(server, tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n")
    with at(server) as chat:
        answer = chat.ask([{"text": "look"}, {"file": tmp_path / "table.csv"}], agent="looks").answer()
        assert answer.text == "look | table.csv data:text/csv;base64 4 []"
        (message,) = chat.messages
        attachment = message["parts"][1]["file"]
        assert (attachment["name"], attachment["bytes"]) == ("table.csv", 4)
        assert base64.b64decode(chat.value(attachment["blob"])) == b"a,b\n"


def test_leaving_the_loop_stops_the_run_of_a_script(server):
    with at(server) as chat:
        for _ in chat.ask("go", agent="wait", tokens=True):
            break
        assert [run["status"] for run in chat.runs] == ["stopped"]


def test_a_script_can_answer_the_agent(server):
    with at(server) as chat:
        answer = chat.ask("go", agent="question", on_request=lambda request: request["prompt"].lower()).answer()
        assert answer.text == "which colour?, then."


def test_a_script_can_watch(server):
    session_id = new_session()
    with at(server, session_id) as chat, at(server, session_id) as other:
        watching = chat.watch()
        other.ask("hello", agent="echo").answer()
        assert [next(watching)["type"], next(watching)["type"]] == ["thought", "final_answer"]


SCRIPT = """
import os
from reasoning_widget import connect
with connect(os.environ["URL"], os.environ["SESSION"], token=os.environ["TOKEN"]) as chat:
    try:
        for step in chat.ask("go", agent="wait", tokens=True):
            print(step["content"], flush=True)
    except KeyboardInterrupt:
        print(chat.runs[-1]["status"])
"""


def test_ctrl_c_stops_the_run(server):
    environment = {**os.environ, "URL": server.origin, "SESSION": new_session(), "TOKEN": server.token}
    script = subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, text=True)
    assert script.stdout is not None
    with script.stdout as said:
        assert said.readline() == "Hm.\n"
        script.send_signal(signal.SIGINT)
        assert said.read() == "stopped\n"
    assert script.wait() == 0
