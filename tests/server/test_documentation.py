"""The examples in `docs/server.md` work."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import time

import jwt

from reasoning_widget.server.settings import ReasoningSettings
from reasoning_widget.server.tickets import Tickets
from tests.jupyter import Jupyter
from tests.scripted_model import say
from tests.server.client import HANGS, connected
from tests.server.conftest import REPOSITORY
from tests.server.people import as_, shared_server
from tests.server.rest import call

PAGE = (REPOSITORY / "docs" / "server.md").read_text(encoding="utf-8")
SECRET = "known to all servers that share it"


def blocks(info):
    """Return the code blocks of a language or file."""
    return re.findall(rf"^```{re.escape(info)}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_setting_is_documented_with_its_default():
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", PAGE, re.MULTILINE))
    traits = {**ReasoningSettings.class_own_traits(config=True), **Tickets.class_own_traits(config=True)}
    assert set(told) == set(traits)
    for name, trait in traits.items():
        assert trait.help
        default = trait.default()
        text = f"{default:.0f}" if isinstance(default, float) else json.dumps(default)
        assert name == "store_path" or told[name].strip("`") == text


async def test_the_documented_agents_authorizer_and_tickets_work(tmp_path, start_server):
    for name in ("my_agents.py", "my_authorizer.py"):
        (tmp_path / name).write_text("\n".join(blocks(f"python {name}")), encoding="utf-8")
    settings = tmp_path / "config" / "jupyter_server_config.py"
    settings.parent.mkdir()
    settings.write_text("c = get_config()\n" + "\n".join(blocks("python jupyter_server_config.py")), encoding="utf-8")
    path = os.pathsep.join([str(REPOSITORY), str(tmp_path)])
    config = {"ReasoningApp": {"spare_workers": 0}}
    with Jupyter(tmp_path, {"PYTHONPATH": path, "REASONING_TICKET_SECRET": SECRET}, config=config) as server:
        listed = {agent["name"] for agent in call(server, "GET", "agents").json["agents"]}
        assert {"polite", "polite too", "echo", "researcher"} <= listed
        assert call(server, "POST", "tickets", {"session_id": "tides"}).status == 403, "the authorizer's word"

        now = time.time()
        claims = {"iss": "reasoning-widget", "aud": "reasoning-widget", "iat": now, "exp": now + 600, "jti": "1"}
        ticket = jwt.encode({**claims, "session_id": "tides", "access": "talk"}, SECRET, "HS256")
        async with connected(server, "tides", additional_headers={"Authorization": f"Bearer {ticket}"}) as client:
            for agent in ("polite", "polite too", "echo"):
                await client.ask("hello", agent)
                await client.until("run_finished")
            answers = [text for kind, text in client.steps() if kind == "final_answer"]
            assert answers == ["Thank you for saying: hello"] * 2 + ["hello"]
        assert (tmp_path / "data" / "reasoning-widget" / "sessions.db").exists(), "in Jupyter's data folder"


async def test_the_documented_authorizer_of_a_classroom_works(tmp_path, start_server):
    (tmp_path / "classroom.py").write_text("\n".join(blocks("python classroom.py")), encoding="utf-8")
    path = tmp_path / "config" / "jupyter_server_config.py"
    path.parent.mkdir()
    (block,) = blocks("python jupyter_server_config.py of a classroom")
    path.write_text(f"c = get_config()\n{block}", encoding="utf-8")
    server = shared_server(tmp_path)
    server._environment["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    with server:
        for session_id in ("mine", "help-me"):
            async with connected(server, session_id, additional_headers=as_("bob")) as client:
                await client.ask("hello")
                await client.until("run_finished")
        for name, status in (("ada", 200), ("eve", 404)):
            assert call(server, "GET", "sessions/mine", headers=as_(name)).status == status
            assert call(server, "GET", "metrics", headers=as_(name)).status == (status if status == 200 else 403)
        assert call(server, "DELETE", "sessions/help-me", headers=as_("ada")).status == 403
        for session_id, answer in (("mine", "error"), ("help-me", "run_finished")):
            async with connected(server, session_id, "", additional_headers=as_("ada")) as client:
                await client.ask("May I?")
                await client.until(answer)


async def test_the_configured_model_answers_in_a_spare_worker(tmp_path, scripted_model, start_server):
    scripted_model.script("heron", [[say("It is grey.")]])
    with start_server(tmp_path, llm=scripted_model.llm(), spare_workers=1) as server:

        async def ready():
            async with asyncio.timeout(HANGS):
                while b"reasoning_widget_workers 1.0" not in call(server, "GET", "metrics").body:
                    await asyncio.sleep(0.05)

        await ready()  # before anybody has asked
        async with connected(server, "birds") as client:
            await client.ask("Which colour has the heron?", "assistant")
            await client.until("run_finished")
            assert client.steps() == [("final_answer", "It is grey.")]
        await ready()


def test_the_documented_commands_issue_and_revoke_tickets(server):
    mint, revoke = blocks("bash")
    environment = {**os.environ, "SERVER": server.origin, "TOKEN": server.token, "no_proxy": "127.0.0.1"}

    def run(command, **more):
        done = subprocess.run(["bash", "-euc", command], env={**environment, **more}, capture_output=True, check=True)
        return done.stdout

    ticket = json.loads(run(mint))
    assert (ticket["session_id"], ticket["access"]) == ("tides", "talk")
    run(revoke, TICKET_ID=ticket["id"])
    answer = call(server, "GET", "sessions/tides", headers={"Authorization": f"Bearer {ticket['ticket']}"})
    assert (answer.status, "revoked" in answer.json["message"]) == (401, True)
