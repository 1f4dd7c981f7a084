"""Credentials in the logs of the websockets library."""

import asyncio
import logging

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from reasoning_widget.compat.websockets import logger_without_secrets

NAME = "tests.compat.websockets"
HEADERS = {"Authorization": "token xylophone"}


async def opening_handshake(logger):
    async def wait_closed(socket):
        await socket.wait_closed()

    async with serve(wait_closed, "127.0.0.1", 0, logger=logging.getLogger("tests.compat.server")) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", additional_headers=HEADERS, logger=logger):
            pass


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG, NAME)
    return caplog


def test_websockets_is_as_the_seam_expects(log):
    """Canary: if this fails, websockets has changed, and `compat/websockets.py` must be adapted."""
    asyncio.run(opening_handshake(logging.getLogger(NAME)))
    records = [record for record in log.records if record.args == ("Authorization", "token xylophone")]
    assert [record.msg for record in records] == ["> %s: %s"]


def test_credentials_are_masked_in_the_log(log):
    asyncio.run(opening_handshake(logger_without_secrets(f"{NAME}.masked")))
    assert "Authorization: (not shown)" in log.text
    assert "xylophone" not in log.text
