"""Qwen-Agent's MCP client: connections that can be closed, and errors that are raised.

For qwen-agent 0.0.31 to 0.0.34 with mcp 1.20 and later 1.x. Qwen-Agent connects to all servers in one event loop of the
process, and keeps them until it ends. Five of its methods are replaced for the rest of the process; without that,

- a server runs until the process ends, because `AsyncExitStack` can only be closed in the task that opened it;
- the thread of the event loop inherits the context variables of the run that needed it first;
- an exception does not say which server could not be started;
- an error of a server is an ordinary result, and its pictures are lost:
  https://github.com/QwenLM/Qwen-Agent/issues/489
- `mcp` warns about the name by which Qwen-Agent opens HTTP, in the output of the cell.

A server that is gone is connected again, as Qwen-Agent does: https://github.com/QwenLM/Qwen-Agent/issues/512
"""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from contextvars import Context
from typing import Any, Final, NamedTuple

_MODULE: Final = "qwen_agent.tools.mcp_manager"
_CONNECTION: Final = "_reasoning_widget_connection"
_QUIET: Final = "_reasoning_widget_quiet"

_lock: Final = threading.Lock()
_originals: Final[dict[str, Callable[..., Any]]] = {}

Execute = Callable[[Any, str, dict[str, Any]], Awaitable[Any]]
"""Calls a tool of a client's server, given the tool's name and its arguments."""


class Handlers(NamedTuple):
    """What is done at the replaced methods."""

    tool_created: Callable[[Any], object]
    """Called with each tool that is created for a server."""
    while_connecting: Callable[[asyncio.Task[None]], AbstractContextManager[None]]
    """Entered while a connection is opened by that task."""
    explain: Callable[[str, dict[str, Any], BaseException], Exception]
    """Makes the exception for a server that cannot be connected, from its name, its configuration and the cause."""
    execute: Callable[[Execute, Any, str, dict[str, Any]], Awaitable[Any]]
    """Calls a tool; it gets Qwen-Agent's own method and that method's arguments."""


def replace_methods(handlers: Handlers) -> bool:
    """Replace the methods, once.

    Returns:
        Whether they were replaced now; False if they were before, or if Qwen-Agent is not imported yet.
    """
    module = sys.modules.get(_MODULE)
    client, manager = getattr(module, "MCPClient", None), getattr(module, "MCPManager", None)
    if client is None or manager is None:  # another thread may be importing it
        return False
    with _lock:
        if _originals:
            return False
        replacements = _Replacements(handlers)
        for owner, name, replacement in (
            (client, "connection_server", replacements.connection_server),
            (client, "cleanup", replacements.cleanup),
            (client, "execute_function", replacements.execute_function),
            (manager, "__init__", replacements.init_manager),
            (manager, "create_tool_class", replacements.create_tool_class),
        ):
            _originals[name] = getattr(owner, name)
            setattr(owner, name, _as_method(replacement))
    return True


def running_manager() -> Any:
    """Return Qwen-Agent's `MCPManager`, or None if no server was ever started."""
    return getattr(getattr(sys.modules.get(_MODULE), "MCPManager", None), "_instance", None)


def is_mcp_tool(tool: Any) -> bool:
    """Return whether `tool` calls an MCP server."""
    return isinstance(getattr(tool, "client_id", None), str)


async def live_session(client: Any) -> Any:
    """Return the session of `client`, or a new one if the server is gone.

    Raises:
        Exception: What `Handlers.explain` returns: the server cannot be connected again.
    """
    try:
        await client.session.send_ping()
    except Exception:  # noqa: BLE001 (of any transport: reconnecting is the only remedy)
        manager = running_manager()
        client = manager.clients[client.client_id] = await client.reconnect()
    return client.session


async def close(client: Any) -> None:
    """Close the connection of `client`, and wait until its server has ended."""
    await client.cleanup()


class _Connection:
    """An open connection, and the task in which it is opened and closed."""

    def __init__(self, open_and_hold: Callable[[_Connection], Coroutine[Any, Any, None]]) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closing = asyncio.Event()
        # It outlives the run that opens it, and must not keep that run's context alive.
        self.task = asyncio.get_running_loop().create_task(open_and_hold(self), context=Context())

    async def close(self) -> None:
        """Close the connection, and wait until it is closed."""
        self.closing.set()
        await asyncio.wait({self.task})


class _Replacements:
    """The replacements of Qwen-Agent's methods, by their names there."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    def init_manager(self, manager: Any) -> None:
        """Start the thread of the event loop outside the context of the current run."""
        Context().run(_originals["__init__"], manager)

    def create_tool_class(self, manager: Any, *args: Any, **kwargs: Any) -> Any:
        """Create a tool; Qwen-Agent's method returns an instance."""
        tool = _originals["create_tool_class"](manager, *args, **kwargs)
        self._handlers.tool_created(tool)
        return tool

    async def connection_server(self, client: Any, mcp_server_name: str, mcp_server: dict[str, Any]) -> None:
        """Connect to a server in a task of its own."""

        async def open_and_hold(connection: _Connection) -> None:
            try:
                async with client.exit_stack:
                    await _originals["connection_server"](client, mcp_server_name, mcp_server)
                    connection.opened.set_result(None)
                    await connection.closing.wait()
            except BaseException as error:  # noqa: BLE001 (a lost server cancels the task; the waiter gets the reason)
                if not connection.opened.done():
                    connection.opened.set_exception(self._handlers.explain(mcp_server_name, mcp_server, error))

        _silence_http_warning()
        connection = _Connection(open_and_hold)
        setattr(client, _CONNECTION, connection)
        with self._handlers.while_connecting(connection.task):
            await connection.opened

    async def cleanup(self, client: Any) -> None:
        """Close the connection in its own task."""
        connection = getattr(client, _CONNECTION, None)
        if connection is not None:
            await connection.close()
        else:  # it was opened before the methods were replaced
            await _originals["cleanup"](client)

    async def execute_function(self, client: Any, tool_name: str, tool_args: dict[str, Any]) -> Any:
        """Call a tool of a server."""
        return await self._handlers.execute(_originals["execute_function"], client, tool_name, tool_args)


def _as_method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, which is bound already, as a function that a class can have as a method."""

    @functools.wraps(function)
    def method(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return method


def _silence_http_warning() -> None:
    from mcp.client import streamable_http

    original = streamable_http.streamablehttp_client
    if getattr(original, _QUIET, False):
        return

    @functools.wraps(original)
    def quiet(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return original(*args, **kwargs)

    setattr(quiet, _QUIET, True)
    streamable_http.streamablehttp_client = quiet
