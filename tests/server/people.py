"""People for a test's server: an identity provider that tells them apart, and authorizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.auth.identity import IdentityProvider, User
from traitlets import Unicode

from reasoning_widget.server import SessionResource
from tests.jupyter import Jupyter
from tests.server.conftest import reasoning_server

PEOPLE = {
    "ada": User("ada", "Ada Lovelace", "Ada Lovelace", "AL"),
    "bob": User("bob", "Bob"),
    "eve": User("eve", "Eve van der Berg"),
    "root": User("root"),
}


COOKIE = "who"


class Names(IdentityProvider):
    """Everybody has a token of their own; the server's is that of `root`."""

    def get_user(self, handler: Any) -> User | None:
        """Who presents which token."""
        token = self.get_token(handler) or ""
        name = "root" if token == self.token else token.removesuffix("-token")
        handler._token_authenticated = name in PEOPLE
        return PEOPLE.get(name)


class Cookies(Names):
    """Who has a cookie is who it names, whatever token comes with it: a page has the server's, whoever opens it."""

    def get_user(self, handler: Any) -> User | None:
        """Who has which cookie, or presents which token."""
        user = PEOPLE.get(handler.get_cookie(COOKIE) or "")
        if user is None:
            return super().get_user(handler)
        handler._token_authenticated = True  # a cookie of this test's, which no other site could make use of
        return user


class Asked(Authorizer):
    """Lets others into sessions as a file says, in lines such as ``eve read lecture``."""

    rules = Unicode(config=True, help="The file.")

    async def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        """Decide on sessions and on numbers of all users; allow all else."""
        rules = Path(self.rules).read_text(encoding="utf-8").splitlines()
        if isinstance(resource, SessionResource):
            assert resource == f"reasoning-widget:session:{resource.session_id}"
            assert resource.owner != user.username, "nobody is asked about what is one's own"
            return f"{user.username} {action} {resource.session_id}" in rules
        return resource != "reasoning-widget:server" or f"{user.username} {action} server" in rules


def as_(name: str) -> dict[str, str]:
    """The header with which somebody comes."""
    return {"Authorization": f"token {name}-token"}


def shared_server(home: Path, *, more: dict[str, Any] | None = None, **options: Any) -> Jupyter:
    """A server whose users are told apart; see `reasoning_server`."""
    names = {"identity_provider_class": "tests.server.people.Names"}
    if more is not None and "Asked" in more:
        names["authorizer_class"] = "tests.server.people.Asked"
    return reasoning_server(home, more={"ServerApp": names, **(more or {})}, **options)
