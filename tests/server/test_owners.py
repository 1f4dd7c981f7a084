"""The owners of sessions, on servers that identify users."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import jwt
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from reasoning_widget.client.address import Address
from reasoning_widget.server import api
from reasoning_widget.widget.tickets import Tickets as PageTickets
from tests.command import Terminal
from tests.jupyter import Jupyter
from tests.server.client import Client, connected, new_session
from tests.server.people import PEOPLE, as_, shared_server
from tests.server.rest import Answer, bearer, call, spoken_in

DOCUMENT = yaml.safe_load((Path(api.__file__).parent / "openapi.yaml").read_text(encoding="utf-8"))
KEY = "the key of the tickets of this test's server"
SECRET = "xylophone"
"""A word in a message of ada, which no other user may see."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory, start_server):
    more = {"Tickets": {"secret": KEY}}
    with shared_server(tmp_path_factory.mktemp("shared"), more=more) as server:
        yield server


@pytest.fixture(scope="module")
def session_id(shared):
    """The id of a session of ada."""
    return asyncio.run(spoken_by("ada", shared, f"The {SECRET} is out of tune."))


async def spoken_by(name: str, server: Jupyter, text: str = "hi", session_id: str | None = None) -> str:
    """Ask an agent as a user, and return the session's id."""
    session_id = session_id or new_session()
    async with connected(server, session_id, additional_headers=as_(name)) as client:
        await client.ask(text)
        await client.until("run_finished")
    return session_id


def listed(server: Jupyter, name: str) -> list[str]:
    """Return the sessions in a user's list."""
    return [info["id"] for info in call(server, "GET", "sessions", headers=as_(name)).json["sessions"]]


async def closed_with(client: Client) -> tuple[int, str]:
    """Wait until the server closes a connection, and return the code and the reason."""
    with pytest.raises(ConnectionClosed) as closed:
        await client.until("nothing")
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def refused_at_the_door(server: Jupyter, session_id: str, headers: dict[str, str]) -> str:
    with pytest.raises(InvalidStatus) as handshake:
        async with connected(server, session_id, additional_headers=headers):
            pass
    assert handshake.value.response.status_code == 403
    message: str = json.loads(handshake.value.response.body)["message"]
    return message


# Owners and authors


async def test_a_session_has_an_owner_and_each_message_an_author(shared, session_id):
    info = call(shared, "GET", f"sessions/{session_id}", headers=as_("ada")).json
    assert info["owner"] == "ada"
    async with connected(shared, session_id, additional_headers=as_("ada")) as client:
        await client.until("run_finished")
        (message,) = client.state["messages"]
        assert message["author"] == {"id": "ada", "name": "Ada Lovelace", "initials": "AL"}
    events = call(shared, "GET", f"sessions/{session_id}/export", headers=as_("ada")).json["events"]
    assert [event["data"]["author"]["id"] for event in events if event["type"] == "user_message"] == ["ada"]


async def test_a_cleared_session_keeps_its_owner(shared):
    session_id = await spoken_by("ada", shared)
    async with connected(shared, session_id, additional_headers=as_("ada")) as client:
        await client.until("run_finished")
        await client.send("clear", epoch=client.state["epoch"])
        await client.until("session")
        assert call(shared, "GET", f"sessions/{session_id}", headers=as_("ada")).json["owner"] == "ada"
        await refused_at_the_door(shared, session_id, as_("bob"))
    (entry, *_) = call(shared, "GET", "audit", headers=as_("ada")).json["entries"]
    assert (entry["who"], entry["action"], entry["session_id"]) == ("ada", "cleared", session_id)


async def test_with_one_user_sessions_have_no_owner_and_messages_no_author(server):
    session_id = await spoken_in(server, new_session())
    assert call(server, "GET", f"sessions/{session_id}").json["owner"] is None
    async with connected(server, session_id) as client:  # each connection with the token has another user name
        assert "author" not in (await client.until("session"))["data"]
        await client.until("run_finished")
        assert "author" not in client.state["messages"][0]
        await client.ask("again")
        await client.until("run_finished")


# Other users


