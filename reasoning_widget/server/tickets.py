"""Tickets: JSON Web Tokens for programs that must not have the server's own token.

A ticket gives access to one session for a limited time, to read it or to take part in it as well. The server signs its
own tickets with a secret key, and accepts the tickets of configured issuers by their public keys. The claims are the
registered ones of RFC 7519 (`iss`, `aud`, `sub`, `iat`, `exp`, `jti`), and `session_id`, `access`, `owner` (of the
session) and, in the server's own tickets, `author` (of the holder's messages).
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

import msgspec
from traitlets import Dict, Float, TraitError, Unicode, validate
from traitlets.config import LoggingConfigurable

from ..protocol import Author, check_session_id
from ..session.log import StorageError
from ..session.store import IssuedTicket, SessionStore
from .access import author_of

Access = Literal["read", "talk"]

OWN_ISSUER: Final = "reasoning-widget"
AUDIENCE: Final = "reasoning-widget"

_MAX_TICKET_LENGTH: Final = 8192
_LEEWAY_SECONDS: Final = 5.0  # the difference that is accepted between an issuer's clock and ours
_MAX_HOLDER_LENGTH: Final = 40  # of the name of a ticket's holder
_MIN_SECRET_BYTES: Final = 32  # the size of the hash, as RFC 7518, section 3.2, requires
_REQUIRED_CLAIMS: Final = ["iss", "aud", "iat", "exp", "jti"]


class InvalidTicket(ValueError):
    """A ticket that is not accepted. The message says why, and never quotes the ticket."""


@dataclass(frozen=True)
class Ticket:
    """The content of a ticket that is valid.

    Attributes:
        id: Identifies the ticket when it is revoked. The ids of other issuers have a prefix.
        session_id: The session to which the ticket gives access.
        access: ``read``, or ``talk`` to take part in the session as well.
        expires: When the ticket expires, in seconds since the epoch.
        subject: The holder, as named by the issuer; the ticket's id if the issuer names none.
        owner: The owner of the session when the ticket was granted, or the future owner of a session that does not
            exist yet. If another user owns the session by now, the ticket is not accepted for it. None if users are not
            identified.
        author: The author of the holder's messages; None if all messages have the same author.
        is_external: Whether another issuer has signed the ticket, and is responsible for what it gives access to.
    """

    id: str
    session_id: str
    access: Access
    expires: float
    subject: str
    owner: str | None = None
    author: Author | None = None
    is_external: bool = False

    @property
    def personal(self) -> bool:
        """Whether the holder's messages have a user as their author, rather than the ticket."""
        return self.author is not None and self.author["id"] != f"ticket:{self.id}"


@dataclass(frozen=True)
class Grant:
    """How a ticket is granted.

    Attributes:
        by_name: The display name of the user who grants the ticket.
        account: The account of that user; see `Access.account`.
        owner: The owner of the session.
        name: A name for the holder.
        personal: Whether the ticket is for a page of the user, whose messages have the user as their author.
        user: That user, as an author; only used if the ticket is personal.
    """

    by_name: str | None = None
    account: str | None = None
    owner: str | None = None
    name: str = ""
    personal: bool = False
    user: Author | None = None

    def author(self, ticket_id: str) -> Author | None:
        """Return the author of the holder's messages."""
        if self.personal:
            return self.user
        of = f" of {self.by_name}" if self.by_name else ""
        name = f"{self.name[:_MAX_HOLDER_LENGTH]} (ticket{of})" if self.name.strip() else f"Ticket{of}"
        return author_of(f"ticket:{ticket_id}", name, granted_by=self.account)


_NO_GRANT: Final = Grant()


