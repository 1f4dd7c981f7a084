"""Permissions and credentials on a server that is configured carefully: the fixture `guarded`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from contextlib import suppress

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.asyncio.client import connect as websockets_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from reasoning_widget import connect
from reasoning_widget.client import NotAllowed
from reasoning_widget.client.address import Address
from reasoning_widget.server import api
from tests.server.client import connected, new_session
from tests.server.rest import API, bearer, call, log_in, mint, sent, spoken_in

SECRET = "a secret of this test's server, long enough"
ISSUER = "https://issuer.example"
ISSUERS_KEY = ed25519.Ed25519PrivateKey.generate()
PUBLIC_PEM = ISSUERS_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ELSEWHERE = {"Origin": "https://elsewhere.example"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, start_server):
    """A server with a base URL, an authorizer, a ticket secret, another issuer and a detailed log."""
    config = {
        "ServerApp": {"authorizer_class": "tests.server.authorizers.AsAsked", "log_level": "DEBUG"},
        "Tickets": {"secret": SECRET, "issuers": {ISSUER: PUBLIC_PEM}},
    }
    with start_server(tmp_path_factory.mktemp("guarded"), more=config, base_url="/far/away/") as server:
        yield server


@pytest.fixture(scope="module")
def session_id(guarded):
    """The id of a session with a run."""
    return asyncio.run(spoken_in(guarded, new_session(), "a secret conversation"))


def claims(session_id, issuer="reasoning-widget", **more):
    now = time.time()
    return {
        "iss": issuer,
        "aud": "reasoning-widget",
        "sub": "a program",
        "iat": now,
        "exp": now + 60,
        "jti": "1",
        "session_id": session_id,
        "access": "talk",
        **more,
    }


def part(value):
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=")


async def refused(server, session_id, headers, status, subprotocols=None):
    """Check that the WebSocket and REST refuse a request; return the message of the latter."""
    answer = call(server, "GET", f"sessions/{session_id}", headers=headers)
    assert answer.status == status
    with pytest.raises(InvalidStatus) as handshake:
        async with connected(server, session_id, additional_headers=headers):
            pass
    assert handshake.value.response.status_code == status
    assert b"secret conversation" not in answer.body
    return answer.json["message"]


# Credentials


def routes(session_id):
    """Return every method of every route."""
    for pattern, handler in api.handlers():
        path = pattern.removeprefix(f"{api._ROOT}/").replace("([^/]+)", session_id).replace("\\", "")
        path = path.removeprefix("(").partition("|")[0]
        if handler is api.UnknownHandler:
            path = "nothing"
        for verb in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            yield verb, path


@pytest.mark.parametrize("headers", [{}, {"Authorization": "token wrong"}, {"Authorization": "Bearer wrong"}])
async def test_every_route_refuses_missing_and_wrong_credentials(guarded, session_id, headers):
    for verb, path in routes(session_id):
        answer = call(guarded, verb, path, None if verb in ("GET", "HEAD") else {}, headers)
        assert answer.status == 403, (verb, path)
        assert answer.headers["Content-Type"] == "application/json"
        assert verb == "HEAD" or set(answer.json) == {"code", "message"}
    await refused(guarded, session_id, headers, 403)
    await refused(guarded, new_session(), headers, 403)


async def test_the_servers_token_is_enough(guarded, session_id):
    assert call(guarded, "GET", f"sessions/{session_id}").status == 200
    query = f"after=0&token={guarded.token}"
    async with connected(guarded, session_id, query, additional_headers={}) as client:
        await client.until("run_finished")


async def test_a_websocket_with_the_servers_token_sets_no_cookie(guarded, session_id):
    async with connected(guarded, session_id) as client:
        assert "Set-Cookie" not in client.socket.response.headers


# Tickets


async def test_a_ticket_with_access_talk_takes_part_in_its_session(guarded):
    session_id = new_session()
    ticket = mint(guarded, session_id, "talk")
    assert (ticket["session_id"], ticket["access"]) == (session_id, "talk")
    assert ticket["expires"] == pytest.approx(time.time() + 3600, abs=600)
    async with connected(guarded, session_id, additional_headers=bearer(ticket["ticket"])) as client:
        await client.ask("hi")
        await client.until("run_finished")
    for verb, path, body in (("PATCH", "", {"title": "x"}), ("GET", "/export", None), ("DELETE", "", None)):
        answer = call(guarded, verb, f"sessions/{session_id}{path}", body, bearer(ticket["ticket"]))
        assert answer.status in (200, 204)


async def test_a_browser_presents_its_ticket_as_a_subprotocol(guarded, session_id):
    ticket = mint(guarded, session_id)["ticket"]
    protocols = ["reasoning-widget.v1", f"ticket.{ticket}"]
    async with connected(guarded, session_id, "after=0", additional_headers={}, subprotocols=protocols) as client:
        await client.until("run_finished")
        assert client.socket.subprotocol == "reasoning-widget.v1"


async def test_an_expired_ticket_is_refused(guarded, session_id):
    expired = jwt.encode(claims(session_id, exp=time.time() - 60), SECRET, "HS256")
    assert "expired" in await refused(guarded, session_id, bearer(expired), 401)


async def test_a_connection_ends_with_its_ticket(guarded, session_id):
    ticket = mint(guarded, session_id, expires_in=0.5)["ticket"]
    async with connected(guarded, session_id, additional_headers=bearer(ticket)) as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.until("nothing")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize("which", [1, 2])
async def test_a_tampered_ticket_is_refused(guarded, session_id, which):
    parts = mint(guarded, "another")["ticket"].split(".")
    parts[which] = (part(claims(session_id)) if which == 1 else part(b"x" * 32)).decode()
    assert "InvalidSignature" in await refused(guarded, session_id, bearer(".".join(parts)), 401)


@pytest.mark.parametrize("name", ["none", "None", "NONE"])
async def test_a_ticket_without_a_signature_is_refused(guarded, session_id, name):
    unsigned = b".".join([part({"alg": name, "typ": "JWT"}), part(claims(session_id)), b""]).decode()
    await refused(guarded, session_id, bearer(unsigned), 401)


async def test_a_ticket_that_lacks_a_claim_is_refused(guarded, session_id):
    for claim in ("iss", "aud", "iat", "exp", "jti", "session_id", "access"):
        lacking = {name: value for name, value in claims(session_id).items() if name != claim}
        await refused(guarded, session_id, bearer(jwt.encode(lacking, SECRET, "HS256")), 401)
    for name, value in (("aud", "others"), ("access", "everything"), ("session_id", 5), ("iat", time.time() + 600)):
        wrong = {**claims(session_id), name: value}
        await refused(guarded, session_id, bearer(jwt.encode(wrong, SECRET, "HS256")), 401)


async def test_a_ticket_gives_access_to_its_session_only(guarded, session_id):
    ticket = bearer(mint(guarded, "another", "talk")["ticket"])
    await refused(guarded, session_id, ticket, 403)
    for verb, path in routes(session_id):
        assert call(guarded, verb, path, None if verb in ("GET", "HEAD") else {}, ticket).status in (403, 405)


async def test_a_ticket_with_access_read_does_not_take_part(guarded, session_id):
    ticket = bearer(mint(guarded, session_id, "read")["ticket"])
    async with connected(guarded, session_id, "after=0", additional_headers=ticket) as client:
        await client.until("run_finished")
        for kind, payload in (
            ("chat", {"message": "hi", "agent_name": "echo"}),
            ("stop", {}),
            ("withdraw", {"message_id": "x"}),
            ("answer", {"request_id": "x", "value": "y"}),
            ("clear", {"epoch": client.state["epoch"]}),
        ):
            await client.send(kind, f"id-{kind}", **payload)
            error = (await client.until("error"))["data"]
            assert (error["code"], error["id"]) == ("forbidden", f"id-{kind}")
        await client.send("attach", epoch=client.state["epoch"], after=0)
        await client.until("session")
        await client.send("blob", "id-blob", blob="0" * 64)
        assert (await client.until("error"))["data"]["code"] == "unknown_blob"
        await client.send("ping")
        await client.until("pong")
        assert len(client.state["messages"]) == 1
    for verb, body in (("PATCH", {"title": "x"}), ("DELETE", None)):
        assert call(guarded, verb, f"sessions/{session_id}", body, ticket).status == 403
    assert call(guarded, "GET", f"sessions/{session_id}/export", headers=ticket).status == 200


async def test_a_revoked_ticket_is_refused_and_its_connections_end(guarded, session_id):
    ticket, other = mint(guarded, session_id), mint(guarded, session_id)
    async with (
        connected(guarded, session_id, additional_headers=bearer(ticket["ticket"])) as client,
        connected(guarded, session_id, additional_headers=bearer(other["ticket"])) as others,
    ):
        assert call(guarded, "DELETE", f"tickets/{ticket['id']}").status == 204
        with pytest.raises(ConnectionClosed) as closed:
            await client.until("nothing")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401
        await others.send("ping")
        await others.until("pong")
    assert "revoked" in await refused(guarded, session_id, bearer(ticket["ticket"]), 401)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"session_id": "../../x"}, "1 to 128 characters"),
        ({"session_id": "x", "access": "everything"}, '"read" or "talk"'),
        ({"session_id": "x", "expires_in": 0}, "number of seconds up to 2.592e+06"),
        ({"session_id": "x", "expires_in": 1e9}, "number of seconds"),
        ({"access": "read"}, "session_id"),
    ],
)
def test_a_ticket_with_invalid_arguments_is_not_issued(guarded, body, message):
    answer = call(guarded, "POST", "tickets", body)
    assert (answer.status, message in answer.json["message"]) == (400, True)


async def test_another_issuers_ticket_is_accepted_by_its_public_key(guarded, session_id):
    ticket = jwt.encode(claims(session_id, ISSUER), ISSUERS_KEY, "EdDSA")
    assert call(guarded, "GET", f"sessions/{session_id}", headers=bearer(ticket)).status == 200
    async with connected(guarded, session_id, "after=0", additional_headers=bearer(ticket)) as client:
        await client.until("run_finished")
    others = jwt.encode(claims(session_id, ISSUER), ed25519.Ed25519PrivateKey.generate(), "EdDSA")
    await refused(guarded, session_id, bearer(others), 401)
    unknown = jwt.encode(claims(session_id, "https://unknown.example"), ISSUERS_KEY, "EdDSA")
    assert "unknown" in await refused(guarded, session_id, bearer(unknown), 401)
    assert call(guarded, "DELETE", f"tickets/{ISSUER.replace('/', '%2F')}%231").status == 204
    assert "revoked" in await refused(guarded, session_id, bearer(ticket), 401)


async def test_a_public_key_is_not_used_as_a_secret(guarded, session_id):
    signed = b".".join([part({"alg": "HS256", "typ": "JWT"}), part(claims(session_id, ISSUER, jti="2"))])
    signature = part(hmac.new(PUBLIC_PEM.encode(), signed, hashlib.sha256).digest())
    await refused(guarded, session_id, bearer(b".".join([signed, signature]).decode()), 401)


# Browsers


@pytest.fixture(scope="module")
def cookies(guarded):
    return log_in(guarded)


async def test_a_cookie_is_enough_to_read(guarded, session_id, cookies):
    assert call(guarded, "GET", f"sessions/{session_id}", headers=sent(cookies)).status == 200
    async with connected(guarded, session_id, "after=0", additional_headers=sent(cookies)) as client:
        await client.until("run_finished")


async def test_a_page_of_another_site_needs_a_ticket(guarded, session_id, cookies, monkeypatch):
    headers = sent(cookies, **ELSEWHERE)
    answer = call(guarded, "GET", f"sessions/{session_id}", headers=headers)
    assert (answer.status, b"secret conversation" in answer.body) == (404, False)
    with pytest.raises(InvalidStatus) as handshake:
        async with connected(guarded, session_id, additional_headers=headers):
            pass
    assert handshake.value.response.status_code == 403
    assert "a page of another site needs a ticket" in json.loads(handshake.value.response.body)["message"]
    with pytest.raises(InvalidStatus) as handshake:
        async with connected(guarded, session_id, additional_headers=ELSEWHERE):
            pass
    assert handshake.value.response.status_code == 403
    monkeypatch.setattr(Address, "headers", headers)
    with pytest.raises(NotAllowed, match=r"refuses access \(403: a page of another site needs a ticket"):
        async with connect(guarded.address, session_id):
            pass

    ticket = mint(guarded, session_id)["ticket"]
    answer = call(guarded, "GET", f"sessions/{session_id}", headers={**bearer(ticket), **ELSEWHERE})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, ELSEWHERE["Origin"])
    protocols = ["reasoning-widget.v1", f"ticket.{ticket}"]
    async with connected(
        guarded, session_id, "after=0", additional_headers=ELSEWHERE, subprotocols=protocols
    ) as client:
        await client.until("run_finished")


async def test_an_unknown_host_name_is_explained(guarded, session_id):
    """DNS rebinding: the host name of another site may lead to this server."""
    ticket = bearer(mint(guarded, session_id)["ticket"])
    port = int(guarded.origin.rpartition(":")[2])
    for headers in ({"Authorization": f"token {guarded.token}"}, ticket):
        answer = call(
            guarded, "GET", f"sessions/{session_id}", headers={**headers, "Host": f"elsewhere.example:{port}"}
        )
        assert (answer.status, "does not answer to this name" in answer.json["message"]) == (403, True)
        url = guarded.socket_url(session_id).replace("127.0.0.1", "elsewhere.example")
        with pytest.raises(InvalidStatus) as handshake:
            async with websockets_connect(url, host="127.0.0.1", port=port, additional_headers=headers):
                pass
        assert handshake.value.response.status_code == 403
        assert "does not answer to this name" in json.loads(handshake.value.response.body)["message"]


async def test_changes_with_a_cookie_need_the_xsrf_token(guarded, cookies):
    session_id = await spoken_in(guarded, new_session())
    ticket = mint(guarded, session_id)
    changes = [
        ("PATCH", f"sessions/{session_id}", {"title": "x"}),
        ("POST", "tickets", {"session_id": session_id}),
        ("DELETE", f"tickets/{ticket['id']}", None),
        ("DELETE", f"sessions/{session_id}", None),
    ]
    assert {verb for verb, _, _ in changes} == {
        verb for _, handler in api.handlers() for verb in handler.methods() if verb != "GET"
    }
    for verb, path, body in changes:
        answer = call(guarded, verb, path, body, sent(cookies))
        assert (answer.status, "_xsrf" in answer.json["message"]) == (403, True), (verb, path)
    assert call(guarded, "GET", f"sessions/{session_id}", headers=bearer(ticket["ticket"])).status == 200
    for verb, path, body in changes:
        answer = call(guarded, verb, path, body, sent(cookies, **{"X-XSRFToken": cookies["_xsrf"]}))
        assert answer.status in (200, 201, 204), (verb, path, answer.body)


# Jupyter's authorizer


async def test_a_user_who_may_only_read_changes_nothing(guarded, session_id):
    reader = {"Authorization": f"token {guarded.token}", "X-May": "read"}
    for path in ("agents", "sessions", f"sessions/{session_id}", f"sessions/{session_id}/export", "health", "metrics"):
        assert call(guarded, "GET", path, headers=reader).status == 200
    for verb, path, body in (
        ("PATCH", f"sessions/{session_id}", {"title": "x"}),
        ("DELETE", f"sessions/{session_id}", None),
        ("POST", "tickets", {"session_id": session_id}),
        ("DELETE", "tickets/x", None),
    ):
        answer = call(guarded, verb, path, body, reader)
        assert (answer.status, answer.json["message"]) == (403, "you may not execute here")
    async with connected(guarded, session_id, "after=0", additional_headers=reader) as client:
        await client.until("run_finished")
        await client.ask("hi")
        assert (await client.until("error"))["data"]["code"] == "forbidden"


async def test_a_user_without_permissions_sees_nothing(guarded, session_id):
    nobody = {"Authorization": f"token {guarded.token}", "X-May": ""}
    for verb, path in routes(session_id):
        answer = call(guarded, verb, path, None if verb in ("GET", "HEAD") else {}, nobody)
        assert answer.status in (403, 405), (verb, path)
    await refused(guarded, session_id, nobody, 403)


# The log


async def test_no_credential_is_ever_logged(guarded, session_id):
    begin = guarded.log.stat().st_size
    good = mint(guarded, session_id, "talk")["ticket"]
    bad = jwt.encode(claims(session_id, exp=1), SECRET, "HS256")
    for ticket in (good, bad, "abc.def.ghi"):
        for path in (f"sessions/{session_id}", "sessions", "nothing", f"sessions/{session_id}/export?format=x"):
            call(guarded, "GET", path, headers=bearer(ticket))
            call(guarded, "GET", f"{path}{'&' if '?' in path else '?'}ticket={ticket}", headers={})
        offered = {"subprotocols": ["reasoning-widget.v1", f"ticket.{ticket}"]}
        for headers, more in ((bearer(ticket), {}), ({}, offered)):
            for query in ("", "after=x"):
                with suppress(InvalidStatus):
                    async with connected(guarded, session_id, query, additional_headers=headers, **more) as client:
                        await client.send("ping")
                        await client.until("pong")
    for path in ("agents", "sessions?limit=x", "nothing?x=1", f"sessions/{session_id}/export?format=x"):
        call(guarded, "GET", f"{path}{'&' if '?' in path else '?'}token={guarded.token}", headers={})
    for query in (f"token={guarded.token}", f"after=x&token={guarded.token}"):
        with suppress(InvalidStatus):
            async with connected(guarded, session_id, query, additional_headers={}):
                pass
    call(guarded, "GET", "agents")  # earlier requests are logged by now

    with guarded.log.open("rb") as file:
        file.seek(begin)
        logged = file.read().decode()
    assert f"{API}/sessions?limit=x&token=[secret]" in logged, "errors are logged, with addresses"
    assert re.search(rf"101 GET /far/away/ws/chat/{session_id}", logged), "so is what succeeds"
    for secret in (guarded.token, good, bad, "abc.def.ghi", SECRET, *good.split(".")[1:], bad.split(".")[2]):
        assert secret not in logged
