"""Which users may see a session, and the names of authors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider, User

from reasoning_widget.server import SessionResource
from reasoning_widget.server.access import Access, author_of
from tests.server.people import Names


def access(provider: IdentityProvider, *extensions: str, **options: str) -> Access:
    enabled = {name: SimpleNamespace(enabled=True) for name in extensions}
    server = SimpleNamespace(
        identity_provider=provider, extension_manager=SimpleNamespace(extensions={**enabled, "x": None})
    )
    app = SimpleNamespace(server=server, **{"sharing": "auto", "unowned": "", **options})
    return Access(cast("Any", app))


class Handler:
    """The handler of a user's request, with or without a cookie."""

    def __init__(self, user: User, cookie: User | None = None) -> None:
        self.current_user = user
        self.identity_provider = SimpleNamespace(get_user_cookie=lambda _handler: cookie)
        self.asked: list[tuple[str, str]] = []
        self.authorizer = SimpleNamespace(is_authorized=self.is_authorized)

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        assert isinstance(resource, SessionResource)
        self.asked.append((action, resource))
        return resource.owner == "ada"


def test_browsers_have_names_only_if_documents_are_shared():
    io = User("0123", "Anonymous Io", initials="AI")
    author = {"id": "0123", "name": "Anonymous Io", "initials": "AI"}
    collaborating = access(PasswordIdentityProvider(), "jupyter_server_ydoc")
    assert collaborating.author(cast("Any", Handler(io, cookie=io))) == author
    assert collaborating.author(cast("Any", Handler(io))) is None, "with the token alone it is another name each time"
    assert collaborating.author(cast("Any", Handler(io, cookie=User("4567")))) is None
    assert access(PasswordIdentityProvider()).author(cast("Any", Handler(io, cookie=io))) is None
    assert collaborating.account(io) is None, "what is said is still everybody's"


@pytest.mark.parametrize(
    ("sharing", "owner", "unowned", "may", "asked"),
    [
        ("auto", "bob", "", True, False),
        ("auto", "ada", "", False, False),
        ("auto", None, "", False, False),
        ("auto", None, "bob", True, False),
        ("auto", None, "ada", False, False),
        ("owner", "ada", "", False, False),
        ("everyone", "ada", "", True, False),
        ("authorizer", "bob", "", True, False),
        ("authorizer", "ada", "", True, True),
        ("authorizer", "eve", "", False, True),
        ("authorizer", None, "", False, True),
        ("authorizer", None, "ada", True, True),
    ],
)
async def test_who_may_see_a_session(sharing, owner, unowned, may, asked):
    handler = Handler(User("bob"))
    rules = access(Names(), sharing=sharing, unowned=unowned)
    assert await rules.may(cast("Any", handler), handler.current_user, "read", "s", owner) is may
    assert handler.asked == ([("read", "reasoning-widget:session:s")] if asked else [])


@pytest.mark.parametrize("owner", [None, "ada"])
async def test_with_one_user_everything_may_be_seen(owner):
    handler = Handler(User("0123"))
    rules = access(PasswordIdentityProvider())
    assert await rules.may(cast("Any", handler), handler.current_user, "write", "s", owner)
    assert handler.asked == []


@pytest.mark.parametrize(
    ("name", "initials", "shown", "short"),
    [
        ("Ada Lovelace", None, "Ada Lovelace", "AL"),
        ("Ada Lovelace", "al", "Ada Lovelace", "al"),
        ("Ada King Lovelace", None, "Ada King Lovelace", "AL"),
        ("bob", "", "bob", "B"),
        ("山田 太郎", None, "山田 太郎", "山太"),
        ("Zoë\n\tO'Hara\x00", None, "Zoë O'Hara", "ZO"),
        ("\u202eevil", None, "evil", "E"),
        ("   ", None, "me", "M"),
        ("x" * 500, "long initials", "x" * 79 + "…", "lon"),
        ("\ud800", None, "�", "�"),
    ],
)
def test_names_become_one_short_line(name, initials, shown, short):
    assert author_of("me", name, initials) == {"id": "me", "name": shown, "initials": short}
