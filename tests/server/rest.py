"""A client of the REST interface, and shortcuts for sessions and tickets."""

from __future__ import annotations

import http.cookiejar
import json
import urllib.error
import urllib.request
from email.message import Message
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from tests.jupyter import Jupyter
from tests.server.client import connected

API = "reasoning-widget/api"

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer(NamedTuple):
    """A response."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(server: Jupyter, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    """Send a request to a path of the interface, with the server's token unless `headers` are given."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"token {server.token}"} if headers is None else dict(headers)
    if data is not None:
        headers.setdefault("Content-Type", "application/json")
    request = urllib.request.Request(f"{server.address}{API}/{path}", data, headers, method=method)
    try:
        with _opener.open(request) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


def mint(server: Jupyter, session_id: str, access: str = "read", **more: Any) -> Any:
    """Issue a ticket, and return the body of the response."""
    answer = call(server, "POST", "tickets", {"session_id": session_id, "access": access, **more})
    assert answer.status == 201, answer.body
    return answer.json


def bearer(ticket: str) -> dict[str, str]:
    """Return the headers with a ticket."""
    return {"Authorization": f"Bearer {ticket}"}


def log_in(server: Jupyter) -> dict[str, str]:
    """Log in as a browser does, and return the cookies by name, including the XSRF token."""
    jar = http.cookiejar.CookieJar()
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar))
    opener = urllib.request.build_opener(*handlers)
    query = urlencode({"next": f"{urlsplit(server.address).path}api/status", "token": server.token})
    with opener.open(f"{server.address}login?{query}") as response:
        assert response.status == 200
    with opener.open(f"{server.address}login") as response:
        response.read()
    return {cookie.name: str(cookie.value) for cookie in jar}


def sent(cookies: dict[str, str], **headers: str) -> dict[str, str]:
    """Return the headers with cookies, and others."""
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), **headers}


async def spoken_in(server: Jupyter, session_id: str, text: str = "hi", agent: str = "echo") -> str:
    """Ask an agent in a session, wait until the run is finished, and return the session's id."""
    async with connected(server, session_id) as client:
        await client.ask(text, agent)
        await client.until("run_finished")
    return session_id
