"""Whose session it is, and what others may do with it.

Jupyter's identity provider says who somebody is. Those of Jupyter Server itself let in whoever holds the one token or
password: these are one user to us, and all that they do is theirs together. Where another provider tells people apart,
each session belongs to the user who began it, and others see it only as `ReasoningApp.sharing` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self, cast

from jupyter_core.utils import ensure_async
from jupyter_server.auth.identity import User

from ..clean import clean_text
from ..compat.jupyter_server import identifies_users
from ..protocol import Action, Author
from ..session.store import Whose

if TYPE_CHECKING:
    from jupyter_server.base.handlers import JupyterHandler

    from .settings import ReasoningSettings

SERVER_RESOURCE: Final = "reasoning-widget:server"
"""What the authorizer is asked about where numbers or records are of all users together."""

_COLLABORATION: Final = ("jupyter_server_ydoc", "jupyter_collaboration", "jupyter_server_documents")
"""Server extensions with which people share documents, and see each other's names."""
_MAX_NAME: Final = 80


class SessionResource(str):
    """The resource that an authorizer is asked about for one session: ``reasoning-widget:session:<id>``.

    Args:
        session_id: The session's id.
        owner: The name of the user who owns it, or None.

    Attributes:
        session_id: The session's id.
        owner: The name of the user who owns it. None for sessions from before users were told apart.
    """

    __slots__ = ("owner", "session_id")

    session_id: str
    owner: str | None

    def __new__(cls, session_id: str, owner: str | None) -> Self:
        """Make one; see the class."""
        resource = super().__new__(cls, f"reasoning-widget:session:{session_id}")
        resource.session_id = session_id
        resource.owner = owner
        return resource


class Access:
    """Decides on sessions.

    Args:
        app: The extension, with its configuration.

    Attributes:
        told_apart: Whether users are. If not, all are one, and nothing has an owner.
        open: Whether every user may do with each session what they may do at all.
    """

    def __init__(self, app: ReasoningSettings) -> None:
        identified = identifies_users(app.server.identity_provider)
        self.told_apart = identified or app.sharing in ("owner", "authorizer")
        self.open = app.sharing == "everyone" or not self.told_apart
        self._asks = app.sharing == "authorizer"
        self._unowned = app.unowned or None
        extensions = app.server.extension_manager.extensions
        self._collaboration = any(name in extensions and extensions[name].enabled for name in _COLLABORATION)

    def account(self, user: User) -> str | None:
        """To whom belongs what a user makes; None where users are not told apart."""
        return clean_text(str(user.username)) if self.told_apart else None

    def author(self, handler: JupyterHandler) -> Author | None:
        """Who speaks; None where that cannot be known, or need not be."""
        user = cast("User", handler.current_user)
        if not self.told_apart:
            # Whoever comes with the token alone has another name each time. The cookie keeps it.
            known = handler.identity_provider.get_user_cookie(handler) if self._collaboration else None
            if not isinstance(known, User) or known.username != user.username:
                return None
        return author_of(clean_text(str(user.username)), user.display_name or user.name or user.username, user.initials)

    async def may(
        self, handler: JupyterHandler, user: User, action: Action, session_id: str, owner: str | None
    ) -> bool:
        """Whether a user who may do `action` at all may do so in this session.

        Args:
            handler: Who asks for it.
            user: Who it is.
            action: What is to be done.
            session_id: The session.
            owner: To whom it belongs.
        """
        owner = owner if owner is not None else self._unowned
        if self.open or (owner is not None and owner == self.account(user)):
            return True
        return self._asks and await _allows(handler, user, action, SessionResource(session_id, owner))

    async def may_see_all(self, handler: JupyterHandler, user: User) -> bool:
        """Whether a user may see what is of all users together."""
        return self.open or (self._asks and await _allows(handler, user, "read", SERVER_RESOURCE))

    def whose(self, user: User) -> Whose | None:
        """The sessions that a list for this user is taken from; None: any, of which `may` chooses."""
        if self.open or self._asks:
            return None
        owner = clean_text(str(user.username))
        return Whose(owner, and_unowned=owner == self._unowned)


def author_of(user_id: str, name: str, initials: str | None = None, granted_by: str | None = None) -> Author:
    """An author, whose names are fit to be shown."""
    shown = _in_a_line(name) or _in_a_line(user_id)
    short = _in_a_line(initials or "")[:3] or "".join(word[0] for word in _ends(shown.split())).upper()
    author: Author = {"id": user_id, "name": shown, "initials": short}
    if granted_by is not None:
        author["granted_by"] = granted_by
    return author


def _ends(words: list[str]) -> list[str]:
    return words if len(words) < 2 else [words[0], words[-1]]


def _in_a_line(text: str) -> str:
    line = "".join(sign if sign.isprintable() else " " for sign in clean_text(text))
    line = " ".join(line.split())
    return line if len(line) <= _MAX_NAME else f"{line[: _MAX_NAME - 1]}…"


async def _allows(handler: JupyterHandler, user: User, action: Action, resource: str) -> bool:
    return bool(await ensure_async(handler.authorizer.is_authorized(handler, user, action, resource)))
