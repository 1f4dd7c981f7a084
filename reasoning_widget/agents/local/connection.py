"""Authenticated connections to the local model's server.

On systems that report the peer's user, the server listens on a Unix socket, in a folder that only its user may enter.
On others it listens on a loopback port, which any user could take over. There, both ends prove that they know the key
without sending it.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import socket
import struct
import sys
import tempfile
from pathlib import Path
from typing import Final

from ..exceptions import AgentError
from .daemon import NONCE_BYTES, discard_socket, handshake_proof, receive_exactly

Address = str | int
"""The path of a Unix socket, or a port of the loopback interface."""

HAS_PEER_USER: Final = sys.platform in {"linux", "darwin"}
"""Whether Unix sockets report the user at the other end."""

_HANDSHAKE_SECONDS: Final = 5.0


class UntrustedServer(OSError):
    """The process that listens at the address is not this user's server."""


def connect(address: Address, key: str, timeout: float) -> socket.socket:
    """Connect to the server at `address`, and authenticate it. `timeout`, in seconds, is for the requests.

    Raises:
        UntrustedServer: Another user's process listens there, or one that does not know `key`.
        OSError: No process listens there, or it does not answer.
    """
    with contextlib.ExitStack() as undo:
        if isinstance(address, str):
            connected = undo.enter_context(socket.socket(socket.AF_UNIX))
            connected.settimeout(_HANDSHAKE_SECONDS)
            connected.connect(address)
            if peer_user(connected) != os.geteuid():
                raise UntrustedServer("another user listens on its socket")
        else:
            connected = undo.enter_context(socket.create_connection(("127.0.0.1", address), _HANDSHAKE_SECONDS))
            _authenticate(connected, address, key)
        connected.settimeout(timeout)
        undo.pop_all()
    return connected


def peer_user(connected: socket.socket) -> int:
    """Return the user id of the process at the other end of a Unix socket."""
    if sys.platform == "darwin":
        # Python has no names for SOL_LOCAL and LOCAL_PEERCRED. A `struct xucred` begins with its version and the user.
        version, user = struct.unpack_from("=II", connected.getsockopt(0, 1, 76))
        if version != 0:
            raise UntrustedServer("the system does not say who listens on its socket")
        return int(user)
    _, user, _ = struct.unpack("=iII", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(user)


def _authenticate(connected: socket.socket, port: int, key: str) -> None:
    """Check that the server knows `key`, then prove that we do; see `daemon.LoopbackProxy`."""
    ours = secrets.token_bytes(NONCE_BYTES)
    connected.sendall(ours)
    theirs = receive_exactly(connected, NONCE_BYTES)
    expected = handshake_proof(key, "server", port, ours, theirs)
    if not hmac.compare_digest(receive_exactly(connected, len(expected)), expected):
        raise UntrustedServer("another program listens on its port")
    connected.sendall(handshake_proof(key, "client", port, ours, theirs))


def new_socket_path(folder: Path) -> Path:
    """Return a path for a Unix socket, in a new folder that only this user may enter.

    The folder is below `folder`, unless its file system has no sockets or the path would be too long: the limit is 108
    bytes on Linux, and 104 on macOS.

    Raises:
        AgentError: No folder is suitable; the text says what to do.
    """
    for place in (str(folder), tempfile.gettempdir(), "/tmp"):  # noqa: S108 (the new folder in it is private)
        try:
            path = Path(tempfile.mkdtemp(prefix="run-", dir=place)) / "llm.sock"
        except OSError:
            continue
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.bind(str(path))
            path.unlink()
        except OSError:
            discard_socket(path)
        else:
            return path
    raise AgentError(
        f"The local model's server needs a place for its socket, and neither {folder} nor the folder of temporary "
        "files has one: set `TMPDIR` to a folder with a short path on a local disk."
    )