def test_lists_and_searches_contain_only_own_sessions(shared, session_id):
    for query in ("", f"q={SECRET}", "q=xy", "q=tune&limit=1"):
        mine = call(shared, "GET", f"sessions?{query}", headers=as_("ada"))
        assert session_id in [info["id"] for info in mine.json["sessions"]]
        others = call(shared, "GET", f"sessions?{query}", headers=as_("bob"))
        assert all(info["owner"] == "bob" for info in others.json["sessions"])
        assert SECRET.encode() not in others.body


async def test_sessions_of_other_users_seem_not_to_exist(shared, session_id):
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"title": "mine"}),
        ("DELETE", "", None),
        ("GET", "/export", None),
        ("GET", f"/blobs/{'0' * 64}", None),
    ):
        theirs = call(shared, method, f"sessions/{session_id}{path}", body, as_("bob"))
        none = call(shared, method, f"sessions/nowhere{path}", body, as_("bob"))
        assert theirs.status == none.status == 404
        assert theirs.json["code"] == none.json["code"]
    assert call(shared, "POST", "tickets", {"session_id": session_id}, as_("bob")).status == 404
    said = await refused_at_the_door(shared, session_id, as_("bob"))
    assert "belongs to another user: ask for a ticket, or choose another id" in said
    assert call(shared, "GET", f"sessions/{session_id}", headers=as_("ada")).status == 200


def _requests(session_id: str, blob: str, ticket_id: str) -> list[tuple[str, str, bool]]:
    """Yield every request that the description has for a session, and whether it needs a body."""
    names = {"{session_id}": session_id, "{sha256}": blob, "{ticket_id}": ticket_id}
    found = []
    for path, item in DOCUMENT["paths"].items():
        named = path.removeprefix("/")
        for name, value in names.items():
            named = named.replace(name, value)
        found += [(verb.upper(), named, "requestBody" in item[verb]) for verb in item if verb != "parameters"]
    return found


@pytest.fixture(scope="module")
def hidden(shared):
    """Return all responses that another user can get."""

    async def make() -> tuple[str, str]:
        session_id = "a-hidden-session"
        async with connected(shared, session_id, additional_headers=as_("ada")) as client:
            await client.ask("70000", "table")
            await client.until("run_finished")
            await client.ask(SECRET)
            await client.until("run_finished")
            shown = [step["outputs"][0] for step in client.state["steps"].values() if "outputs" in step]
        return session_id, shown[0]["image/png"]["blob"]

    session_id, blob = asyncio.run(make())
    call(shared, "PATCH", f"sessions/{session_id}", {"title": f"Of a {SECRET}"}, as_("ada"))
    ticket = call(shared, "POST", "tickets", {"session_id": session_id, "name": SECRET}, as_("ada")).json
    return session_id, blob, ticket


_QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "q": st.sampled_from([SECRET, "xy", "", "o", "tune"]),
        "limit": st.sampled_from(["1", "2", "200"]),
        "format": st.sampled_from(["json", "html", "markdown", "notebook", "table"]),
        "before": st.just("99999"),
        "owner": st.just("ada"),
    },
)


@settings(max_examples=60)
@given(data=st.data(), query=_QUERIES)
def test_no_route_shows_sessions_of_other_users(shared, hidden, data, query):
    session_id, blob, ticket = hidden
    verb, path, has_body = data.draw(st.sampled_from(_requests(session_id, blob, ticket["id"])))
    bodies = [
        {"title": "x"},
        {"session_id": session_id},
        {"session_id": session_id, "access": "talk", "personal": True},
    ]
    body = data.draw(st.sampled_from(bodies)) if has_body else None
    answer = call(shared, verb, f"{path}?{urlencode(query)}", body, as_("bob"))
    for secret in (SECRET, "AAAAAAAA", "ada", "Lovelace"):
        assert secret.encode() not in answer.body, (verb, path)
    assert session_id.encode() not in answer.body or session_id in f"{path}{body}"
    if session_id in path:
        assert answer.status in (400, 404), (verb, path, answer)
    owner = call(shared, "GET", f"sessions/{session_id}", headers=as_("ada"))
    assert (owner.status, owner.json["title"]) == (200, f"Of a {SECRET}"), (verb, path)
    assert call(shared, "GET", f"sessions/{session_id}", headers=bearer(ticket["ticket"])).status == 200, (verb, path)


