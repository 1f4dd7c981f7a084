"""The MCP servers of Qwen-Agent's tools: how they start, what they answer, and when they end.

Qwen-Agent connects to them in one loop of the process and keeps them until it ends. Five methods are replaced: the
loop's thread belongs to no run; a connection lives in a task of its own, so that it can be closed where it was opened;
a server that cannot be started is named; its tools are known; and where the call is part of a run, an error of the
server is raised, and its pictures are kept.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import json
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future, wait
from contextvars import Context, ContextVar
from typing import Any, Final
from urllib.parse import urlsplit

from ...compat.carried import carried
from ..base import current_run
from ..errors import redact
from ..exceptions import AgentError
from .results import ShownText, picture_of

_MODULE: Final = "qwen_agent.tools.mcp_manager"
_END_GRACE: Final = 3.0
"""Seconds that whoever lets go of servers waits for their end. One that does not end with its input is told to after
two seconds, and killed after four."""

_CONNECTION: Final = "_reasoning_widget_connection"
_CLOSING: Final = "_reasoning_widget_closing"
_QUIET: Final = "_reasoning_widget_quiet"
_DEEPEST: Final = 6  # how far an agent's attributes are looked through

_users: ContextVar[tuple[object, ...]] = ContextVar("reasoning_widget_mcp_users", default=())
_lock = threading.RLock()
_held: dict[str, weakref.WeakSet[object]] = {}
"""Who uses each server, by the id of its client."""
_known_tools: weakref.WeakSet[object] = weakref.WeakSet()
_tools: dict[str, int] = {}
"""How many of each server's tools are known and still there."""
_originals: dict[str, Callable[..., Any]] = {}


class MCPServerError(AgentError):
    """An MCP server cannot be started or reached; the text says which, and why."""


class MCPToolError(AgentError):
    """An MCP server has answered a call with an error; the text is what it said."""


# Who uses them ----------------------------------------------------------------------------------------------------


def mend() -> None:
    """Put our methods in the place of Qwen-Agent's. Harmless when repeated; does nothing before it is imported."""
    module = sys.modules.get(_MODULE)
    client, manager = getattr(module, "MCPClient", None), getattr(module, "MCPManager", None)
    if client is None or manager is None:  # another thread may be in the middle of it
        return
    with _lock:
        if _originals:
            return
        for owner, name, ours in (
            (client, "connection_server", _connect),
            (client, "cleanup", _clean_up),
            (client, "execute_function", _execute),
            (manager, "__init__", _begin),
            (manager, "create_tool_class", _make_tool),
        ):
            _originals[name] = getattr(owner, name)
            setattr(owner, name, ours)
        atexit.register(_end_all)


@contextlib.contextmanager
def used(agent: Any, users: Iterable[object]) -> Iterator[None]:
    """Within the block, `agent` works for `users`: so do the servers that it starts or calls."""
    users = tuple(users)
    for user in users:
        hold(agent, user)
    token = _users.set((*users, _IN_RUN))
    try:
        with carried(_users):
            yield
    finally:
        _users.reset(token)


class _InRun:
    """Says that the code works for a run, also for one that no chat has asked for."""


_IN_RUN: Final = _InRun()


def hold(agent: Any, user: object) -> None:
    """Keep the servers whose tools `agent`, or an agent within it, has, until `user` lets go of them."""
    mend()
    for tool in _mcp_tools(agent):
        _hold_one(tool.client_id, user)
        _know(tool)


def release(user: object) -> None:
    """`user` is gone: end the servers that nobody else uses, and wait until they are gone, three seconds at most."""
    with _lock:
        mine = [client_id for client_id, users in _held.items() if user in users]
        for client_id in mine:
            _held[client_id].discard(user)
        unused = [client_id for client_id in mine if not _held[client_id]]
    _end(unused, _END_GRACE)


def _hold_one(client_id: str, user: object) -> None:
    with _lock:
        _held.setdefault(client_id, weakref.WeakSet()).add(user)


def _know(tool: Any) -> None:
    with _lock:
        if tool not in _known_tools:
            _known_tools.add(tool)
            _tools[tool.client_id] = _tools.get(tool.client_id, 0) + 1
            weakref.finalize(tool, _forget_tool, tool.client_id).atexit = False


def _forget_tool(client_id: str) -> None:
    """A tool is no more, and with the last one nobody can call its server."""
    with _lock:
        _tools[client_id] -= 1
        if _tools[client_id]:
            return
        del _tools[client_id]
        _held.pop(client_id, None)
    _end([client_id], 0)


