"""The key that signs tickets: it is stored completely or not at all, and is never weak."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import jwt
import pytest
from packaging.requirements import Requirement

from reasoning_widget.server.tickets import InvalidTicket, Tickets
from reasoning_widget.session.log import StorageError
from reasoning_widget.session.store import SessionStore
from tests.server.client import new_session
from tests.server.rest import bearer, call

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


@pytest.fixture
def store(tmp_path):
    store = SessionStore(tmp_path / "sessions.db", "a test")
    yield store
    store.close()


@pytest.fixture
def key(tmp_path):
    return tmp_path / "sessions.db.key"


def forged(secret, session_id="s"):
    now = time.time()
    claims = {"iss": "reasoning-widget", "aud": "reasoning-widget", "iat": now, "exp": now + 60, "jti": "1"}
    claims |= {"session_id": session_id, "access": "talk"}
    # Like an attacker, with keys that PyJWT refuses to sign with.
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    head, body = (jwt.utils.base64url_encode(json.dumps(x).encode()) for x in ({"alg": "HS256"}, claims))
    signature = algorithm.sign(head + b"." + body, secret)
    return b".".join([head, body, jwt.utils.base64url_encode(signature)]).decode()


@pytest.mark.parametrize("content", [b"", b"x", b"\n", b"k" * 31, bytes(32), bytes(4096)])
def test_a_weak_key_is_refused_with_its_tickets(store, key, content):
    key.write_bytes(content)
    tickets = Tickets(store, key)
    with pytest.raises(StorageError, match=r"sessions\.db\.key does not contain a key of 32 bytes.*Delete the file"):
        tickets.verify(forged(content))
    with pytest.raises(StorageError, match="Delete the file"):
        tickets.mint("s", "read", 60, "me")
    assert key.read_bytes() == content, "it is left for its owner to look at"
    key.unlink()
    assert tickets.verify(tickets.mint("s", "read", 60, "me")[0]).session_id == "s"
    with pytest.raises(InvalidTicket):
        tickets.verify(forged(content))


def test_a_key_is_written_completely_or_not_at_all(store, key, monkeypatch):
    def full(_descriptor):
        assert not key.exists(), "it was renamed before it was safe"
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="cannot be read or written: No space left on device"):
            Tickets(store, key).mint("s", "read", 60, "me")
    assert not key.exists()
    assert not list(key.parent.glob("*.key.*")), "nothing is left beside it"

    token, _ = Tickets(store, key).mint("s", "read", 60, "me")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) >= 32
    assert Tickets(store, key).verify(token).subject == "me", "the next process has the same key"


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("/nowhere/at/all")])
def test_a_key_that_is_not_a_file_is_reported(store, key, make):
    make(key)
    with pytest.raises(StorageError, match=r"sessions\.db\.key, cannot be read or written"):
        Tickets(store, key).mint("s", "read", 60, "me")


def test_the_required_pyjwt_rejects_empty_keys():
    lines = [line.strip(' ",') for line in PROJECT.read_text().splitlines() if "pyjwt" in line]
    (requirement,) = map(Requirement, lines)
    allowed = [requirement.specifier.contains(version) for version in ("2.10.0", "2.12.1", "2.13.0")]
    assert allowed == [False, False, True]


async def test_with_an_empty_key_file_tickets_are_refused_and_users_are_not(tmp_path, start_bare_server):
    path = tmp_path / "sessions.db"
    Path(f"{path}.key").touch()
    with start_bare_server(tmp_path, store_path=str(path)) as server:
        session_id = new_session()
        for secret in (b"", b"x"):
            answer = call(server, "GET", f"sessions/{session_id}", headers=bearer(forged(secret, session_id)))
            assert answer.status == 503
            assert "does not contain a key" in answer.json["message"]
        assert call(server, "POST", "tickets", {"session_id": session_id}).status == 503
        assert call(server, "GET", "sessions").status == 200
    assert "no tickets can be signed or accepted" in server.log.read_text()