async def test_a_session_that_gets_an_owner_closes_the_connections_of_other_users(shared):
    session_id = new_session()
    async with connected(shared, session_id, additional_headers=as_("bob")) as early:
        await early.until("session")
        await spoken_by("ada", shared, SECRET, session_id)
        code, reason = await closed_with(early)
        assert (code, "belongs to another user" in reason) == (4403, True)
        assert SECRET not in json.dumps(early.frames)
    await refused_at_the_door(shared, session_id, as_("bob"))


async def test_the_first_message_decides_who_owns_a_session(shared):
    session_id = new_session()
    async with (
        connected(shared, session_id, additional_headers=as_("ada")) as ada,
        connected(shared, session_id, additional_headers=as_("bob")) as bob,
    ):
        await ada.until("session")
        await bob.until("session")
        await bob.ask(SECRET)
        assert (await closed_with(ada))[0] == 4403
        await bob.until("run_finished")
    assert call(shared, "GET", f"sessions/{session_id}", headers=as_("bob")).json["owner"] == "bob"
    # Once the session is deleted, everyone may use its id.
    assert call(shared, "DELETE", f"sessions/{session_id}", headers=as_("bob")).status == 204
    await spoken_by("ada", shared, "mine now", session_id)
    await refused_at_the_door(shared, session_id, as_("bob"))


def test_metrics_of_all_users_are_refused(shared):
    answer = call(shared, "GET", "metrics", headers=as_("bob"))
    assert (answer.status, "reasoning-widget:server" in answer.json["message"]) == (403, True)


# Tickets


def ticket_for(server: Jupyter, granter: str, session_id: str, access: str = "talk", **more: object) -> Answer:
    return call(server, "POST", "tickets", {"session_id": session_id, "access": access, **more}, as_(granter))


async def test_a_ticket_names_its_granter_and_is_the_author_of_its_messages(shared, session_id):
    made = ticket_for(shared, "ada", session_id, name="Night shift\u202e\n").json
    author = {
        "id": f"ticket:{made['id']}",
        "name": "Night shift (ticket of Ada Lovelace)",
        "initials": "NL",
        "granted_by": "ada",
    }
    assert (made["granted_by"], made["author"]) == ("ada", author)
    async with connected(shared, session_id, additional_headers=bearer(made["ticket"])) as client:
        await client.ask("hello")
        await client.until("ack")
        while client.state["messages"][-1]["content"] != "hello":
            await client.receive()
        assert client.state["messages"][-1]["author"] == author


async def test_the_author_of_messages_with_a_personal_ticket_is_its_user(shared):
    session_id = new_session()
    made = ticket_for(shared, "ada", session_id, personal=True).json
    async with connected(shared, session_id, additional_headers=bearer(made["ticket"])) as client:
        await client.ask("hello")
        await client.until("run_finished")
        assert client.state["messages"][0]["author"]["id"] == "ada"
    assert call(shared, "GET", f"sessions/{session_id}", headers=as_("ada")).json["owner"] == "ada"


async def test_the_author_of_messages_from_a_chats_page_is_the_user_of_the_kernel(shared):
    session_id = new_session()
    address = Address(f"{shared.address}", as_("ada")["Authorization"])
    frame = await PageTickets(address, session_id, None).frame(fresh=False)
    async with connected(shared, session_id, additional_headers=bearer(frame["data"]["ticket"])) as page:
        await page.ask("hello")
        await page.until("run_finished")
        assert page.state["messages"][0]["author"]["name"] == "Ada Lovelace"


async def test_a_ticket_is_refused_if_another_user_now_owns_its_session(shared):
    session_id = new_session()
    ticket = bearer(ticket_for(shared, "bob", session_id).json["ticket"])
    async with connected(shared, session_id, additional_headers=ticket) as early:
        await early.until("session")
        await spoken_by("ada", shared, SECRET, session_id)
        assert (await closed_with(early))[0] == 4403
        assert SECRET not in json.dumps(early.frames)
    for path in ("", "/export"):
        assert call(shared, "GET", f"sessions/{session_id}{path}", headers=ticket).status == 403
    await refused_at_the_door(shared, session_id, ticket)


