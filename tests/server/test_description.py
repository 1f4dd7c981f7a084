"""The descriptions of the WebSocket are true: docs/protocol.md, the schemas, the AsyncAPI file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from functools import cache
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from reasoning_widget.export.log import session_file
from reasoning_widget.fold import new_transcript, receive
from reasoning_widget.protocol import CLIENT_MESSAGES, SERVER_MESSAGES, Frame, parse_client_message
from tests.fixtures import make_schemas
from tests.server.client import connected, new_session
from tests.server.laws import checked
from tests.test_docs import ROOT, blocks

PROTOCOL = ROOT / "docs" / "protocol.md"
ASYNCAPI_SCHEMA = ROOT / "js" / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0.json"
AGAIN = "run `python -m tests.fixtures.make_schemas`"


def conversation() -> list[tuple[str, Any]]:
    """Return the messages of the example, each with its direction."""
    (text,) = blocks(PROTOCOL, "text")
    return [(line[0], json.loads(line[1:])) for line in text.splitlines()]


def examples() -> list[Any]:
    """Return every message in the document."""
    return [json.loads(block) for block in blocks(PROTOCOL, "json")] + [message for _, message in conversation()]


def name_of(message: Any) -> str:
    return f"{'server' if 'data' in message else 'client'}_{message['type']}"


@cache
def asyncapi() -> Any:
    return yaml.safe_load(make_schemas.ASYNCAPI_FILE.read_text("utf-8"))


def check(message: Any) -> None:
    """Validate a message against the AsyncAPI file."""
    components = asyncapi()["components"]
    schema = components["messages"][name_of(message)]["payload"]
    jsonschema.Draft202012Validator({**schema, "components": components}).validate(message)


# Generated files


def test_the_schema_file_is_up_to_date():
    assert make_schemas.SCHEMA_FILE.read_text("utf-8") == make_schemas.schema(), AGAIN


def test_the_asyncapi_file_is_up_to_date():
    assert make_schemas.ASYNCAPI_FILE.read_text("utf-8") == make_schemas.asyncapi(), AGAIN


def test_the_tables_of_messages_are_up_to_date():
    assert PROTOCOL.read_text("utf-8") == make_schemas.document(), AGAIN


def test_the_asyncapi_file_is_valid():
    schema = json.loads(ASYNCAPI_SCHEMA.read_text("utf-8"))
    validator = jsonschema.Draft7Validator(schema)
    assert [error.message for error in validator.iter_errors(asyncapi())] == []
    assert not validator.is_valid({**asyncapi(), "channels": {"session": {"address": 5}}})


def test_the_asyncapi_file_is_served(server):
    with urllib.request.urlopen(server.request("GET", "reasoning-widget/api/asyncapi.yaml")) as answer:
        assert answer.headers["Content-Type"] == "application/yaml"
        assert answer.read() == make_schemas.ASYNCAPI_FILE.read_bytes()


async def test_the_frames_of_a_server_match_the_asyncapi_file(server):
    async with connected(server, new_session()) as client:
        await client.ask("3", "count")
        await client.until("run_finished")
        await client.ask("go", "question")
        request = await client.until("request")
        await client.send("answer", request_id=request["data"]["request_id"], value="blue")
        await client.until("run_finished")
        await client.ask("go", "wait", message_id="waits")
        await client.until("reasoning_step")
        await client.ask("later", message_id="queued")
        await client.send("withdraw", "w", message_id="queued")
        await client.send("withdraw", "x", message_id="unknown")
        await client.until("error")
        await client.send("stop")
        await client.until("run_finished")
        await client.send("ping")
        await client.until("pong")
    for frame in client.frames:
        check(frame)
    assert len({frame["type"] for frame in client.frames}) > 10


# The document


@pytest.mark.parametrize("message", examples(), ids=lambda message: message["type"])
def test_the_examples_are_valid_messages(message):
    table = SERVER_MESSAGES if "data" in message else CLIENT_MESSAGES
    declared = table[message["type"]]
    if "socket" in declared.transports:
        check(message)
    kind: Any = declared.content
    if "data" in message:
        msgspec.convert(message["data"], kind)
        assert set(message["data"]) <= kind.__required_keys__ | kind.__optional_keys__
    else:
        transport: Any = next(each for each in ("socket", "comm") if each in declared.transports)
        parse_client_message(message, transport)
        assert set(message.get("payload", {})) <= kind.__required_keys__ | kind.__optional_keys__


def test_the_example_of_a_conversation_is_consistent():
    frames: list[Frame] = [message for who, message in conversation() if who == "←"]
    state = new_transcript()
    assert "gap" not in [receive(state, frame) for frame in frames]
    opening, events = frames[0]["data"], [frame for frame in frames if "seq" in frame]
    checked(session_file(opening["session_id"], opening["epoch"], events), state)
    assert [step["content"] for step in state["steps"].values()][-1] == "It is 4,806 m high."
    asked = next(message for who, message in conversation() if who == "→")
    assert state["messages"][0]["id"] == asked["id"]


def test_every_message_and_error_code_is_documented():
    told = PROTOCOL.read_text("utf-8")
    tables = (CLIENT_MESSAGES, SERVER_MESSAGES)
    kinds = {kind for table in tables for kind, each in table.items() if "socket" in each.transports}
    assert {kind for kind in kinds if f"`{kind}`" not in told} == set()
    sources = [*(ROOT / "reasoning_widget" / "session").glob("*.py"), *(ROOT / "reasoning_widget").glob("*/sockets.py")]
    sources.append(ROOT / "reasoning_widget" / "protocol.py")
    codes = {code for source in sources for code in re.findall(r'ProtocolError\(\s*"(\w+)"', source.read_text("utf-8"))}
    assert len(codes) > 10
    assert {code for code in codes if f"`{code}`" not in told} == set()


def test_the_three_line_client_works(server):
    """Run the example in a process, with the address, token and agent of the test."""
    (code,) = blocks(PROTOCOL, "py")
    for theirs, ours in (
        ("ws://localhost:8888/ws/chat/my-first-session", server.socket_url(new_session())),
        ("YOUR_TOKEN", server.token),
        ('"researcher"', '"echo"'),
    ):
        assert theirs in code
        code = code.replace(theirs, ours)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "thought Repeat it.\nfinal_answer You said: Your question here\n"
