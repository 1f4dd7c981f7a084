"""A cell that shows a session of another server: the page connects to that server with the kernel's ticket."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from reasoning_widget import connect
from reasoning_widget.server.extension import ReasoningApp
from tests.browser.chat import Chat
from tests.browser.conftest import open_window
from tests.browser.lab import DARK, Lab, choose
from tests.jupyter import Jupyter
from tests.server.client import new_session
from tests.server.conftest import reasoning_server

MAX_RUNS = ReasoningApp.max_runs.default_value
COUNTED = " ".join(f"word{number}" for number in range(40))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    with reasoning_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def elsewhere(browser: Browser, jupyter: Jupyter, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """JupyterLab in a window that the server sees as another browser."""
    with contextlib.closing(open_window(browser, jupyter, {})) as window:
        yield Lab(window, jupyter, re.sub(r"\W+", "-", f"elsewhere {request.node.name}"))


class Connected(Chat):
    """A chat with its line about the connection to its server."""

    def __init__(self, chat: Chat) -> None:
        super().__init__(chat.region)
        self.line = self.region.locator(".rw-connection")
        self.connect = self.region.get_by_role("button", name="Connect", exact=True)
        self.disconnect = self.region.get_by_role("button", name="Disconnect", exact=True)

    def expect_answer(self, text: str) -> None:
        """Wait until the newest answer is this text."""
        answer = self.region.get_by_role("article", name=re.compile("^Final answer")).last
        expect(answer).to_have_attribute("data-status", "done")
        expect(answer).to_contain_text(text)


def cell(server: Jupyter, session_id: str, token: str | None = None) -> str:
    way = f"server={server.origin!r}, session_id={session_id!r}, token={token or server.token!r}"
    return f"from reasoning_widget import ReasoningChat\n\nchat = ReasoningChat({way})\nchat"


def connected(notebook, number: int = 0) -> Connected:
    chat = Connected(notebook.open_chat(number))
    expect(chat.line).to_contain_text("Connected")
    return chat


def unconnected(notebook) -> Connected:
    """A chat that has no list of agents yet."""
    return Connected(Chat(notebook.run(0).get_by_role("region", name="Chat", exact=True)))


def test_two_views_of_one_session_stay_equal_and_its_secrets_are_not_saved(lab, elsewhere, server):
    session_id = new_session()
    notebook = lab.open(cell(server, session_id))
    frames: list[str] = []
    notebook.page.on("websocket", lambda socket: frames.append(socket.url))
    one = connected(notebook)
    two = connected(elsewhere.open(cell(server, session_id), theme=DARK))

    one.agent.select_option("count")
    one.ask("40 0.05")
    expect(two.card("Final answer")).to_have_attribute("data-status", "streaming")
    for chat in (one, two):
        chat.expect_answer(COUNTED)
    two.agent.select_option("echo")
    two.ask("and now from here")
    for chat in (one, two):
        chat.expect_answer("You said: and now from here")
        chat.expect_cards("Thought", "Tool use", "Tool result", "Final answer", "Thought", "Final answer")
    assert one.cards.all_inner_texts() == two.cards.all_inner_texts()

    saved = json.dumps(notebook.save()["cells"][0]["outputs"])
    assert server.token not in saved
    assert re.search(r"eyJ[\w-]+\.", saved) is None
    assert any(url.startswith(server.origin.replace("http", "ws")) for url in frames)
    assert server.token not in "".join(frames)
    assert "eyJ" not in "".join(frames)


def test_a_long_run_is_saved_while_it_is_on(lab, server):
    notebook = lab.open(cell(server, new_session()))
    chat = connected(notebook)
    chat.agent.select_option("count")
    chat.ask("400 0.1")
    notebook.wait_for_saved("word20 ")
    expect(chat.stop).to_be_enabled()
    expect(chat.region.get_by_role("alert")).to_have_count(0)
    chat.stop.click()


def test_a_message_written_while_the_server_is_away_is_sent_once(lab, server):
    notebook = lab.open(cell(server, new_session()))
    chat = connected(notebook)
    chat.agent.select_option("echo")
    chat.ask("before")
    chat.expect_answer("You said: before")

    server.kill()
    expect(chat.line).to_contain_text("Connection lost.")
    expect(chat.line).to_contain_text(re.compile(r"Next try in \d+ s"))
    chat.ask("meanwhile")
    expect(chat.line).to_contain_text("1 message waits")
    expect(chat.region.get_by_text("Waiting", exact=True)).to_be_visible()

    server.start()
    notebook.page.evaluate("() => window.dispatchEvent(new Event('online'))")  # in case it no longer retries
    expect(chat.line).to_contain_text("Connected")
    chat.expect_answer("You said: meanwhile")
    expect(chat.line).not_to_contain_text("waits")
    chat.expect_cards("Thought", "Final answer", "Thought", "Final answer")
    lab.ignore("WebSocket connection to")  # the browser's text


def test_the_kernel_renews_the_ticket_of_a_page_unnoticed(lab, server):
    short = "from reasoning_widget.widget import tickets\n\ntickets._LIFETIME = 4.0  # an hour else\n"
    notebook = lab.open(short + cell(server, new_session()))
    sockets: list[str] = []
    notebook.page.on("websocket", lambda socket: sockets.append(socket.url))
    chat = connected(notebook)
    states = chat.line.evaluate_handle(
        """line => {
            const seen = [];
            const changes = {subtree: true, childList: true, characterData: true};
            new MutationObserver(() => seen.push(line.textContent)).observe(line, changes);
            return seen;
        }"""
    )
    chat.agent.select_option("count")
    chat.ask("40 0.25")  # longer than two tickets last
    chat.expect_answer(COUNTED)

    ours = [url for url in sockets if "/ws/chat/" in url]
    assert len(ours) >= 3
    assert all("epoch=" in url for url in ours[1:]), "it goes on from where it was"
    assert "Connection lost" not in "".join(states.json_value())
    chat.expect_cards("Thought", "Tool use", "Tool result", "Final answer")


def test_a_prompt_that_waits_for_other_sessions_is_shown_as_queued(lab, server):
    with contextlib.ExitStack() as stack:
        others = [
            stack.enter_context(connect(server.origin, new_session(), token=server.token)) for _ in range(MAX_RUNS)
        ]
        reading = [iter(other.ask("go", agent="wait", tokens=True)) for other in others]
        assert [next(steps)["content"] for steps in reading] == ["Hm."] * MAX_RUNS
        session_id = new_session()
        chat = connected(lab.open(cell(server, session_id)))
        chat.agent.select_option("echo")
        chat.ask("in a while")
        expect(chat.region.get_by_text("Queued", exact=True)).to_be_visible()
        assert [other.runs[-1]["status"] for other in others] == ["running"] * MAX_RUNS
        assert server.fetch("GET", f"reasoning-widget/api/sessions/{session_id}")["pending"] == 1
        others[0].stop()
        chat.expect_answer("You said: in a while")
        expect(chat.region.get_by_text("Queued", exact=True)).not_to_be_visible()
        for other in others:
            other.stop()


def test_the_person_disconnects_and_reconnects(lab, server):
    chat = connected(lab.open(cell(server, new_session())))
    chat.agent.select_option("echo")
    chat.disconnect.click()
    expect(chat.line).to_contain_text("Disconnected")
    chat.ask("later")
    expect(chat.line).to_contain_text("1 message waits")
    chat.connect.click()
    expect(chat.line).to_contain_text("Connected")
    chat.expect_answer("You said: later")


def test_a_wrong_token_says_what_to_do_in_the_cell_and_in_python(lab, server):
    notebook = lab.open(cell(server, new_session(), token="wrong"), "chat.ask('?')")
    chat = unconnected(notebook)
    expect(chat.line).to_contain_text("Not connected.")
    expect(chat.line).to_contain_text("Pass the token that jupyter server list shows there")
    expect(notebook.run(1)).to_contain_text("NotAllowed")


def test_the_cell_reports_that_no_server_answers(lab, server):
    notebook = lab.open(cell(server, new_session()).replace(server.origin, "http://127.0.0.1:9"))
    chat = unconnected(notebook)
    expect(chat.line).to_contain_text("No server answers at http://127.0.0.1:9/")
    expect(chat.line).to_contain_text("Is it running")


def test_ask_in_code_uses_the_same_session(lab, server):
    code = "answer = chat.ask('from code', agent='echo')\nprint(answer.text, answer.status, len(chat.steps))"
    notebook = lab.open(cell(server, new_session()), code)
    chat = connected(notebook)
    output = notebook.run(1)
    expect(output).to_contain_text("You said: from code completed 2")
    chat.expect_answer("You said: from code")


def test_a_chat_on_a_server_is_exported_from_its_cell(lab, server):
    notebook = lab.open(cell(server, new_session()))
    chat = connected(notebook)
    chat.agent.select_option("echo")
    chat.ask("keep this")
    chat.expect_answer("You said: keep this")
    notebook.output(0).get_by_role("button", name="Export…").click()
    with notebook.page.expect_download() as download:
        choose(notebook.page, "Markdown")
    assert download.value.suggested_filename == "keep this.md"
    assert "You said: keep this" in download.value.path().read_text("utf-8")
