"""Users of the tests' servers: identity providers that know them, and an authorizer."""

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
    """Each user has a token; the server's token is that of `root`."""

    def get_user(self, handler: Any) -> User | None:
        """Identify the user by the token."""
        token = self.get_token(handler) or ""
        name = "root" if token == self.token else token.removesuffix("-token")
        handler._token_authenticated = name in PEOPLE
        return PEOPLE.get(name)


class Cookies(Names):
    """A cookie may name the user, whatever the token is: all pages have the server's token."""

    def get_user(self, handler: Any) -> User | None:
        """Identify the user by the cookie, or else by the token."""
        user = PEOPLE.get(handler.get_cookie(COOKIE) or "")
        if user is None:
            return super().get_user(handler)
        handler._token_authenticated = True  # no other site can use this cookie
        return user


class Asked(Authorizer):
    """Gives users permissions for sessions that a file lists, in lines such as ``eve read lecture``."""

    rules = Unicode(config=True, help="The file.")

    async def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        """Decide on sessions and on the metrics of all users; allow everything else."""
        rules = Path(self.rules).read_text(encoding="utf-8").splitlines()
        if isinstance(resource, SessionResource):
            assert resource == f"reasoning-widget:session:{resource.session_id}"
            assert resource.owner != user.username, "the authorizer does not decide on own sessions"
            return f"{user.username} {action} {resource.session_id}" in rules
        return resource != "reasoning-widget:server" or f"{user.username} {action} server" in rules


def as_(name: str) -> dict[str, str]:
    """Return the headers of a user's requests."""
    return {"Authorization": f"token {name}-token"}


def shared_server(home: Path, *, more: dict[str, Any] | None = None, **options: Any) -> Jupyter:
    """Return a server that identifies users. The arguments are those of `reasoning_server`."""
    names = {"identity_provider_class": "tests.server.people.Names"}
    if more is not None and "Asked" in more:
        names["authorizer_class"] = "tests.server.people.Asked"
    return reasoning_server(home, more={"ServerApp": names, **(more or {})}, **options)
