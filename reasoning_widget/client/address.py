"""The address of a server, and the credentials for it. Its representations contain no secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qs, quote, urlencode, urlsplit

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True)
class Address:
    """The base address of a Jupyter server, with credentials.

    Attributes:
        base: ``http(s)://host:port/base/``, ending with a slash.
        authorization: The value of the header `Authorization`; None if the server needs none.
    """

    base: str
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str, token: str | None = None, ticket: str | None = None) -> Self:
        """Create an address from the person's input.

        Args:
            url: The server's address, as `jupyter server list` prints it, or with ``ws`` as its scheme. A token in its
                query is used if neither `token` nor `ticket` is given.
            token: The server's token.
            ticket: A ticket for one session, instead of the token.

        Raises:
            ValueError: The address, the token or the ticket is malformed.
        """
        parts = urlsplit(url)
        scheme = _SCHEMES.get(parts.scheme)
        if scheme is None or not parts.hostname:
            raise ValueError("the server's address must begin with http:// or https://, such as http://localhost:8888")
        if parts.username is not None or parts.password is not None:
            raise ValueError("leave the name and password out of the server's address, and pass a token or a ticket")
        if token is not None and ticket is not None:
            raise ValueError("pass a token or a ticket, not both")
        if token is None and ticket is None:
            token = parse_qs(parts.query).get("token", [None])[0]
        for name, secret in (("token", token), ("ticket", ticket)):
            if secret is not None and not (secret.isascii() and secret.isprintable() and " " not in secret):
                raise ValueError(f"the {name} contains invalid characters: was it copied correctly?")
        if ticket:
            authorization: str | None = f"Bearer {ticket}"
        else:
            authorization = f"token {token}" if token else None
        return cls(f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/", authorization)

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers with the credentials."""
        return {"Authorization": self.authorization} if self.authorization is not None else {}

    def socket(self, session_id: str, **query: str) -> str:
        """Return the URL of a session's WebSocket, with `query` as its parameters."""
        return f"ws{self.base.removeprefix('http')}ws/chat/{quote(session_id, safe='')}?{urlencode(query)}"

    def api(self, *path: str) -> str:
        """Return the URL of a resource of the REST interface."""
        return f"{self.base}reasoning-widget/api/{'/'.join(quote(part, safe='') for part in path)}"
