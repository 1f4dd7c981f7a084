"""Canaries: Qwen-Agent's MCP client works as the replacements assume, and still has the errors that they correct."""

from __future__ import annotations

import asyncio
import inspect
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from qwen_agent.tools.mcp_manager import MCPClient, MCPManager

from reasoning_widget.compat.qwen import mcp

pytestmark = pytest.mark.slow

SERVER = {"command": sys.executable, "args": [str(Path(__file__).parents[2] / "agents" / "qwen" / "mcp_server.py")]}


def test_the_replaced_methods_have_these_parameters() -> None:
    parameters = {name: list(inspect.signature(method).parameters) for name, method in mcp._originals.items()}

    assert parameters == {
        "connection_server": ["self", "mcp_server_name", "mcp_server"],
        "cleanup": ["self"],
        "execute_function": ["self", "tool_name", "tool_args"],
        "__init__": ["self"],
        "create_tool_class": [
            "self",
            "register_name",
            "register_client_id",
            "tool_name",
            "tool_desc",
            "tool_parameters",
        ],
    }
    assert {"exit_stack", "client_id", "session"} <= set(vars(MCPClient()))
    assert inspect.iscoroutinefunction(MCPClient.reconnect)
    assert {"clients", "loop", "loop_thread"} <= set(vars(MCPManager()))


async def test_qwen_agent_still_returns_an_error_as_text() -> None:
    class Session:
        async def send_ping(self) -> None:
            pass

        async def call_tool(self, name: str, arguments: Any) -> Any:
            return SimpleNamespace(isError=True, content=[SimpleNamespace(type="text", text="no such thing")])

    client = MCPClient()
    client.session = Session()

    assert await mcp._originals["execute_function"](client, "look", {}) == "no such thing"


def test_qwen_agent_still_opens_http_by_a_deprecated_name() -> None:
    from mcp.client.streamable_http import streamablehttp_client

    assert "streamablehttp_client(" in inspect.getsource(mcp._originals["connection_server"])
    deprecated = inspect.unwrap(streamablehttp_client, stop=lambda each: hasattr(each, "__deprecated__"))
    assert "streamable_http_client" in deprecated.__deprecated__


async def test_qwen_agent_still_does_not_say_which_server_is_missing() -> None:
    server = {"command": "/no/such/command", "args": []}

    with pytest.raises(FileNotFoundError) as caught:
        await mcp._originals["connection_server"](MCPClient(), "missing", server)
    assert "missing" not in str(caught.value)


async def test_qwen_agent_still_cannot_close_a_connection_from_another_task() -> None:
    client = MCPClient()
    await asyncio.create_task(mcp._originals["connection_server"](client, "lab", SERVER))

    with pytest.raises(RuntimeError, match="different task"):
        await asyncio.create_task(mcp._originals["cleanup"](client))


def test_a_running_manager_is_found() -> None:
    assert mcp.running_manager() is MCPManager()
