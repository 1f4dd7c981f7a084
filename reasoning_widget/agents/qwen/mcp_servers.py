"""The MCP servers of Qwen-Agent's tools: who uses them, when they end, and what the calls of their tools return.

A server ends with the last chat whose agent has its tools, or when the last of its tools is gone. In runs, an error of
a server is raised, and its pictures are shown; elsewhere a tool returns what it returns without this package.
`compat.qwen.mcp` says which methods of Qwen-Agent's are replaced for that.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import threading
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import urlsplit

from ...compat.carried import carried
from ...compat.qwen import mcp
from ..base import current_run
from ..errors import redact
from ..exceptions import AgentError
from .results import ShownText, picture_of

_END_TIMEOUT: Final = 3.0
"""Seconds that `release` waits for servers to end. A server that does not end with its input gets a signal after two
seconds, and is killed after four."""
_CLOSING: Final = "_reasoning_widget_closing"
_MAX_DEPTH: Final = 6
"""How deep the attributes of an agent are searched for tools."""

_users: ContextVar[tuple[object, ...]] = ContextVar("reasoning_widget_mcp_users", default=())
_lock: Final = threading.RLock()
_users_of: Final[dict[str, weakref.WeakSet[object]]] = {}
"""The users of each server, by the id of its client."""
_known_tools: Final[weakref.WeakSet[object]] = weakref.WeakSet()
_tool_counts: Final[dict[str, int]] = {}
"""How many tools of each server exist, by the id of its client."""


class MCPServerError(AgentError):
    """An MCP server cannot be started or reached; the text says which, and why."""


class MCPToolError(AgentError):
    """An MCP server answered a call with an error; the text is the server's."""


# Users ------------------------------------------------------------------------------------------------------------


def install() -> None:
    """Replace Qwen-Agent's methods, once it is imported. Later calls have no effect."""
    if mcp.replace_methods(mcp.Handlers(_tool_created, _cancelled_with_the_run, _why_not_connected, _execute)):
        atexit.register(_end_all)


@contextlib.contextmanager
def used_by(agent: Any, users: Iterable[object]) -> Iterator[None]:
    """Let `agent` work for `users` within the block, and with it the servers that it starts or calls."""
    users = tuple(users)
    for user in users:
        hold(agent, user)
    token = _users.set((*users, _IN_RUN))
    try:
        with carried(_users):
            yield
    finally:
        _users.reset(token)


_IN_RUN: Final = object()
"""Among the users while a run executes, even if no chat has asked for it."""


def hold(agent: Any, user: object) -> None:
    """Keep the servers of all tools of `agent`, and of agents within it, until `user` is released or collected."""
    install()
    for tool in _mcp_tools(agent):
        _add_user(tool.client_id, user)
        _count_tool(tool)


def release(user: object) -> None:
    """End the servers that only `user` uses, and wait up to three seconds until they have ended."""
    with _lock:
        mine = [client_id for client_id, users in _users_of.items() if user in users]
        for client_id in mine:
            _users_of[client_id].discard(user)
        unused = [client_id for client_id in mine if not _users_of[client_id]]
    _end(unused, _END_TIMEOUT)


def _add_user(client_id: str, user: object) -> None:
    with _lock:
        _users_of.setdefault(client_id, weakref.WeakSet()).add(user)


def _count_tool(tool: Any) -> None:
    with _lock:
        if tool not in _known_tools:
            _known_tools.add(tool)
            _tool_counts[tool.client_id] = _tool_counts.get(tool.client_id, 0) + 1
            weakref.finalize(tool, _forget_tool, tool.client_id).atexit = False


def _forget_tool(client_id: str) -> None:
    """Note that a tool was collected, and end its server if nobody can call that any more."""
    with _lock:
        _tool_counts[client_id] -= 1
        if _tool_counts[client_id]:
            return
        del _tool_counts[client_id]
        _users_of.pop(client_id, None)
    _end([client_id], 0)


def _end_all() -> None:
    manager = mcp.running_manager()
    if manager is not None:
        _end(list(manager.clients), 2 * _END_TIMEOUT)


def _end(client_ids: list[str], timeout: float) -> None:
    """Close connections. Their clients remain, so that a tool which is called again connects again."""
    manager = mcp.running_manager()
    if manager is None or not client_ids or not manager.loop.is_running():
        return
    clients = [manager.clients[client_id] for client_id in client_ids if client_id in manager.clients]
    closing = [_start_closing(client, manager.loop) for client in clients]
    if timeout:
        wait(closing, timeout)


def _start_closing(client: Any, loop: asyncio.AbstractEventLoop) -> Future[None]:
    """Start to close a connection, unless it is being closed."""
    with _lock:
        closing: Future[None] | None = getattr(client, _CLOSING, None)
        if closing is None or closing.done():
            closing = asyncio.run_coroutine_threadsafe(_close(client), loop)
            setattr(client, _CLOSING, closing)
        return closing