async def test_only_its_granter_and_the_sessions_owner_revoke_a_ticket(shared, session_id):
    ticket = ticket_for(shared, "ada", session_id, "read").json
    answer = call(shared, "DELETE", f"tickets/{ticket['id']}", headers=as_("bob"))
    assert answer.status == 404
    assert call(shared, "GET", f"sessions/{session_id}", headers=bearer(ticket["ticket"])).status == 200
    assert call(shared, "DELETE", f"tickets/{ticket['id']}", headers=as_("ada")).status == 204
    assert call(shared, "GET", f"sessions/{session_id}", headers=bearer(ticket["ticket"])).status == 401


def test_a_signed_ticket_with_an_invalid_owner_or_author_is_refused(shared):
    now = time.time()
    claims = {"iss": "reasoning-widget", "aud": "reasoning-widget", "iat": now, "exp": now + 60, "jti": "1"}
    for wrong in ({"owner": 5}, {"author": "ada"}, {"author": {"id": "ada"}}):
        ticket = jwt.encode({**claims, "session_id": "s", "access": "talk", **wrong}, KEY, "HS256")
        assert call(shared, "GET", "sessions/s", headers=bearer(ticket)).status == 401


# The audit trail


async def test_messages_after_the_server_has_closed_a_connection_are_ignored(shared):
    session_id = await spoken_by("ada", shared)
    ticket = ticket_for(shared, "ada", session_id).json
    async with connected(shared, session_id, additional_headers=bearer(ticket["ticket"])) as client:
        await client.until("run_finished")
        call(shared, "DELETE", f"tickets/{ticket['id']}", headers=as_("ada"))
        # The server has closed the connection, but the client sends a message before it notices.
        late = json.dumps({"type": "chat", "id": "late", "payload": {"message": "late", "agent_name": "echo"}})
        client.socket.transport.write(WebSocketFrame(Opcode.TEXT, late.encode()).serialize(mask=True))
        assert (await closed_with(client))[0] == 4401
    assert call(shared, "GET", f"sessions/{session_id}", headers=as_("ada")).json["messages"] == 1


def test_revocations_are_logged_in_one_line_without_the_ticket(shared, session_id):
    begin = shared.log.stat().st_size
    ticket = ticket_for(shared, "eve", new_session()).json["ticket"]
    for wrong in (ticket, "x%0Aforged%20line"):
        assert call(shared, "DELETE", f"tickets/{wrong}", headers=as_("eve")).status == 204
    entries = call(shared, "GET", "audit?limit=2", headers=as_("eve")).json["entries"]
    with shared.log.open("rb") as file:
        file.seek(begin)
        lines = [line for line in file.read().decode().splitlines() if "revoked" in line]
    assert len(lines) == 2
    assert r"x\nforged line" in lines[1]
    assert ticket[40:] not in f"{entries}{lines}"


async def test_deletions_and_grants_are_in_the_log_and_the_audit_trail(shared):
    begin = shared.log.stat().st_size
    session_id = await spoken_by("ada", shared)
    ticket = ticket_for(shared, "ada", session_id, expires_in=60).json
    call(shared, "DELETE", f"tickets/{ticket['id']}", headers=as_("ada"))
    other = ticket_for(shared, "ada", session_id).json
    call(shared, "DELETE", f"sessions/{session_id}", headers=bearer(other["ticket"]))

    entries = call(shared, "GET", "audit?limit=4", headers=as_("ada")).json["entries"]
    assert [(entry["who"], entry["action"], entry["session_id"], entry["owner"]) for entry in reversed(entries)] == [
        ("ada", "granted", session_id, "ada"),
        ("ada", "revoked", session_id, "ada"),
        ("ada", "granted", session_id, "ada"),
        (f"ticket:{other['id']}", "deleted", session_id, "ada"),
    ]
    assert entries[-1]["detail"] == f"ticket {ticket['id']} to talk for 60 s"
    assert abs(entries[0]["time"] - time.time()) < 3600
    older = call(shared, "GET", f"audit?limit=1&before={entries[2]['id']}", headers=as_("ada")).json["entries"]
    assert older == entries[3:]
    others = call(shared, "GET", "audit?limit=200", headers=as_("bob")).json["entries"]
    assert all("bob" in (entry["who"], entry["owner"]) for entry in others)

    with shared.log.open("rb") as file:
        file.seek(begin)
        logged = file.read().decode()
    assert f"'ada' granted session {session_id} of 'ada' (ticket {ticket['id']} to talk for 60 s)" in logged
    assert f"'ticket:{other['id']}' deleted session {session_id} of 'ada'" in logged
    for token in (ticket["ticket"], other["ticket"]):
        assert token not in logged
        assert token not in json.dumps(entries)


