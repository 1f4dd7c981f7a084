"""Tickets: JSON Web Tokens for programs that must not hold the server's own token.

A ticket is for one session, for reading it or for talking in it, and for a limited time. The server signs its own with
a secret key; those of other issuers are accepted by their public keys. The claims are the registered ones of RFC 7519
(`iss`, `aud`, `sub`, `iat`, `exp`, `jti`) and ours: `session_id` and `access`; the `owner` of the session; and, in the
server's own, who granted the ticket (`granted_by`) and as whom its holder speaks (`author`).
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, cast

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from traitlets import Dict, Float, TraitError, Unicode, validate
from traitlets.config import LoggingConfigurable

from ..protocol import Author, check_session_id
from ..session.log import StorageError
from ..session.store import IssuedTicket, SessionStore
from .access import author_of

Access = Literal["read", "talk"]

OWN_ISSUER: Final = "reasoning-widget"
AUDIENCE: Final = "reasoning-widget"

_MAX_TICKET: Final = 8192  # characters; a longer one is not even read
_LEEWAY: Final = 5.0  # seconds by which an issuer's clock may differ
_MAX_HOLDER: Final = 40  # characters of the name of whoever holds a ticket
_MIN_SECRET: Final = 32  # bytes; RFC 7518, section 3.2, asks for as many as the hash has
_REQUIRED: Final = ["iss", "aud", "iat", "exp", "jti"]
_ALGORITHMS: Final[list[tuple[type | tuple[type, ...], list[str]]]] = [
    (rsa.RSAPublicKey, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    (ec.EllipticCurvePublicKey, ["ES256", "ES384", "ES512", "ES256K"]),
    ((ed25519.Ed25519PublicKey, ed448.Ed448PublicKey), ["EdDSA"]),
]


class InvalidTicket(ValueError):
    """A ticket that is not accepted. The text says why, and never quotes it."""


@dataclass(frozen=True)
class Ticket:
    """What a ticket allows.

    Attributes:
        id: By which it is revoked; an issuer's own ids are known apart.
        session_id: The only session it is for.
        access: ``read``, or ``talk``: to take part as well.
        expires: Seconds since the epoch.
        subject: Who holds it, in the issuer's words; its id where there are none.
        owner: The user to whom the session belonged when the ticket was granted, or will belong if its holder begins
            it: in the session of anybody else, who may use the same id later, it is worth nothing. None where users are
            not told apart.
        author: As whom its holder speaks; None: as the only user there is.
        from_elsewhere: Whether another issuer has granted it, who answers for what it opens.
    """

    id: str
    session_id: str
    access: Access
    expires: float
    subject: str
    owner: str | None = None
    author: Author | None = None
    from_elsewhere: bool = False

    @property
    def personal(self) -> bool:
        """Whether its holder speaks as a user, and not under a name of its own."""
        return self.author is not None and self.author["id"] != f"ticket:{self.id}"


@dataclass(frozen=True)
class Grant:
    """Who grants a ticket where users are told apart, and as whom its holder is to speak.

    Attributes:
        by_name: The user who grants it, as people read it.
        account: To whom belongs what that user makes; see `Access.account`.
        owner: To whom the session belongs.
        name: What the holder is called, for people.
        speaks_as: The user as whom the holder speaks, for a page of their own. Absent: as itself.
    """

    by_name: str | None = None
    account: str | None = None
    owner: str | None = None
    name: str = ""
    personal: bool = False
    speaks_as: Author | None = None

    def author(self, ticket_id: str) -> Author | None:
        """As whom the holder speaks."""
        if self.personal:
            return self.speaks_as
        of = f" of {self.by_name}" if self.by_name else ""
        name = f"{self.name[:_MAX_HOLDER]} (ticket{of})" if self.name.strip() else f"Ticket{of}"
        return author_of(f"ticket:{ticket_id}", name, granted_by=self.account)


_NO_GRANT: Final = Grant()


class Tickets(LoggingConfigurable):
    """Signs and checks tickets: `c.Tickets…` in ``jupyter_server_config.py``.

    Args:
        store: Which remembers those that were revoked.
        key_path: Where the server's own key is kept if none is configured.

    Raises:
        TraitError: What is configured is no key.
    """

    secret = Unicode(
        help="The key for the server's own tickets, 32 bytes or more. Empty: a random one, kept beside the sessions."
    ).tag(config=True)
    issuers = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Others whose tickets are accepted: the `iss` claim, and the issuer's public key in PEM form.",
    ).tag(config=True)
    max_seconds = Float(30 * 24 * 3600.0, min=1, help="The longest time for which a ticket is minted.").tag(config=True)

    def __init__(self, store: SessionStore, key_path: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._store = store
        self._key_path = key_path
        self._keys = {name: _public_key(name, pem) for name, pem in self.issuers.items()}

    @validate("secret")
    def _long_enough(self, proposal: Any) -> str:
        secret: str = proposal["value"]
        if secret and len(secret.encode()) < _MIN_SECRET:
            raise TraitError(f"`Tickets.secret` must have at least {_MIN_SECRET} bytes")
        return secret

    @cached_property
    def own_key(self) -> bytes:
        """The key for the server's own tickets. Without it they are refused, and all else goes on.

        Raises:
            StorageError: It cannot be read or made, or what is there is no key.
        """
        return self.secret.encode() or _kept_secret(self._key_path)

    def mint(
        self, session_id: str, access: str, expires_in: float, subject: str, grant: Grant = _NO_GRANT
    ) -> tuple[str, Ticket]:
        """A new ticket, in its signed form and as what it says.

        Args:
            session_id: The session it is for, which need not exist yet.
            access: ``read`` or ``talk``.
            expires_in: Seconds.
            subject: For whom it is made.
            grant: Who grants it.

        Raises:
            ValueError: One of them is out of range.
            StorageError: There is no key, or it cannot be remembered.
        """
        check_session_id(session_id)
        if access not in ("read", "talk"):
            raise ValueError('`access` must be "read" or "talk"')
        if not 0 < expires_in <= self.max_seconds:
            raise ValueError(f"`expires_in` must be a number of seconds up to {self.max_seconds:g}")
        now = time.time()
        ticket_id = secrets.token_hex(8)
        author = grant.author(ticket_id)
        ends = now + expires_in
        ticket = Ticket(ticket_id, session_id, cast("Access", access), ends, subject, grant.owner, author)
        claims = {
            "iss": OWN_ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": ticket.expires,
            "jti": ticket.id,
            "session_id": session_id,
            "access": access,
            "owner": grant.owner,
            "author": author,
        }
        token = jwt.encode(claims, self.own_key, algorithm="HS256")
        self._store.issue_ticket(ticket_id, IssuedTicket(session_id, grant.owner, grant.account, ends))
        return token, ticket

    def verify(self, token: str) -> Ticket:
        """What a ticket says, if it is to be believed.

        Raises:
            InvalidTicket: It is not.
            StorageError: There is no key, or whether it was revoked cannot be read.
        """
        if len(token) > _MAX_TICKET:
            raise InvalidTicket("the ticket is too long")
        try:
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
            key, algorithms = self._key_of(issuer)
            claims = jwt.decode(
                token,
                key,
                algorithms=algorithms,
                audience=AUDIENCE,
                issuer=issuer,
                leeway=_LEEWAY,
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError:
            raise InvalidTicket("the ticket has expired: get another one") from None
        except jwt.PyJWTError as error:
            raise InvalidTicket(f"the ticket is not valid: {type(error).__name__}") from None
        ticket = _ticket(claims)
        if self._store.is_revoked(ticket.id):
            raise InvalidTicket("the ticket was revoked")
        return ticket

    def revoke(self, ticket_id: str) -> None:
        """Accept a ticket no longer.

        Raises:
            StorageError: It cannot be remembered.
        """
        self._store.revoke_ticket(ticket_id, time.time() + self.max_seconds + _LEEWAY)

    def _key_of(self, issuer: object) -> tuple[Any, list[str]]:
        if issuer == OWN_ISSUER:
            return self.own_key, ["HS256"]
        if isinstance(issuer, str) and issuer in self._keys:
            return self._keys[issuer]
        raise InvalidTicket("the ticket's issuer is unknown here")


def _ticket(claims: dict[str, Any]) -> Ticket:
    session_id, access, ticket_id = claims.get("session_id"), claims.get("access"), claims["jti"]
    if not isinstance(session_id, str) or access not in ("read", "talk") or not isinstance(ticket_id, str):
        raise InvalidTicket("the ticket says neither which session it is for nor what it allows")
    elsewhere = claims["iss"] != OWN_ISSUER
    name = f"{claims['iss']}#{ticket_id}" if elsewhere else ticket_id
    subject, owner = claims.get("sub") or name, claims.get("owner")
    if not isinstance(owner, str | None):
        raise InvalidTicket("the ticket's `owner` is no name of a user")
    if elsewhere or "author" not in claims:
        author: Author | None = author_of(f"ticket:{name}", f"{subject} (ticket)", granted_by=owner)
    else:
        author = _author(claims["author"])
    return Ticket(name, session_id, access, float(claims["exp"]), subject, owner, author, elsewhere)


def _author(claim: Any) -> Author | None:
    try:
        return msgspec.convert(claim, Author | None)
    except msgspec.ValidationError:
        raise InvalidTicket("the ticket's `author` is none") from None


def _kept_secret(path: Path) -> bytes:
    """The random key in `path`, made if it is not there: tickets outlive the server.

    Raises:
        StorageError: It cannot be read or made, or what is there is no key.
    """
    try:
        if not os.path.lexists(path):
            _write_safely(path, secrets.token_bytes(_MIN_SECRET))
        secret = path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"the key of the tickets, {path}, cannot be read or written: {error.strerror or error}"
        ) from error
    if len(secret) < _MIN_SECRET or not any(secret):
        raise StorageError(
            f"{path} holds no key of {_MIN_SECRET} bytes, with which tickets could be signed safely: delete it, and "
            "another one is made. Tickets that were made with the old one are then refused"
        )
    return secret


def _write_safely(path: Path, content: bytes) -> None:
    """Make `path` with `content`, for its owner alone: whole and on the disk, or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the name is safe once its folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _public_key(issuer: str, pem: str) -> tuple[Any, list[str]]:
    """An issuer's key, and the algorithms that it is for: which one is not the ticket's to say."""
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        raise TraitError(f"`Tickets.issuers`: the key of {issuer!r} is no public key in PEM form: {error}") from None
    for kind, algorithms in _ALGORITHMS:
        if isinstance(key, kind):
            return key, algorithms
    raise TraitError(f"`Tickets.issuers`: keys such as that of {issuer!r} sign no tickets")
