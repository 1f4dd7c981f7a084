"""Private parts of Jupyter Server. If one of these tests fails, `compat/jupyter_server.py` must be adapted."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from typing import Any

import pytest
from jupyter_server.auth.identity import IdentityProvider, LegacyIdentityProvider, PasswordIdentityProvider, User
from jupyter_server.auth.login import LegacyLoginHandler, LoginFormHandler
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from reasoning_widget.compat.jupyter_server import _IDENTIFYING_METHODS, hide_in_log, identifies_users
from tests.server.client import connected, new_session
from tests.server.people import Names
from tests.server.rest import bearer, call, log_in, mint, sent, spoken_in


def get(server, path, data=None):
    headers = {"Authorization": f"token {server.token}"}
    with urllib.request.urlopen(urllib.request.Request(f"{server.address}{path}", data, headers)) as response:
        return json.loads(response.read())


# Users


class Renamed(PasswordIdentityProvider):
    """Jupyter's own provider with another login form."""

    login_handler_class = LoginFormHandler


class ByProxy(IdentityProvider):
    def get_user_token(self, handler: Any) -> Any:
        return User("ada")


class ByForm(PasswordIdentityProvider):
    def process_login_form(self, handler: Any) -> User | None:
        return User("ada")


class ByCookie(PasswordIdentityProvider):
    def get_user_cookie(self, handler: Any) -> User | None:
        return User("ada")


class OldLogin(LegacyLoginHandler):
    @classmethod
    def get_user(cls, handler: Any) -> Any:
        return "ada"


@pytest.mark.parametrize("provider", [IdentityProvider, PasswordIdentityProvider, LegacyIdentityProvider, Renamed])
def test_a_provider_that_checks_a_token_or_password_does_not_identify_users(provider):
    assert not identifies_users(provider())


@pytest.mark.parametrize("provider", [Names, ByProxy, ByForm, ByCookie])
def test_a_provider_that_decides_who_a_user_is_identifies_users(provider):
    assert identifies_users(provider())


def test_a_login_handler_of_an_earlier_jupyter_identifies_users():
    assert identifies_users(LegacyIdentityProvider(login_handler_class=OldLogin))


def test_the_methods_that_identify_users_exist():
    providers = (IdentityProvider, PasswordIdentityProvider)
    missing = [name for name in _IDENTIFYING_METHODS if not any(hasattr(each, name) for each in providers)]
    assert missing == []


async def test_a_request_with_a_ticket_counts_as_activity(server):
    session_id = await spoken_in(server, new_session())
    ticket = bearer(mint(server, session_id)["ticket"])
    before = get(server, "api/status")["last_activity"]
    assert call(server, "GET", f"sessions/{session_id}", headers=ticket).status == 200
    assert get(server, "api/status")["last_activity"] > before


# Logging out


@pytest.fixture
def cookies(server):
    return log_in(server)


async def test_logging_out_closes_the_pages_of_that_user(server, cookies):
    session_id = await spoken_in(server, new_session())
    async with (
        connected(server, session_id, additional_headers=sent(cookies)) as page,
        connected(server, session_id) as program,
    ):
        await page.until("run_finished")
        await program.until("run_finished")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(f"{server.address}logout", headers=sent(cookies))) as response:
            assert response.status == 200
        with pytest.raises(ConnectionClosed) as closed:
            await page.until("nothing")
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "you have logged out")
        await program.send("ping")
        await program.until("pong")


def test_an_invalid_login_cookie_is_refused(server, cookies):
    name = next(name for name in cookies if name.startswith("username-"))
    answer = call(server, "GET", "agents", headers={"Cookie": f"{name}=expired"})
    assert (answer.status, answer.json["code"]) == (403, "forbidden")


# Kernels


async def test_the_messages_of_a_kernel_are_sent_immediately(tmp_path, start_server):
    extensions = {"ServerApp": {"jpserver_extensions": {"tests.server.probe": True}}}
    with start_server(tmp_path, more=extensions) as server:
        kernel = await asyncio.to_thread(get, server, "api/kernels", b"{}")
        address = f"{server.address}api/kernels/{kernel['id']}/channels?session_id=s".replace("http", "ws", 1)
        async with connect(address, additional_headers={"Authorization": f"token {server.token}"}) as socket:
            await socket.recv()  # the kernel is connected
            assert await asyncio.to_thread(get, server, "probe/sockets-of-kernels") == [True]


# The log


def test_values_hidden_in_the_log_by_the_administrator_stay_hidden():
    settings = {"extra_log_scrub_param_keys": ["pin"]}
    hide_in_log(settings, "ticket")
    assert settings == {"extra_log_scrub_param_keys": ["pin", "ticket"]}


def test_a_ticket_in_an_address_is_not_logged(server):
    secret = "not-for-the-log"
    begin = server.log.stat().st_size
    call(server, "GET", f"sessions?limit=x&my_ticket={secret}")
    call(server, "GET", "agents")  # earlier requests have been logged by now
    with server.log.open("rb") as file:
        file.seek(begin)
        logged = file.read().decode()
    assert re.search(r"my_ticket=\[secret\]", logged)
    assert secret not in logged