def _end_all() -> None:
    manager = _manager()
    if manager is not None:
        _end(list(manager.clients), 2 * _END_GRACE)


def _end(client_ids: list[str], grace: float) -> None:
    """Close connections. Their clients stay: a tool that is called once more connects again."""
    manager = _manager()
    if manager is None or not client_ids or not manager.loop.is_running():
        return
    clients = [manager.clients[client_id] for client_id in client_ids if client_id in manager.clients]
    closing = [_begin_to_close(client, manager.loop) for client in clients]
    if grace:
        wait(closing, grace)


def _begin_to_close(client: Any, loop: asyncio.AbstractEventLoop) -> Future[None]:
    """Close a connection, or go on closing it."""
    with _lock:
        closing: Future[None] | None = getattr(client, _CLOSING, None)
        if closing is None or closing.done():
            closing = asyncio.run_coroutine_threadsafe(_close(client), loop)
            setattr(client, _CLOSING, closing)
        return closing


def _manager() -> Any:
    module = sys.modules.get(_MODULE)
    return getattr(module, "MCPManager")._instance if module is not None else None  # noqa: B009, SLF001 (untyped)


def _mcp_tools(agent: Any) -> Iterator[Any]:
    """The tools of MCP servers that can be found in `agent`: its own, and those of agents and tools in it."""
    from qwen_agent import Agent
    from qwen_agent.tools.base import BaseTool

    manager = _manager()
    seen: set[int] = set()
    look_at: list[tuple[Any, int]] = [(agent, 0)] if manager is not None and manager.clients else []
    while look_at:
        value, depth = look_at.pop()
        if id(value) in seen or depth > _DEEPEST:
            continue
        seen.add(id(value))
        if isinstance(value, BaseTool) and isinstance(getattr(value, "client_id", None), str):
            yield value
        elif isinstance(value, Agent | BaseTool):
            look_at += [(each, depth + 1) for each in list(vars(value).values())]
        elif isinstance(value, dict):
            look_at += [(each, depth + 1) for each in list(value.values())]
        elif isinstance(value, list | tuple):
            look_at += [(each, depth + 1) for each in value]


def _begin(manager: Any) -> None:
    """Stand in for `MCPManager.__init__`: its thread outlives the run that may have needed it first."""
    Context().run(_originals["__init__"], manager)


