"""Who owns a session, and what other users may do in it.

Jupyter's identity provider identifies the user of a request. The providers of Jupyter Server itself only check a token
or password, which everybody shares: all of their users count as one. If another provider identifies users, each session
belongs to the user who sent its first message, and `ReasoningApp.sharing` decides which other users may see it.
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
"""The resource for which the authorizer decides on metrics and the audit trail of all users."""

_COLLABORATION: Final = ("jupyter_server_ydoc", "jupyter_collaboration", "jupyter_server_documents")
"""Server extensions with which people edit documents together and see each other's names."""
_MAX_NAME_LENGTH: Final = 80


class SessionResource(str):
    """The resource for which an authorizer decides on one session: ``reasoning-widget:session:<id>``.

    Args:
        session_id: The session's id.
        owner: The name of the user who owns the session, or None.

    Attributes:
        session_id: The session's id.
        owner: The name of the user who owns the session. None if it was created before users were identified.
    """

    __slots__ = ("owner", "session_id")

    session_id: str
    owner: str | None

    def __new__(cls, session_id: str, owner: str | None) -> Self:
        """Create the resource of a session."""
        resource = super().__new__(cls, f"reasoning-widget:session:{session_id}")
        resource.session_id = session_id
        resource.owner = owner
        return resource


class Access:
    """Decides who may do what in which session.

    Args:
        app: The extension, with its configuration.

    Attributes:
        users_identified: Whether users are identified. If not, all count as one user, and sessions have no owner.
        shared_with_all: Whether a user's permissions on this server apply to each session.
    """

    def __init__(self, app: ReasoningSettings) -> None:
        identified = identifies_users(app.server.identity_provider)
        self.users_identified = identified or app.sharing in ("owner", "authorizer")
        self.shared_with_all = app.sharing == "everyone" or not self.users_identified
        self._authorizer_decides = app.sharing == "authorizer"
        self._unowned = app.unowned or None
        extensions = app.server.extension_manager.extensions
        self._collaboration = any(name in extensions and extensions[name].enabled for name in _COLLABORATION)

    def account(self, user: User) -> str | None:
        """Return the name under which a user owns sessions; None if users are not identified."""
        return clean_text(str(user.username)) if self.users_identified else None

    def author(self, handler: JupyterHandler) -> Author | None:
        """Return the author of the user's messages; None if it is not shown who sends a message."""
        user = cast("User", handler.current_user)
        if not self.users_identified:
            # Jupyter Server invents a name for each request with a token only. In a browser, a cookie keeps it.
            known = handler.identity_provider.get_user_cookie(handler) if self._collaboration else None
            if not isinstance(known, User) or known.username != user.username:
                return None
        return author_of(clean_text(str(user.username)), user.display_name or user.name or user.username, user.initials)

    async def may(
        self, handler: JupyterHandler, user: User, action: Action, session_id: str, owner: str | None
    ) -> bool:
        """Whether a user who has a permission on this server has it in a session, too.

        Args:
            handler: The handler of the request.
            user: The user.
            action: The permission.
            session_id: The session.
            owner: The owner of the session, if any.
        """
        owner = owner if owner is not None else self._unowned
        if self.shared_with_all or (owner is not None and owner == self.account(user)):
            return True
        return self._authorizer_decides and await _allows(handler, user, action, SessionResource(session_id, owner))

    async def may_see_all(self, handler: JupyterHandler, user: User) -> bool:
        """Whether a user may see the metrics and the audit trail of all users."""
        return self.shared_with_all or (
            self._authorizer_decides and await _allows(handler, user, "read", SERVER_RESOURCE)
        )

    def owned_by(self, user: User) -> Whose | None:
        """Return the owners whose sessions this user may see; None for all, if `may` decides on each session."""
        if self.shared_with_all or self._authorizer_decides:
            return None
        owner = clean_text(str(user.username))
        return Whose(owner, and_unowned=owner == self._unowned)


def author_of(user_id: str, name: str, initials: str | None = None, granted_by: str | None = None) -> Author:
    """Create an author from names that may contain anything.

    Args:
        user_id: The user's name on this server.
        name: The name to show. It becomes one line without control characters, and is shortened if it is too long.
        initials: The initials to show; None to derive them from the name.
        granted_by: The user who granted the ticket, if the author is the holder of a ticket.
    """
    shown = _single_line(name) or _single_line(user_id)
    short = _single_line(initials or "")[:3] or "".join(word[0] for word in _first_and_last(shown.split())).upper()
    author: Author = {"id": user_id, "name": shown, "initials": short}
    if granted_by is not None:
        author["granted_by"] = granted_by
    return author


def _first_and_last(words: list[str]) -> list[str]:
    return words if len(words) < 2 else [words[0], words[-1]]


def _single_line(text: str) -> str:
    line = "".join(character if character.isprintable() else " " for character in clean_text(text))
    line = " ".join(line.split())
    return line if len(line) <= _MAX_NAME_LENGTH else f"{line[: _MAX_NAME_LENGTH - 1]}…"


async def _allows(handler: JupyterHandler, user: User, action: Action, resource: str) -> bool:
    return bool(await ensure_async(handler.authorizer.is_authorized(handler, user, action, resource)))
