"""Which page writes an output, where several share a notebook."""

from __future__ import annotations

import asyncio

from reasoning_widget.protocol import JSON, Frame
from reasoning_widget.widget.link import saved_frame
from reasoning_widget.widget.pages import Pages


class Browser:
    """Pages that are told of each other. Those that are `asleep` say nothing."""

    def __init__(self, *pages: str, asleep: tuple[str, ...] = ()) -> None:
        self.heard: list[JSON] = []
        self.asleep = set(asleep)
        self.kernel = Pages(self._hear, reply_timeout=0)
        for page in pages:
            self.kernel.add(page)

    def _hear(self, frame: Frame) -> None:
        assert frame["type"] == "pages"
        self.heard.append(frame["data"])
        if frame["data"]["answer"]:
            for page in set(frame["data"]["pages"]) - self.asleep:
                self.kernel.add(page)

    async def writers(self, ran_by: str | None) -> list[str]:
        """Those of the pages that write an output."""
        return [page for page in ("a", "b", "c") if await self.kernel.writes(page, ran_by)]


async def test_the_page_that_ran_the_cell_writes() -> None:
    for ran_by in ("a", "b", "c"):
        assert await Browser("a", "b", "c").writers(ran_by) == [ran_by]


async def test_an_output_that_no_page_ran_is_written_by_the_first() -> None:
    for ran_by in (None, "a page of yesterday"):
        assert await Browser("b", "a", "c").writers(ran_by) == ["b"]


async def test_a_page_that_says_that_it_goes_hands_the_role_on() -> None:
    browser = Browser("a", "b", "c")
    browser.kernel.remove("b")
    assert browser.heard[-1] == {"pages": ["a", "c"], "answer": False}
    assert await browser.kernel.writes("a", "b")
    assert not await browser.kernel.writes("c", "b")


async def test_a_page_that_is_gone_without_a_word_loses_the_role_when_another_asks() -> None:
    browser = Browser("a", "b", "c", asleep=("a",))
    assert await browser.kernel.writes("b", "a")
    assert browser.heard[-1] == {"pages": ["b", "c"], "answer": False}
    assert not await browser.kernel.writes("c", "a")


async def test_two_pages_that_ask_at_once_are_not_both_the_writer() -> None:
    browser = Browser("a", "b", "c", asleep=("a",))
    c, b = await asyncio.gather(browser.kernel.writes("c", "a"), browser.kernel.writes("b", "a"))
    assert (c, b) == (False, True)


async def test_a_page_that_comes_back_writes_what_it_ran() -> None:
    browser = Browser("a", "b", asleep=("a",))
    assert await browser.kernel.writes("b", "a")
    browser.kernel.add("a")
    assert browser.heard[-1]["pages"] == ["b", "a"]
    assert await browser.kernel.writes("a", "a")


async def test_a_page_that_was_forgotten_is_known_again_once_it_asks() -> None:
    browser = Browser()
    assert await browser.kernel.writes("a", None)
    assert browser.heard == [{"pages": ["a"], "answer": False}]


async def test_who_writes_alone_is_asked_nothing() -> None:
    browser = Browser("a", "b")
    told = len(browser.heard)
    assert await browser.kernel.writes("a", "a")
    assert len(browser.heard) == told


async def test_what_is_to_be_saved_is_sent_to_the_one_page_that_writes_it() -> None:
    browser = Browser("a", "b")

    async def forms(message_id: str | None) -> JSON:
        return {"text/plain": f"about {message_id}"}

    def wish(page: str) -> JSON:
        return {"message_id": "m", "page": page, "ran_by": "a"}

    saved = await saved_frame(wish("a"), browser.kernel, forms)
    assert saved == {"type": "saved", "data": {"page": "a", "message_id": "m", "bundle": {"text/plain": "about m"}}}
    assert await saved_frame(wish("b"), browser.kernel, forms) is None
    to_all = await saved_frame({"message_id": None}, browser.kernel, forms)
    assert to_all == {"type": "saved", "data": {"message_id": None, "bundle": {"text/plain": "about None"}}}
