"""A server's sessions, without taking part in them: its REST interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import httpx

from .errors import Disconnected, NotAllowed

if TYPE_CHECKING:
    from .address import Address

FORMATS: Final = ("json", "markdown", "html", "notebook", "table")

_PAGE: Final = 100
_TIMEOUT: Final = 60.0  # seconds


def sessions(address: Address, query: str, limit: int) -> Iterator[dict[str, Any]]:
    """The sessions, newest first; with a `query`, those in which each of its words occurs. At most `limit`.

    Raises:
        Disconnected: There is no such server.
        NotAllowed: It does not let us in.
    """
    cursor: str | None = None
    while limit > 0:
        parameters = {"limit": str(min(limit, _PAGE)), "q": query, "cursor": cursor}
        page = _get(address, ["sessions"], {name: value for name, value in parameters.items() if value}).json()
        yield from page["sessions"]
        limit -= len(page["sessions"])
        cursor = page["next_cursor"]
        if cursor is None:
            return


def session(address: Address, session_id: str) -> dict[str, Any]:
    """What the server's list says of a session.

    Raises:
        LookupError: There is no such session.
        Disconnected: There is no such server.
        NotAllowed: It does not let us in.
    """
    found: dict[str, Any] = _get(address, ["sessions", session_id], {}).json()
    return found


def export(address: Address, session_id: str, kind: str) -> bytes:
    """A session as a file.

    Args:
        address: The server.
        session_id: The session.
        kind: One of `FORMATS`.

    Raises:
        LookupError: There is no such session.
        Disconnected: There is no such server.
        NotAllowed: It does not let us in.
    """
    return _get(address, ["sessions", session_id, "export"], {"format": kind}).content


def _get(address: Address, path: list[str], parameters: dict[str, str]) -> httpx.Response:
    try:
        # Redirects are not followed: the token is for this server.
        response = httpx.get(address.api(*path), params=parameters, headers=address.headers, timeout=_TIMEOUT)
    except httpx.HTTPError as error:
        raise Disconnected(f"No server answers at {address.base} ({str(error) or type(error).__name__}).") from None
    if response.is_success:
        return response
    said = _message(response)
    if response.status_code in (401, 403):
        raise NotAllowed(f"The server at {address.base} does not let us in ({response.status_code}{said}).")
    if response.status_code == 404 and said:
        raise LookupError(f"The server at {address.base} has nothing like that ({said.removeprefix(': ')}).")
    raise Disconnected(
        f"The server at {address.base} has no reasoning-widget, or cannot serve now ({response.status_code}{said})."
    )


def _message(response: httpx.Response) -> str:
    """What the server says about its refusal."""
    try:
        return f": {response.json()['message']}"
    except (ValueError, TypeError, KeyError):
        return ""