# The authorizer


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "rules"
    path.write_text("", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def governed(tmp_path_factory, rules, start_server):
    """A server with an authorizer that decides on sessions."""
    home, more = tmp_path_factory.mktemp("governed"), {"Asked": {"rules": str(rules)}}
    # Two intervals are longer than a busy machine keeps a client of this process, which calls and waits, from a pong.
    with shared_server(home, more=more, sharing="authorizer", ping_interval=3) as server:
        yield server


async def test_the_authorizer_decides_what_other_users_may_do(governed, rules):
    session_id = await spoken_by("ada", governed, SECRET)
    path = f"sessions/{session_id}"
    assert call(governed, "GET", path, headers=as_("eve")).status == 404

    rules.write_text(f"eve read {session_id}", encoding="utf-8")
    assert call(governed, "GET", path, headers=as_("eve")).status == 200
    assert call(governed, "GET", path, headers=as_("bob")).status == 404
    assert listed(governed, "eve") == [session_id]
    answer = call(governed, "DELETE", path, headers=as_("eve"))
    assert (answer.status, "may not write in this session" in answer.json["message"]) == (403, True)
    async with connected(governed, session_id, additional_headers=as_("eve")) as client:
        await client.until("run_finished")
        await client.ask("me too")
        assert (await client.until("error"))["data"]["code"] == "forbidden"

        rules.write_text(f"eve read {session_id}\neve execute {session_id}", encoding="utf-8")
        await client.ask("me too")
        await client.until("run_finished")
        assert [message["author"]["name"] for message in client.state["messages"]] == [
            "Ada Lovelace",
            "Eve van der Berg",
        ]
        await client.send("clear", epoch=client.state["epoch"])
        assert (await client.until("error"))["data"]["code"] == "forbidden"
    assert call(governed, "POST", "tickets", {"session_id": session_id}, as_("eve")).status == 403

    rules.write_text(f"eve read {session_id}\neve write {session_id}", encoding="utf-8")
    assert call(governed, "DELETE", path, headers=as_("eve")).status == 204
    (entry, *_) = call(governed, "GET", "audit", headers=as_("ada")).json["entries"]
    assert (entry["who"], entry["action"], entry["owner"]) == ("eve", "deleted", "ada")


async def test_a_reader_gets_its_own_author_and_those_of_messages(governed, rules, tmp_path):
    session_id = await spoken_by("ada", governed, SECRET)
    rules.write_text(f"eve read {session_id}", encoding="utf-8")
    for name, full_name in (("ada", "Ada Lovelace"), ("eve", "Eve van der Berg")):
        async with connected(governed, session_id, additional_headers=as_(name)) as client:
            for _ in range(2):
                session = await client.until("session")
                assert session["data"]["author"]["name"] == full_name
                await client.send("attach", epoch=client.state["epoch"], after=0)

    for name, shown in (("ada", "You"), ("eve", "Ada Lovelace")):
        way = {"REASONING_WIDGET_SERVER": governed.origin, "REASONING_WIDGET_TOKEN": f"{name}-token"}
        with Terminal("watch", session_id, cwd=tmp_path, **way) as terminal:
            terminal.until("Final answer")
            terminal.interrupt()
            terminal.end()
        assert f"{shown} → echo: {SECRET}" in terminal.text


async def test_a_personal_ticket_has_the_permissions_of_its_user(governed, rules):
    session_id = await spoken_by("ada", governed, SECRET)
    pages = PageTickets(Address(governed.address, as_("eve")["Authorization"]), session_id, None)
    assert (await pages.frame(fresh=True))["type"] == "no_ticket"

    rules.write_text(f"eve read {session_id}", encoding="utf-8")
    frame = await pages.frame(fresh=True)
    ticket = bearer(frame["data"]["ticket"])
    assert call(governed, "POST", "tickets", {"session_id": session_id}, as_("eve")).status == 403, "for others"
    async with connected(governed, session_id, additional_headers=ticket) as page:
        await page.until("run_finished")
        assert page.frames[0]["data"]["author"]["name"] == "Eve van der Berg"
        await page.ask("me too")
        assert (await page.until("error"))["data"]["code"] == "forbidden"
        rules.write_text(f"eve read {session_id}\neve execute {session_id}", encoding="utf-8")
        await page.ask("me too")
        await page.until("run_finished")
        assert [message["author"]["id"] for message in page.state["messages"]] == ["ada", "eve"]
        await page.send("clear", epoch=page.state["epoch"])
        assert (await page.until("error"))["data"]["code"] == "forbidden"
        assert call(governed, "DELETE", f"sessions/{session_id}", headers=ticket).status == 403

        rules.write_text("", encoding="utf-8")
        await page.ask("and me")
        assert (await closed_with(page))[0] == 4403
    assert call(governed, "GET", f"sessions/{session_id}", headers=ticket).status == 403
    assert call(governed, "GET", f"sessions/{session_id}", headers=as_("ada")).json["messages"] == 2


async def test_a_connection_ends_when_its_permission_does(governed, rules):
    session_id = await spoken_by("ada", governed)
    rules.write_text(f"eve read {session_id}", encoding="utf-8")
    async with (
        connected(governed, session_id, additional_headers=as_("eve")) as eve,
        connected(governed, session_id, additional_headers=as_("ada")) as ada,
    ):
        await eve.until("run_finished")
        rules.write_text("", encoding="utf-8")
        assert (await closed_with(eve))[0] == 4403
        await ada.until("run_finished")
        await ada.send("ping")
        await ada.until("pong")


async def test_pages_of_the_sessions_that_a_user_may_see_list_each_once(governed, rules):
    names = [await spoken_by("ada", governed, "pagination") for _ in range(6)]
    rules.write_text("\n".join(f"eve read {name}" for name in names[::3]), encoding="utf-8")
    found, cursor = [], ""
    while cursor is not None:
        page = call(
            governed, "GET", f"sessions?q=pagination&limit=2{cursor and f'&cursor={cursor}'}", headers=as_("eve")
        )
        found += [info["id"] for info in page.json["sessions"]]
        cursor = page.json["next_cursor"]
    assert found == [names[3], names[0]]


def test_the_authorizer_may_allow_the_metrics_of_all_users(governed, rules):
    assert ticket_for(governed, "ada", new_session()).status == 201
    rules.write_text("root read server", encoding="utf-8")
    assert call(governed, "GET", "metrics", headers=as_("root")).status == 200
    assert call(governed, "GET", "metrics", headers=as_("ada")).status == 403
    entries = call(governed, "GET", "audit", headers=as_("root")).json["entries"]
    assert "ada" in {entry["who"] for entry in entries}


# Stores of earlier versions


async def test_sessions_without_an_owner_belong_to_the_configured_user(tmp_path, start_server):
    home = tmp_path / "home"
    home.mkdir()
    with shared_server(home, sharing="everyone") as server:
        session_id = await spoken_by("ada", server)
        assert call(server, "GET", f"sessions/{session_id}", headers=as_("bob")).status == 200, "everyone may"
    store = home / "data" / "reasoning-widget" / "sessions.db"
    with closing(sqlite3.connect(store)) as db, db:
        db.execute("UPDATE session SET owner = NULL")
    server._config["ReasoningApp"].update(sharing="auto", unowned="bob")
    with server:
        assert call(server, "GET", f"sessions/{session_id}", headers=as_("ada")).status == 404
        assert listed(server, "bob") == [session_id]
        assert listed(server, "ada") == []


def test_the_identity_provider_of_these_tests_knows_its_users(shared):
    for name in PEOPLE:
        assert call(shared, "GET", "agents", headers=as_(name)).status == 200
    assert call(shared, "GET", "agents", headers=as_("mallory")).status == 403