def _mcp_tools(agent: Any) -> Iterator[Any]:
    """Yield the tools of MCP servers that `agent` has, or an agent or a tool within it."""
    from qwen_agent import Agent
    from qwen_agent.tools.base import BaseTool

    manager = mcp.running_manager()
    seen: set[int] = set()
    pending: list[tuple[Any, int]] = [(agent, 0)] if manager is not None and manager.clients else []
    while pending:
        value, depth = pending.pop()
        if id(value) in seen or depth > _MAX_DEPTH:
            continue
        seen.add(id(value))
        if isinstance(value, BaseTool) and mcp.is_mcp_tool(value):
            yield value
        elif isinstance(value, Agent | BaseTool):
            pending += [(each, depth + 1) for each in list(vars(value).values())]
        elif isinstance(value, dict):
            pending += [(each, depth + 1) for each in list(value.values())]
        elif isinstance(value, list | tuple):
            pending += [(each, depth + 1) for each in value]


def _tool_created(tool: Any) -> None:
    """Count a tool, so that its server ends when nobody can call it any more, and hold the server for the run."""
    _count_tool(tool)
    _hold_for_the_run(tool.client_id)


# Connections ------------------------------------------------------------------------------------------------------


async def _close(client: Any) -> None:
    with contextlib.suppress(Exception):  # a broken connection is closed, too
        await mcp.close(client)


def _why_not_connected(name: str, server: dict[str, Any], error: BaseException) -> MCPServerError:
    reason = _innermost(error)
    text = redact(str(reason) or type(reason).__name__)
    if "url" in server:
        parts = urlsplit(str(server["url"]))  # its query may hold a key
        where = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
        message = f'The MCP server "{name}" cannot be reached at `{where}`: {text}. Is it running, and is `type` right?'
    elif isinstance(reason, FileNotFoundError):
        message = (
            f'The MCP server "{name}" cannot be started: there is no command `{server.get("command")}`. Install it, or '
            "correct `command` in `mcpServers`."
        )
    else:
        message = (
            f'The MCP server "{name}" (`{server.get("command")}`) could not be used: {text}. Run the command in a '
            "terminal to see what it says."
        )
    explained = MCPServerError(message)
    explained.__cause__ = reason if isinstance(reason, Exception) else None
    return explained


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


@contextlib.contextmanager
def _cancelled_with_the_run(task: asyncio.Task[Any] | None) -> Iterator[None]:
    """Cancel the task if the run is stopped within the block."""
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)

    with current_run().on_stop(cancel):
        yield


def _hold_for_the_run(client_id: str) -> None:
    for user in _users.get():
        if user is not _IN_RUN:
            _add_user(client_id, user)


# Calls ------------------------------------------------------------------------------------------------------------


async def _execute(original: mcp.Execute, client: Any, tool_name: str, tool_args: dict[str, Any]) -> Any:
    """Call a tool of a server. Outside of runs, this is Qwen-Agent's own method.

    Returns:
        The text for the model, with the pictures to show.

    Raises:
        MCPToolError: The server answered with an error.
        MCPServerError: The server is gone, and cannot be connected again.
    """
    if not _users.get():
        return await original(client, tool_name, tool_args)
    _hold_for_the_run(client.client_id)
    with _cancelled_with_the_run(asyncio.current_task()):
        session = await mcp.live_session(client)
        if tool_name == "list_resources":
            listed = await session.list_resources()
            return "\n\n".join(str(resource) for resource in listed.resources) or "No resources found"
        try:
            if tool_name == "read_resource":
                read = await session.read_resource(tool_args["uri"])
                return _joined(_describe_resource(each) for each in read.contents)
            result = await session.call_tool(tool_name, tool_args)
        except KeyError:
            raise MCPToolError("`read_resource` takes a JSON object with `uri`.") from None
        except Exception as error:
            raise MCPToolError(redact(str(error)) or type(error).__name__) from error
    text = _joined(map(_describe_content, result.content))
    if result.isError:
        raise MCPToolError(redact(text) or "The MCP server reported an error, and did not say which.")
    if not text and result.structuredContent:
        return json.dumps(result.structuredContent, ensure_ascii=False)
    return text


def failure_for_model(error: BaseException, text: str) -> str:
    """Return the result of a failed call for the model: what the server said, instead of Qwen-Agent's traceback."""
    return str(error) if isinstance(error, MCPToolError) else redact(text)


def _joined(parts: Iterable[ShownText]) -> ShownText:
    """Join the parts of a result to one text with all pictures."""
    parts = list(parts)
    return ShownText("\n\n".join(parts), (bundle for part in parts for bundle in part.outputs))


def _describe_content(content: Any) -> ShownText:
    """Return the text of a part of a result, or a description of the part."""
    if content.type == "text":
        return ShownText(content.text)
    if content.type == "resource":
        return _describe_resource(content.resource)
    if content.type == "resource_link":
        return ShownText(f"[{content.name}]({content.uri})")
    return _describe_data(content.type, getattr(content, "mimeType", None), getattr(content, "data", ""))


def _describe_resource(resource: Any) -> ShownText:
    text = getattr(resource, "text", None)
    if isinstance(text, str):
        return ShownText(text)
    return _describe_data("file", resource.mimeType, getattr(resource, "blob", ""))


def _describe_data(kind: str, mime: str | None, data: str) -> ShownText:
    picture = picture_of(mime, data) if mime is not None and mime.startswith("image/") else {}
    return ShownText(f"[{kind}: {mime or 'of an unknown type'}]", [picture] if picture else ())
