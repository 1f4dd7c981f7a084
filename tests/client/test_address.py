from __future__ import annotations

import pytest

from reasoning_widget.client import connect
from reasoning_widget.client.address import Address

SECRET = "0123456789abcdef"


@pytest.mark.parametrize(
    ("url", "socket"),
    [
        ("http://localhost:8888", "ws://localhost:8888/ws/chat/s?after=0"),
        ("http://localhost:8888/", "ws://localhost:8888/ws/chat/s?after=0"),
        ("https://hub.example/user/me/", "wss://hub.example/user/me/ws/chat/s?after=0"),
        ("ws://localhost:8888/base", "ws://localhost:8888/base/ws/chat/s?after=0"),
        ("wss://[::1]:8888/", "wss://[::1]:8888/ws/chat/s?after=0"),
    ],
)
def test_the_socket_url_is_below_the_base_url(url, socket):
    assert Address.of(url).socket("s", after="0") == socket


def test_the_rest_url_is_below_the_base_url():
    assert Address.of("ws://h:1/base/").api("sessions", "a/b") == "http://h:1/base/reasoning-widget/api/sessions/a%2Fb"


def test_a_token_or_ticket_is_sent_in_the_header():
    assert Address.of("http://h", token=SECRET).headers == {"Authorization": f"token {SECRET}"}
    assert Address.of("http://h", ticket="a.b.c").headers == {"Authorization": "Bearer a.b.c"}
    assert Address.of("http://h").headers == {}


def test_a_token_in_the_url_is_moved_to_the_header():
    address = Address.of(f"http://h:8888/?token={SECRET}")
    assert address.headers == {"Authorization": f"token {SECRET}"}
    assert SECRET not in address.base + address.socket("s") + repr(address)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (f"localhost:8888/?token={SECRET}", {}),
        (f"http:///?token={SECRET}", {}),
        (f"http://me:{SECRET}@h", {}),
        ("http://h", {"token": f"{SECRET}\r\nX-Other: 1"}),
        ("http://h", {"ticket": f"{SECRET} {SECRET}"}),
        ("http://h", {"token": SECRET, "ticket": SECRET}),
    ],
)
def test_invalid_arguments_raise_an_error_without_the_secret(url, options):
    with pytest.raises(ValueError, match=r"\w") as refused:
        connect(url, "s", **options)
    assert SECRET not in str(refused.value)


def test_an_invalid_session_id_is_refused_and_repr_hides_the_token():
    with pytest.raises(ValueError, match="session id"):
        connect("http://h", "../../x")
    assert SECRET not in repr(connect("http://h", "s", token=SECRET))
