"""Choose the page that writes an output, if several pages share a notebook, as with jupyter-collaboration.

Each page has a copy of the same document. If two pages replace an output at the same time, the merged document has two
outputs. So only one page writes it, and the kernel chooses which.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from ..protocol import Frame

REPLY_TIMEOUT: Final = 10.0
"""Seconds. Pages can be busy for long, for example while they draw a long notebook."""


class Pages:
    """The pages that share the notebook of a chat. Use it on the session's event loop.

    An output is written by the page that ran its cell, because JupyterLab itself inserts the kernel's updates there. If
    that page is gone, the page that has been present for longest writes it.

    Args:
        send: Sends a frame to all pages.
        reply_timeout: The time in which a page must say that it is present, in seconds.
    """

    def __init__(self, send: Callable[[Frame], None], reply_timeout: float = REPLY_TIMEOUT) -> None:
        self._send = send
        self._reply_timeout = reply_timeout
        self._pages: list[str] = []
        self._silent: set[str] = set()
        self._all_replied = asyncio.Event()

    def add(self, page: str) -> None:
        """Note that a page is present. Unless this is a reply, announce all pages, because it may have missed some."""
        if page in self._silent:
            self._note_replies({page})
            return
        if page not in self._pages:
            self._pages.append(page)
        self._announce()

    def remove(self, page: str) -> None:
        """Note that a page leaves."""
        if page in self._pages:
            self._pages.remove(page)
            self._note_replies({page})
            self._announce()

    async def writes(self, page: str, ran_by: str | None) -> bool:
        """Return whether `page` writes an output whose cell was run by the page `ran_by`.

        If another page does, it is asked whether it is still present, and loses the role if it does not reply.
        """
        if page not in self._pages or page in self._silent:
            self.add(page)
        if self._writer(ran_by) != page:
            await self._ask_presence(page)
        return self._writer(ran_by) == page

    def _writer(self, ran_by: str | None) -> str | None:
        if ran_by in self._pages:
            return ran_by
        return self._pages[0] if self._pages else None

    async def _ask_presence(self, asking: str) -> None:
        """Ask which pages are present, and remove those that do not reply."""
        if not self._silent:
            self._all_replied.clear()
            self._silent = set(self._pages) - {asking}
            self._announce(answer=True)
        try:
            await asyncio.wait_for(self._all_replied.wait(), self._reply_timeout)
        except TimeoutError:
            for page in list(self._silent):
                self.remove(page)

    def _note_replies(self, pages: set[str]) -> None:
        self._silent -= pages
        if not self._silent:
            self._all_replied.set()

    def _announce(self, *, answer: bool = False) -> None:
        self._send({"type": "pages", "data": {"pages": list(self._pages), "answer": answer}})
