"""The command line with a real server, in a pipe and in a terminal."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from reasoning_widget import connect
from reasoning_widget.cli import app
from tests.command import Terminal, run
from tests.parts import PNG
from tests.server.client import new_session
from tests.server.rest import call, mint


@pytest.fixture
def there(server, tmp_path):
    """The working directory and the environment of the command."""
    return {"cwd": tmp_path, "REASONING_WIDGET_SERVER": server.origin, "REASONING_WIDGET_TOKEN": server.token}


@pytest.fixture
def here(server):
    """Run the command in this process, which is enough to test its error messages."""

    def invoke(*arguments, **environment):
        names = {"REASONING_WIDGET_SERVER": server.origin, "REASONING_WIDGET_TOKEN": server.token}
        return CliRunner().invoke(app, arguments, env={**names, **environment})

    return invoke


@pytest.fixture
def heron(server):
    """A session with a prompt and its answer."""
    session_id = new_session()
    with connect(server.origin, session_id, token=server.token) as chat:
        chat.ask(f"Where is the heron {session_id}?", agent="echo").answer()
    return session_id


def is_plain(text):
    return all(letter.isprintable() or letter == "\n" for letter in text)


def test_in_a_pipe_only_the_answer_is_printed_to_stdout(server, there):
    session_id = new_session()
    done = run("ask", "hello", "--agent", "echo", "--session", session_id, **there)
    assert (done.returncode, done.stdout) == (0, "You said: hello\n")
    assert done.stderr == f"Session {session_id}\nThought: Repeat it.\n"
    again = run("ask", "again", "--session", session_id, **there)
    assert again.stdout == "You said: again\n"  # by the last agent
    assert is_plain(done.stdout + done.stderr)


def test_images_and_files_are_sent_with_a_prompt(server, there, tmp_path):
    (tmp_path / "red.png").write_bytes(PNG)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("1,2\n")
    session_id = new_session()
    attached = ("--image", "red.png", "--file", "a.csv", "--file", "b.csv")

    done = run("ask", "look", *attached, "--agent", "looks", "--session", session_id, **there)

    file = "data:text/csv;base64 4"
    told = f"look | red.png data:image/png;base64 {len(PNG)} | a.csv {file} | b.csv {file} []\n"
    assert (done.returncode, done.stdout) == (0, told)
    assert "Attached: red.png, a.csv, b.csv" in done.stderr
    again = run("ask", "--image", "red.png", "--session", session_id, **there)
    assert again.stdout.startswith(f"red.png data:image/png;base64 {len(PNG)} [")
    assert call(server, "GET", f"sessions/{session_id}").json["title"] == "look"


@pytest.mark.parametrize(
    ("attached", "code", "says"),
    [
        (("--image", "none.png"), 2, "none.png cannot be read: No such file"),
        (("--file", "."), 2, "cannot be read"),
        (("--image", "notes.txt"), 1, "image notes.txt"),
        (("--file", "notes.txt") * 11, 1, "11 attachments"),
    ],
)
def test_an_invalid_attachment_is_an_error_and_nothing_is_sent(here, tmp_path, monkeypatch, attached, code, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    done = here("ask", "look", *attached)
    assert done.exit_code == code
    assert says in done.stderr
    assert "Session" not in done.stderr


def test_watch_names_the_attachments(server, there):
    session_id = new_session()
    with connect(server.origin, session_id, token=server.token) as chat:
        chat.ask([{"text": "look"}, {"image": PNG, "name": "red.png"}], agent="looks").answer()
    with Terminal("watch", session_id, **there) as terminal:
        terminal.until("Final answer")
        assert "[image: red.png]" in terminal.text


def test_the_text_of_an_agent_cannot_control_the_terminal(there):
    done = run("ask", "\x1b[31mred\x07", "--agent", "echo", **there)
    assert done.stdout == "You said: red\n"


def test_a_failed_run_sets_the_exit_code(there):
    done = run("ask", "go", "--agent", "crash", **there)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "exit status was 3" in done.stderr


def test_in_a_terminal_the_user_can_answer_the_agent(there):
    with Terminal("ask", "go", "--agent", "question", **there) as terminal:
        terminal.until("Which colour?")
        terminal.type("green\n")
        assert terminal.end() == 0
    assert "green, then." in terminal.text
    assert "Final answer" in terminal.text
    assert "\x1b[32m" in terminal.text  # green, the answer


def test_in_a_terminal_each_step_type_has_its_own_colour(server, there):
    session_id = new_session()
    with connect(server.origin, session_id, token=server.token) as chat:
        chat.ask("3", agent="count").answer()
        chat.ask("go", agent="crash").answer()
    with Terminal("watch", session_id, **there) as terminal:
        terminal.until("The run ended: failed.")
        terminal.interrupt()
        terminal.end()
    colours = {"Thought": "34", "Tool use": "38;5;208", "Tool result": "35", "Final answer": "32", "Error": "31"}
    for title, colour in colours.items():  # blue, orange, purple, green, red
        assert re.search(rf"\x1b\[(1;)?{colour}m[^\x1b]*(\x1b\[[\d;]*m[^\x1b]*)?{title}", terminal.text), title


def test_ctrl_c_stops_the_run(server, there):
    session_id = new_session()
    with Terminal("ask", "go", "--agent", "wait", "--session", session_id, **there) as terminal:
        terminal.until("Hm.")
        terminal.interrupt()
        assert terminal.end() == 130
    with connect(server.origin, session_id, token=server.token) as chat:
        assert [run["status"] for run in chat.runs] == ["stopped"]


def test_watch_shows_earlier_and_new_steps(server, there, heron):
    with Terminal("watch", heron, **there) as terminal:
        terminal.until("You said: Where is the heron")
        with connect(server.origin, heron, token=server.token) as chat:
            chat.ask("And the crane?", agent="echo").answer()
            terminal.until("You said: And the crane?")
            chat.ask("go", agent="wait")
            terminal.until("Hm.")  # while the step is open
            chat.stop()
        terminal.until("The run ended: stopped.")
        terminal.interrupt()
        assert terminal.end() == 130
    assert "\x1b[34m" in terminal.text  # blue, the thought
    assert "Traceback" not in terminal.text


def test_sessions_can_be_listed_and_searched(there, heron):
    done = run("sessions", "heron", heron, **there)
    (line,) = done.stdout.splitlines()
    assert line.split("\t")[0] == heron
    assert line.split("\t")[2:4] == ["1", "completed"]
    assert heron in run("sessions", **there).stdout
    assert len(run("sessions", "--limit", "1", **there).stdout.splitlines()) == 1
    assert run("sessions", "nobody-has-said-this", **there).stdout == ""
    with Terminal("sessions", "heron", heron, **there) as terminal:
        assert terminal.end() == 0
    assert "Last used" in terminal.text


def test_export_prints_or_writes_a_session(there, heron):
    assert "You said: Where is the heron" in run("export", heron, **there).stdout
    exported = json.loads(run("export", heron, "--format", "json", **there).stdout)
    assert exported["session_id"] == heron
    done = run("export", heron, "--format", "html", "--output", "heron.html", **there)
    assert (done.returncode, done.stdout) == (0, "")
    assert (there["cwd"] / "heron.html").read_text().startswith("<!doctype html>")


def test_a_ticket_opens_its_session_until_it_is_revoked(server, here):
    session_id = new_session()
    made = mint(server, session_id, "talk")
    way = {"REASONING_WIDGET_TOKEN": "", "REASONING_WIDGET_TICKET": made["ticket"]}
    assert here("ask", "hello", "--agent", "echo", "--session", session_id, **way).stdout == "You said: hello\n"
    assert "You said: hello" in here("export", session_id, **way).stdout
    assert here("export", "another", **way).exit_code == 4
    call(server, "DELETE", f"tickets/{made['id']}")
    for command in (("ask", "again", "--session", session_id), ("watch", session_id), ("export", session_id)):
        refused = here(*command, **way)
        assert refused.exit_code == 4
        assert "the ticket was revoked" in refused.stderr
        assert "another ticket into REASONING_WIDGET_TICKET" in refused.stderr
        assert made["ticket"] not in refused.stderr


@pytest.mark.parametrize("command", [("ask", "hello"), ("watch", "s"), ("sessions",), ("export", "s")])
@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"REASONING_WIDGET_SERVER": "http://127.0.0.1:9"}, 3, "No server answers at http://127.0.0.1:9/"),
        ({"REASONING_WIDGET_TOKEN": "a-wrong-secret"}, 4, "REASONING_WIDGET_TOKEN"),
        ({"REASONING_WIDGET_SERVER": "nowhere"}, 2, "http://localhost:8888"),
    ],
)
def test_errors_say_what_to_do_and_set_the_exit_code(here, command, changed, code, said):
    done = here(*command, **changed)
    assert done.exit_code == code
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "a-wrong-secret" not in done.stderr


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("export", "no-such-session"), 1, "no session"),
        (("watch", "../x"), 2, "A-Z a-z 0-9"),
        (("ask", "hello", "--agent", "nobody"), 1, "nobody"),
    ],
)
def test_unknown_sessions_and_agents_are_reported(here, command, code, said):
    done = here(*command)
    assert done.exit_code == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_agent_creates_no_session(server, there):
    session_id = new_session()
    done = run("ask", "hello", "--agent", "nosuch", "--session", session_id, **there)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r'no agent "nosuch"\. Known agents: .*"echo"', done.stderr)
    assert call(server, "GET", f"sessions/{session_id}").status == 404


def test_watching_a_missing_session_is_an_error(server, there):
    session_id = new_session()
    done = run("watch", session_id, **there)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"no session {session_id}" in done.stderr
    assert call(server, "GET", f"sessions/{session_id}").status == 404


def test_without_a_server_the_server_commands_ask_for_one(here):
    for command in (("watch", "s"), ("sessions",), ("export", "s")):
        done = here(*command, REASONING_WIDGET_SERVER="")
        assert done.exit_code == 2
        assert "REASONING_WIDGET_SERVER" in done.stderr
    assert "--server" in here("ask", "hello", "--session", "s", REASONING_WIDGET_SERVER="").stderr