def _make_tool(manager: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for `MCPManager.create_tool_class`, which returns a tool: its server ends when nobody can call it."""
    tool = _originals["create_tool_class"](manager, *args, **kwargs)
    _know(tool)
    _hold_for_the_run(tool.client_id)
    return tool


# Connections ------------------------------------------------------------------------------------------------------


class _Connection:
    """An open connection, and the task in which it was opened and will be closed."""

    def __init__(self, open_and_hold: Callable[[_Connection], Coroutine[Any, Any, None]]) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.let_go = asyncio.Event()
        # It outlives the run that opens it: it must not keep that run's context.
        self.task = asyncio.get_running_loop().create_task(open_and_hold(self), context=Context())

    async def close(self) -> None:
        """Close it, and wait until it is."""
        self.let_go.set()
        await asyncio.wait({self.task})


async def _connect(client: Any, mcp_server_name: str, mcp_server: dict[str, Any]) -> None:
    """Stand in for `MCPClient.connection_server`.

    Raises:
        MCPServerError: There is no connection.
    """

    async def open_and_hold(connection: _Connection) -> None:
        try:
            async with client.exit_stack:
                await _originals["connection_server"](client, mcp_server_name, mcp_server)
                connection.opened.set_result(None)
                await connection.let_go.wait()
        except BaseException as error:  # noqa: BLE001 (a server that is gone cancels the task; whoever waits is told)
            if not connection.opened.done():
                connection.opened.set_exception(_why_not_connected(mcp_server_name, mcp_server, error))

    _keep_http_quiet()
    connection = _Connection(open_and_hold)
    setattr(client, _CONNECTION, connection)
    with _stopped_with_the_run(connection.task):
        await connection.opened


def _keep_http_quiet() -> None:
    """Qwen-Agent opens HTTP by a name of which `mcp` warns: the person who reads that can do nothing about it."""
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


async def _clean_up(client: Any) -> None:
    """Stand in for `MCPClient.cleanup`."""
    connection = getattr(client, _CONNECTION, None)
    if connection is not None:
        await connection.close()
    else:  # it was opened before our methods were in place
        await _originals["cleanup"](client)


async def _close(client: Any) -> None:
    with contextlib.suppress(Exception):  # a connection that broke is closed, too
        await _clean_up(client)


def _why_not_connected(name: str, server: dict[str, Any], error: BaseException) -> MCPServerError:
    reason = _innermost(error)
    text = redact(str(reason) or type(reason).__name__)
    if "url" in server:
        parts = urlsplit(str(server["url"]))  # its query may hold a key
        where = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
        said = f'The MCP server "{name}" cannot be reached at `{where}`: {text}. Is it running, and is `type` right?'
    elif isinstance(reason, FileNotFoundError):
        said = (
            f'The MCP server "{name}" cannot be started: there is no command `{server.get("command")}`. Install it, or '
            "correct `command` in `mcpServers`."
        )
    else:
        said = (
            f'The MCP server "{name}" (`{server.get("command")}`) could not be used: {text}. Run the command in a '
            "terminal to see what it says."
        )
    made = MCPServerError(said)
    made.__cause__ = reason if isinstance(reason, Exception) else None
    return made


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


@contextlib.contextmanager
def _stopped_with_the_run(task: asyncio.Task[Any] | None) -> Iterator[None]:
    """Within the block, stopping the run cancels the task."""
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)

    with current_run().on_stop(cancel):
        yield


def _hold_for_the_run(client_id: str) -> None:
    for user in _users.get():
        if user is not _IN_RUN:
            _hold_one(client_id, user)


# Calls ------------------------------------------------------------------------------------------------------------


async def _execute(client: Any, tool_name: str, tool_args: dict[str, Any]) -> Any:
    """Stand in for `MCPClient.execute_function`, in runs; elsewhere it is as it was.

    Returns:
        The text for the model, with the pictures that are shown.

    Raises:
        MCPToolError: The server has answered with an error.
        MCPServerError: The server is gone, and cannot be reached again.
    """
    if not _users.get():
        return await _originals["execute_function"](client, tool_name, tool_args)
    _hold_for_the_run(client.client_id)
    with _stopped_with_the_run(asyncio.current_task()):
        session = await _session_of(client)
        if tool_name == "list_resources":
            listed = await session.list_resources()
            return "\n\n".join(str(resource) for resource in listed.resources) or "No resources found"
        try:
            if tool_name == "read_resource":
                read = await session.read_resource(tool_args["uri"])
                return _joined(_resource_in_words(each) for each in read.contents)
            result = await session.call_tool(tool_name, tool_args)
        except KeyError:
            raise MCPToolError("`read_resource` takes a JSON object with `uri`.") from None
        except Exception as error:
            raise MCPToolError(redact(str(error)) or type(error).__name__) from error
    text = _joined(map(_content_in_words, result.content))
    if result.isError:
        raise MCPToolError(redact(text) or "The MCP server reported an error, and did not say which.")
    if not text and result.structuredContent:
        return json.dumps(result.structuredContent, ensure_ascii=False)
    return text


def told_of_failure(error: BaseException, text: str) -> str:
    """What the model is told of a call that failed: what its server said, rather than a traceback of Qwen-Agent's."""
    return str(error) if isinstance(error, MCPToolError) else redact(text)


async def _session_of(client: Any) -> Any:
    """The client's session; a new one if the server is gone."""
    try:
        await client.session.send_ping()
    except Exception:  # noqa: BLE001 (whatever it is, the way out is the same)
        from qwen_agent.tools.mcp_manager import MCPManager

        client = MCPManager().clients[client.client_id] = await client.reconnect()
    return client.session


def _joined(parts: Iterable[ShownText]) -> ShownText:
    """What a server returned, as one text with all pictures."""
    parts = list(parts)
    return ShownText("\n\n".join(parts), (bundle for part in parts for bundle in part.outputs))


def _content_in_words(content: Any) -> ShownText:
    """A part of a result: its text, or what it is."""
    if content.type == "text":
        return ShownText(content.text)
    if content.type == "resource":
        return _resource_in_words(content.resource)
    if content.type == "resource_link":
        return ShownText(f"[{content.name}]({content.uri})")
    return _data_in_words(content.type, getattr(content, "mimeType", None), getattr(content, "data", ""))


def _resource_in_words(resource: Any) -> ShownText:
    text = getattr(resource, "text", None)
    if isinstance(text, str):
        return ShownText(text)
    return _data_in_words("file", resource.mimeType, getattr(resource, "blob", ""))


def _data_in_words(kind: str, mime: str | None, data: str) -> ShownText:
    picture = picture_of(mime, data) if mime is not None and mime.startswith("image/") else {}
    return ShownText(f"[{kind}: {mime or 'of an unknown type'}]", [picture] if picture else ())
