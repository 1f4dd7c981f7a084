"""`connect`: open a session of a server."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from ..protocol import check_session_id
from ..session.thread import wait
from .address import Address
from .blocking import BlockingChat
from .chat import Chat
from .link import PING_EVERY, RETRY_AFTER, Link


class connect:  # noqa: N801 (used as a function, such as `open`)
    """Connect to a session of a server: ``async with`` returns a `Chat`, ``with`` a `BlockingChat` for scripts.

    Leaving the block disconnects; the session and its runs continue. If the connection breaks, the client reconnects
    after the delays in `retry_after`. It then fetches the events that it missed, and sends the prompts of the meantime,
    each once. After the last attempt it waits for `Chat.reconnect` or a new prompt. It does not reconnect if the
    session was deleted, the ticket has expired, or the server refuses access.

    Args:
        url: The server's base address, such as ``http://localhost:8888/``; ``ws://…`` is the same.
        session_id: 1 to 128 characters of ``A-Z a-z 0-9 _ -``. A session is created with its first message.
        token: The server's token.
        ticket: A ticket for this session, instead of the token.
        retry_after: The delay before each attempt to reconnect, in seconds.
        ping_every: Seconds between heartbeats; a server that does not respond within 10 s is considered lost.
        history: Whether `steps` and `runs` include earlier events. Without them, entering a long session is faster.

    Raises:
        ValueError: The address or the session id is invalid, or both token and ticket are given.
        Disconnected: On entering: no server answers, or it cannot serve the session.
        NotAllowed: On entering: the server refuses access.
    """

    def __init__(
        self,
        url: str,
        session_id: str,
        *,
        token: str | None = None,
        ticket: str | None = None,
        retry_after: Sequence[float] = RETRY_AFTER,
        ping_every: float = PING_EVERY,
        history: bool = True,
    ) -> None:
        self._address = Address.of(url, token, ticket)
        self._session_id = check_session_id(session_id)
        self._retry_after = tuple(retry_after)
        self._ping_every = ping_every
        self._history = history
        self._chat: Chat | None = None

    def __repr__(self) -> str:
        return f"<connect {self._session_id} at {self._address.base}>"

    async def __aenter__(self) -> Chat:
        link = Link(retry_after=self._retry_after, ping_every=self._ping_every, history=self._history)
        self._chat = Chat(self._address, self._session_id, link)
        await self._chat.open()
        return self._chat

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._chat is not None:
            await self._chat.close()

    def __enter__(self) -> BlockingChat:
        return BlockingChat(wait(self.__aenter__()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wait(self.__aexit__(kind, error, trace))