class Tickets(LoggingConfigurable):
    """Signs and checks tickets. Configured with `c.Tickets…` in ``jupyter_server_config.py``.

    Args:
        store: Stores which tickets were issued and revoked.
        key_path: The file of the server's own key, which is used if none is configured.

    Raises:
        TraitError: A configured key is not valid.
    """

    secret = Unicode(
        help="""The key with which the server signs tickets: 32 bytes or more. If empty, a random key is used, which is
        stored beside the sessions."""
    ).tag(config=True)
    issuers = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Other issuers whose tickets are accepted: the public key of each, in PEM format, by its `iss` claim.",
    ).tag(config=True)
    max_seconds = Float(30 * 24 * 3600.0, min=1, help="The longest lifetime of a ticket, in seconds.").tag(config=True)

    def __init__(self, store: SessionStore, key_path: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._store = store
        self._key_path = key_path
        self._keys = {name: _public_key(name, pem) for name, pem in self.issuers.items()}

    @validate("secret")
    def _long_enough(self, proposal: Any) -> str:
        secret: str = proposal["value"]
        if secret and len(secret.encode()) < _MIN_SECRET_BYTES:
            raise TraitError(f"`Tickets.secret` must have at least {_MIN_SECRET_BYTES} bytes")
        return secret

    @cached_property
    def own_key(self) -> bytes:
        """The key with which the server signs tickets. Without it, tickets are refused, but everything else works.

        Raises:
            StorageError: The key's file cannot be read or created, or does not contain a key.
        """
        return self.secret.encode() or _load_or_create_secret(self._key_path)

    def mint(
        self, session_id: str, access: str, expires_in: float, subject: str, grant: Grant = _NO_GRANT
    ) -> tuple[str, Ticket]:
        """Issue a ticket, and return its signed form and its content.

        Args:
            session_id: The session, which need not exist yet.
            access: ``read`` or ``talk``.
            expires_in: The lifetime of the ticket, in seconds.
            subject: The holder.
            grant: How the ticket is granted.

        Raises:
            ValueError: An argument is out of range.
            StorageError: There is no key, or the ticket cannot be stored.
        """
        check_session_id(session_id)
        if access not in ("read", "talk"):
            raise ValueError('`access` must be "read" or "talk"')
        if not 0 < expires_in <= self.max_seconds:
            raise ValueError(f"`expires_in` must be a number of seconds up to {self.max_seconds:g}")
        now = time.time()
        ticket_id = secrets.token_hex(8)
        author = grant.author(ticket_id)
        expires = now + expires_in
        ticket = Ticket(ticket_id, session_id, cast("Access", access), expires, subject, grant.owner, author)
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
        import jwt  # loads cryptography

        token = jwt.encode(claims, self.own_key, algorithm="HS256")
        self._store.issue_ticket(ticket_id, IssuedTicket(session_id, grant.owner, grant.account, expires))
        return token, ticket

    def verify(self, token: str) -> Ticket:
        """Return the content of a ticket.

        Raises:
            InvalidTicket: The ticket is not valid, has expired or was revoked.
            StorageError: There is no key, or it cannot be read whether the ticket was revoked.
        """
        import jwt

        if len(token) > _MAX_TICKET_LENGTH:
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
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED_CLAIMS},
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
        """Revoke a ticket.

        Raises:
            StorageError: The revocation cannot be stored.
        """
        self._store.revoke_ticket(ticket_id, time.time() + self.max_seconds + _LEEWAY_SECONDS)

    def _key_of(self, issuer: object) -> tuple[Any, list[str]]:
        if issuer == OWN_ISSUER:
            return self.own_key, ["HS256"]
        if isinstance(issuer, str) and issuer in self._keys:
            return self._keys[issuer]
        raise InvalidTicket("the ticket's issuer is unknown here")


def _ticket(claims: dict[str, Any]) -> Ticket:
    session_id, access, ticket_id = claims.get("session_id"), claims.get("access"), claims["jti"]
    if not isinstance(session_id, str) or access not in ("read", "talk") or not isinstance(ticket_id, str):
        raise InvalidTicket("the ticket needs the claims `session_id`, a string, and `access`, `read` or `talk`")
    is_external = claims["iss"] != OWN_ISSUER
    name = f"{claims['iss']}#{ticket_id}" if is_external else ticket_id
    subject, owner = claims.get("sub") or name, claims.get("owner")
    if not isinstance(owner, str | None):
        raise InvalidTicket("the ticket's claim `owner` must be the name of a user")
    if is_external or "author" not in claims:
        author: Author | None = author_of(f"ticket:{name}", f"{subject} (ticket)", granted_by=owner)
    else:
        author = _author(claims["author"])
    return Ticket(name, session_id, access, float(claims["exp"]), subject, owner, author, is_external)


def _author(claim: Any) -> Author | None:
    try:
        return msgspec.convert(claim, Author | None)
    except msgspec.ValidationError:
        raise InvalidTicket("the ticket's claim `author` is not an author") from None


def _load_or_create_secret(path: Path) -> bytes:
    """Return the random key in a file, which is created if it does not exist: tickets outlive the server's process.

    Raises:
        StorageError: The file cannot be read or created, or does not contain a key.
    """
    try:
        if not os.path.lexists(path):
            _write_atomically(path, secrets.token_bytes(_MIN_SECRET_BYTES))
        secret = path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"the key for tickets, {path}, cannot be read or written: {error.strerror or error}"
        ) from error
    if len(secret) < _MIN_SECRET_BYTES or not any(secret):
        raise StorageError(
            f"{path} does not contain a key of {_MIN_SECRET_BYTES} bytes, so tickets cannot be signed safely. Delete "
            "the file to have a new key created. Tickets that were signed with the old key will be refused"
        )
    return secret


def _write_atomically(path: Path, content: bytes) -> None:
    """Create a file that only its owner may read. If this fails, even by a crash, there is no file."""
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
    if os.name == "posix":  # the new name is on the disk once its folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _public_key(issuer: str, pem: str) -> tuple[Any, list[str]]:
    """Return an issuer's key and its algorithms, so that a ticket cannot choose another algorithm.

    Raises:
        TraitError: The text is not a public key, or not one for signatures.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        raise TraitError(
            f"`Tickets.issuers`: the key of {issuer!r} is not a public key in PEM format: {error}"
        ) from None
    if isinstance(key, rsa.RSAPublicKey):
        return key, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key, ["ES256", "ES384", "ES512", "ES256K"]
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return key, ["EdDSA"]
    raise TraitError(f"`Tickets.issuers`: the key of {issuer!r} cannot sign tickets: use RSA, EC or EdDSA")
