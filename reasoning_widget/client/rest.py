"""The client of a server's REST interface. All requests to a server are sent here."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from .errors import message_in, rejected, unreachable

if TYPE_CHECKING:
    import httpx

    from .address import Address

FORMATS: Final = ("json", "markdown", "html", "notebook", "table")
"""The formats of `export`."""

_PAGE_SIZE: Final = 100
_TIMEOUT: Final = 60.0  # seconds


def sessions(address: Address, query: str, limit: int) -> Iterator[dict[str, Any]]:
    """Yield the sessions of a server, newest first.

    Args:
        address: The server.
        query: Words that must all occur in a session; empty for all sessions.
        limit: The maximum number of sessions.

    Raises:
        Disconnected: No server answers, or it cannot serve the request.
        NotAllowed: The server refuses access.
    """
    cursor: str | None = None
    while limit > 0:
        parameters = {"limit": str(min(limit, _PAGE_SIZE)), "q": query, "cursor": cursor}
        page = _object(address, "GET", "sessions", params={name: value for name, value in parameters.items() if value})
        yield from page["sessions"]
        limit -= len(page["sessions"])
        cursor = page["next_cursor"]
        if cursor is None:
            return


def session(address: Address, session_id: str, *, timeout: float = _TIMEOUT) -> dict[str, Any]:
    """Return the entry of a session in the server's list.

    Args:
        address: The server.
        session_id: The session.
        timeout: The time in which the server must respond, in seconds.

    Raises:
        LookupError: There is no such session.
        Disconnected: No server answers, or it cannot serve the request.
        NotAllowed: The server refuses access.
    """
    return _object(address, "GET", "sessions", session_id, timeout=timeout)


def export(address: Address, session_id: str, kind: str, *, timeout: float = _TIMEOUT) -> bytes:
    """Return a session as a file.

    Args:
        address: The server.
        session_id: The session.
        kind: One of `FORMATS`.
        timeout: The time in which the server must respond, in seconds.

    Raises:
        LookupError: There is no such session.
        Disconnected: No server answers, or it cannot serve the request.
        NotAllowed: The server refuses access.
    """
    return _request(address, "GET", "sessions", session_id, "export", params={"format": kind}, timeout=timeout).content


def create_ticket(address: Address, session_id: str, *, expires_in: float, timeout: float = _TIMEOUT) -> str:
    """Create a ticket with which the current user's pages can talk in a session.

    Args:
        address: The server.
        session_id: The session.
        expires_in: The lifetime of the ticket, in seconds.
        timeout: The time in which the server must respond, in seconds.

    Raises:
        LookupError: There is no such session for this user.
        Disconnected: No server answers, or it cannot serve the request.
        NotAllowed: The server refuses access.
    """
    body = {"session_id": session_id, "access": "talk", "expires_in": expires_in, "personal": True}
    return str(_object(address, "POST", "tickets", json=body, timeout=timeout)["ticket"])


def _object(address: Address, method: str, *path: str, **options: Any) -> dict[str, Any]:
    response = _request(address, method, *path, **options)
    try:
        value = response.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):  # from another program, such as a proxy with a login page
        raise rejected(address.base, HTTPStatus.NOT_FOUND, None)
    return value


def _request(address: Address, method: str, *path: str, timeout: float = _TIMEOUT, **options: Any) -> httpx.Response:
    """Send a request, and return its response if it succeeded.

    Raises:
        LookupError: The server is there, but not the requested object.
        Disconnected: No server answers, or it cannot serve the request.
        NotAllowed: The server refuses access.
    """
    import httpx  # loads its command line, too

    try:
        # Redirects are not followed, because the token is for this server only.
        response = httpx.request(method, address.api(*path), headers=address.headers, timeout=timeout, **options)
    except httpx.TimeoutException:
        raise unreachable(address.base, TimeoutError()) from None
    except httpx.HTTPError as error:
        raise unreachable(address.base, error) from None
    if response.is_success:
        return response
    if response.status_code == HTTPStatus.NOT_FOUND and (message := message_in(response.content)):
        raise LookupError(f"Not found on the server at {address.base}: {message}")
    raise rejected(address.base, response.status_code, response.content)
