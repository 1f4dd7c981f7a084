"""Which page writes an output if several pages share a notebook."""

from __future__ import annotations

import asyncio

from reasoning_widget.protocol import JSON, Frame
from reasoning_widget.widget.link import saved_frame
from reasoning_widget.widget.pages import Pages


class Browser:
    """Pages that know of each other. The `asleep` ones send nothing."""

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
        """Return the pages that write an output."""
        return [page for page in ("a", "b", "c") if await self.kernel.writes(page, ran_by)]


async def test_the_page_that_ran_the_cell_writes() -> None:
    for ran_by in ("a", "b", "c"):
        assert await Browser("a", "b", "c").writers(ran_by) == [ran_by]


async def test_the_first_page_writes_an_output_that_no_page_ran() -> None:
    for ran_by in (None, "a page of yesterday"):
        assert await Browser("b", "a", "c").writers(ran_by) == ["b"]


async def test_a_page_that_announces_its_departure_hands_over_the_role() -> None:
    browser = Browser("a", "b", "c")
    browser.kernel.remove("b")
    assert browser.heard[-1] == {"pages": ["a", "c"], "answer": False}
    assert await browser.kernel.writes("a", "b")
    assert not await browser.kernel.writes("c", "b")


async def test_a_page_that_disappeared_loses_the_role_when_another_asks() -> None:
    browser = Browser("a", "b", "c", asleep=("a",))
    assert await browser.kernel.writes("b", "a")
    assert browser.heard[-1] == {"pages": ["b", "c"], "answer": False}
    assert not await browser.kernel.writes("c", "a")


async def test_of_two_pages_that_ask_at_once_only_one_becomes_the_writer() -> None:
    browser = Browser("a", "b", "c", asleep=("a",))
    c, b = await asyncio.gather(browser.kernel.writes("c", "a"), browser.kernel.writes("b", "a"))
    assert (c, b) == (False, True)


async def test_a_page_that_returns_writes_what_it_ran() -> None:
    browser = Browser("a", "b", asleep=("a",))
    assert await browser.kernel.writes("b", "a")
    browser.kernel.add("a")
    assert browser.heard[-1]["pages"] == ["b", "a"]
    assert await browser.kernel.writes("a", "a")


async def test_a_forgotten_page_is_known_again_when_it_asks() -> None:
    browser = Browser()
    assert await browser.kernel.writes("a", None)
    assert browser.heard == [{"pages": ["a"], "answer": False}]


async def test_a_page_that_is_alone_is_asked_nothing() -> None:
    browser = Browser("a", "b")
    told = len(browser.heard)
    assert await browser.kernel.writes("a", "a")
    assert len(browser.heard) == told


async def test_a_snapshot_is_sent_only_to_the_page_that_writes_it() -> None:
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
