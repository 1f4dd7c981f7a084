"""Which page writes an output, where several share a notebook, as with jupyter-collaboration.

Each page has a copy of the same document. Two that replace an output at the same time add one to it, for neither knows
of the other's. So one page writes it, and the kernel says which.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from ..protocol import Frame

ANSWER_WITHIN: Final = 10.0
"""In seconds: a page that draws a long notebook is busy, and has not gone."""


class Pages:
    """The pages that share the notebook of a chat. Lives on the session's loop.

    An output is written by the page that ran its cell, for there JupyterLab itself puts the kernel's updates into it;
    where that has gone, by the page that came first of those that are left.

    Args:
        tell: Sends a frame to all of them.
        answer_within: How long a page may take to say that it is there, in seconds.
    """

    def __init__(self, tell: Callable[[Frame], None], answer_within: float = ANSWER_WITHIN) -> None:
        self._tell = tell
        self._answer_within = answer_within
        self._pages: list[str] = []
        self._unheard: set[str] = set()
        self._heard_all = asyncio.Event()

    def here(self, page: str) -> None:
        """A page says that it is there; unless it was asked to, it has come, or may have missed who else is."""
        if page in self._unheard:
            self._settle({page})
            return
        if page not in self._pages:
            self._pages.append(page)
        self._announce()

    def gone(self, page: str) -> None:
        """A page says that it goes."""
        if page in self._pages:
            self._pages.remove(page)
            self._settle({page})
            self._announce()

    async def writes(self, page: str, ran_by: str | None) -> bool:
        """Whether `page` is the one that writes an output whose cell `ran_by` had run.

        Where another one does, it is asked whether it is still there, and loses the role if it does not answer.
        """
        if page not in self._pages or page in self._unheard:
            self.here(page)
        if self._writer(ran_by) != page:
            await self._look_around(page)
        return self._writer(ran_by) == page

    def _writer(self, ran_by: str | None) -> str | None:
        if ran_by in self._pages:
            return ran_by
        return self._pages[0] if self._pages else None

    async def _look_around(self, asking: str) -> None:
        """Ask who is there, and forget who does not answer."""
        if not self._unheard:
            self._heard_all.clear()
            self._unheard = set(self._pages) - {asking}
            self._announce(answer=True)
        try:
            await asyncio.wait_for(self._heard_all.wait(), self._answer_within)
        except TimeoutError:
            for page in list(self._unheard):
                self.gone(page)

    def _settle(self, pages: set[str]) -> None:
        self._unheard -= pages
        if not self._unheard:
            self._heard_all.set()

    def _announce(self, *, answer: bool = False) -> None:
        self._tell({"type": "pages", "data": {"pages": list(self._pages), "answer": answer}})
