"""A chat whose session is on a server, used from code, and the messages that its pages get."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest

from reasoning_widget import ReasoningChat
from reasoning_widget.client import Disconnected, NotAllowed
from reasoning_widget.session.thread import on_loop
from tests.server.client import new_session


class Page:
    """The page of a chat: the messages it received, and a way to send some."""

    def __init__(self, chat):
        self.told: list[dict[str, Any]] = []
        self._chat = chat
        chat.send = self.told.append

    def say(self, kind, **payload):
        on_loop(self._chat._link.receive, {"type": kind, "payload": payload})

    def hear(self, kind):
        """Wait for a message of this type, and remove it from the received ones."""
        while True:
            for message in self.told:
                if message["type"] == kind:
                    self.told.remove(message)
                    return message["data"]
            time.sleep(0.01)


@pytest.fixture
def open_chat(server):
    chats = []

    def make(session_id=None, **options):
        options.setdefault("server", server.origin)
        if "ticket" not in options:
            options.setdefault("token", server.token)
        chats.append(ReasoningChat(session_id=session_id or new_session(), **options))
        return chats[-1]

    yield make
    for chat in chats:
        chat.close()


def test_prompts_from_code_are_in_the_session_on_the_server(open_chat, server):
    chat = open_chat("from-code")
    assert isinstance(chat, ReasoningChat)

    answer = chat.ask("hello", agent="echo")

    assert (answer.text, answer.status, len(answer.steps)) == ("You said: hello", "completed", 2)
    assert [step["content"] for step in open_chat("from-code").steps] == ["Repeat it.", "You said: hello"]
    assert server.fetch("GET", "reasoning-widget/api/sessions/from-code")["title"] == "hello"
    assert [run["agent_name"] for run in chat.runs] == ["echo"]
    assert "You said: hello" in chat.to_markdown()
    assert ReasoningChat.from_json(chat.to_json()).steps == chat.steps
    chat.clear()
    assert chat.steps == []


def test_a_stream_yields_steps_and_leaving_it_stops_the_run(open_chat):
    chat = open_chat()

    async def read():
        steps = [step["type"] async for step in chat.stream("3", agent="count")]
        waiting = chat.stream("go", agent="wait", tokens=True)
        async for _ in waiting:
            break
        await waiting.aclose()
        return steps

    assert asyncio.run(read()) == ["thought", "tool_use", "tool_result", "final_answer"]
    assert [run["status"] for run in chat.runs] == ["completed", "stopped"]


def test_stop_ends_the_active_run_and_withdraws_queued_prompts(open_chat):
    chat, other = open_chat("to-be-stopped"), open_chat("to-be-stopped")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(chat.ask, "go", agent="wait")
        while not any(run["status"] == "running" for run in other.runs):
            time.sleep(0.01)
        second = pool.submit(chat.ask, "later", agent="echo")
        while len(json.loads(other.to_json())["events"]) < 5:  # title, prompt, run, step, prompt
            time.sleep(0.01)
        other.stop()
        assert (first.result().status, second.result().status) == ("stopped", "stopped")
    assert [run["status"] for run in chat.runs] == ["stopped"]
    other.stop()  # harmless without a run


def test_a_session_on_a_server_is_exported_like_one_of_the_kernel(open_chat):
    chat = open_chat()
    chat.ask("The key is sk-proj-0123456789abcdefghijklmnop.", agent="echo")
    chat.ask("100000", agent="table")

    table = chat.to_frame()
    assert list(table["type"]) == ["thought", "final_answer", "tool_use", "tool_result", "final_answer"]
    assert "sk-proj-0123456789" in table["content"][1]
    for text in (chat.to_markdown(), chat.to_html(), str(chat.to_notebook())):
        assert "There." in text
        assert "masked" in text
        assert "sk-proj-0123456789" not in text
    back = ReasoningChat.from_json(chat.to_json())
    assert (back.steps, back.runs, back.to_html()) == (chat.steps, chat.runs, chat.to_html())
    back.close()


def test_the_server_decides_which_model_answers(open_chat):
    with pytest.raises(RuntimeError, match=r"the server chooses the model .* `ReasoningApp\.llm`"):
        _ = open_chat().llm


def test_pages_get_a_ticket_and_never_the_token(open_chat, server, caplog):
    caplog.set_level(logging.DEBUG)
    chat = open_chat("of-pages")
    page = Page(chat)

    page.say("attach", epoch=None, after=0, modules=["socket"])
    assert page.hear("server") == {"url": server.socket_url("of-pages")}
    page.say("attach", epoch=None, after=0, modules=[])
    assert "WebSocket" in page.hear("server")["source"]
    page.say("ticket", fresh=True)
    given = page.hear("ticket")
    claims = jwt.decode(given["ticket"], options={"verify_signature": False})
    assert (claims["session_id"], claims["access"]) == ("of-pages", "talk")
    assert given["expires_in"] == pytest.approx(claims["exp"] - claims["iat"], abs=60)
    page.say("module", name="math")
    assert page.hear("module")["name"] == "math"

    shown = f"{page.told} {given} {chat!r} {chat.get_state()} {caplog.text}"
    assert server.token not in shown
    assert given["ticket"] not in f"{chat!r} {chat.get_state()} {caplog.text}"


def test_pages_may_request_a_snapshot_during_a_run(open_chat):
    chat = open_chat("to-be-saved")
    page = Page(chat)
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(open_chat("to-be-saved").ask, "go", agent="wait")
        while "Hm." not in str(chat.steps):
            time.sleep(0.01)
        page.say("save", message_id=None)
        saved = page.hear("saved")
        chat.stop()
        asking.result()
    assert saved["message_id"] is None
    assert "Hm." in saved["bundle"]["text/html"]
    assert saved["bundle"]["application/vnd.reasoning-widget.session.v1+json"]["session_id"] == "to-be-saved"


def test_the_kernel_says_which_page_of_a_shared_notebook_writes(open_chat):
    page = Page(open_chat("shared"))
    page.say("attach", epoch=None, after=0, page="a")
    assert page.hear("pages") == {"pages": ["a"], "answer": False}
    page.say("save", message_id=None, page="b", ran_by="a")
    assert page.hear("pages") == {"pages": ["a", "b"], "answer": False}
    assert page.hear("pages") == {"pages": ["a", "b"], "answer": True}
    page.say("leave", page="a")
    assert page.hear("pages") == {"pages": ["b"], "answer": False}
    assert page.hear("saved")["page"] == "b"


def test_a_wrong_token_says_what_to_do(open_chat):
    chat = open_chat(token="wrong")
    page = Page(chat)

    page.say("ticket", fresh=True)
    refusal = page.hear("no_ticket")
    assert refusal["final"] is True
    assert "refuses access (403). Pass the token that `jupyter server list` shows there" in refusal["reason"]
    with pytest.raises(NotAllowed):
        chat.ask("?")


def test_an_unreachable_server_can_be_retried(open_chat):
    chat = open_chat(server="http://127.0.0.1:9")
    page = Page(chat)

    page.say("ticket", fresh=True)
    refusal = page.hear("no_ticket")
    assert refusal["final"] is False
    assert refusal["reason"].startswith("No server answers at http://127.0.0.1:9/ (Connection refused).")
    with pytest.raises(Disconnected):
        _ = chat.steps


def test_a_ticket_is_enough_until_it_is_revoked(open_chat, server):
    made = server.fetch("POST", "reasoning-widget/api/tickets", {"session_id": "with-ticket", "access": "talk"})
    chat = open_chat("with-ticket", ticket=made["ticket"])
    page = Page(chat)

    page.say("ticket", fresh=True)
    assert page.hear("ticket")["ticket"] == made["ticket"]
    assert chat.ask("hello", agent="echo").text == "You said: hello"
    server.fetch("DELETE", f"reasoning-widget/api/tickets/{made['id']}")
    page.say("ticket", fresh=True)
    refusal = page.hear("no_ticket")
    assert refusal["final"] is True
    assert refusal["reason"].endswith("(401: the ticket was revoked). Create the chat again with another ticket.")


def test_the_token_can_come_from_the_environment(open_chat, server, monkeypatch):
    monkeypatch.setenv("REASONING_WIDGET_TOKEN", server.token)
    assert open_chat(token=None).ask("hello", agent="echo").text == "You said: hello"
    monkeypatch.delenv("REASONING_WIDGET_TOKEN")
    with pytest.raises(ValueError, match="REASONING_WIDGET_TOKEN"):
        open_chat(token=None)


@pytest.mark.parametrize(
    "way", [{"session_id": "../x"}, {"server": "host:8888"}, {"ticket": "no ticket", "token": None}, {"ticket": "x"}]
)
def test_invalid_connection_arguments_are_refused_at_once(way, server):
    with pytest.raises(ValueError, match=r"session id|address|ticket"):
        ReasoningChat(**{"server": server.origin, "session_id": "s", "token": server.token, **way})


def test_a_token_without_a_server_is_a_type_error():
    with pytest.raises(TypeError, match="token"):
        ReasoningChat(token="x")  # type: ignore[call-overload]


def test_an_agent_unknown_to_the_server_is_refused_and_no_session_is_created(open_chat, server):
    chat = open_chat("never-begun")
    with pytest.raises(ValueError, match=r"nosuch.*echo"):
        chat.ask("hello", agent="nosuch")
    assert (chat.steps, chat.runs) == ([], [])
    assert "never-begun" not in str(server.fetch("GET", "reasoning-widget/api/sessions"))


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"agent": "echo"}, TypeError, r"`agent` is for sessions in this kernel.*chat\.ask"),
        ({"llm": {"model": "m"}}, TypeError, "`llm` is for sessions in this kernel"),
        ({"resume": True}, TypeError, "`resume` is for sessions in this kernel"),
        ({"model": "m"}, TypeError, "no argument `model`"),
        ({"server": 8888}, TypeError, "address of a Jupyter server"),
        ({"session_id": None}, ValueError, "name the session"),
    ],
)
def test_arguments_that_the_server_decides_are_refused_with_an_explanation(given, error, says):
    with pytest.raises(error, match=says):
        ReasoningChat(**{"server": "http://127.0.0.1:9", "session_id": "s", "token": "t", **given})
