"""The sidebar in a page, found by the names that assistive technology reads."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.chat import CHAT_WITH, Chat
from tests.browser.lab import choose


class Sidebar:
    """The panel with the sessions, and the tabs that show individual sessions."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.region = page.get_by_role("region", name="Agent Sessions", exact=True)
        self.sessions = self.region.get_by_role("list", name="Sessions", exact=True).get_by_role("listitem")
        self.search = self.region.get_by_role("searchbox", name="Search in all sessions")
        self.chips = page.get_by_role("list", name="Attached cells").get_by_role("listitem")
        self.status = page.locator("#jp-main-statusbar").get_by_role("button", name=re.compile(r"\d (steps?|agents)\b"))
        self.title = self.region.get_by_role("heading")

    @property
    def chat(self) -> Chat:
        """The conversation in the panel."""
        return Chat(self.region.get_by_role("region", name=CHAT_WITH))

    def tab(self, title: str) -> Locator:
        """The tab of a session."""
        return self.page.get_by_role("tab", name=title)

    def tab_chat(self) -> Chat:
        """The conversation in the active tab."""
        return Chat(
            self.page.locator("#jp-main-dock-panel").get_by_role("region", name=CHAT_WITH).locator("visible=true")
        )

    def show(self) -> None:
        """Open the panel."""
        self.command("reasoning-widget:show-panel")
        expect(self.region).to_be_visible()

    def new(self) -> Chat:
        """Create a session in the panel."""
        self.command("reasoning-widget:new-session")
        expect(self.title).to_have_text("New session")
        expect(self.chat.agent).not_to_have_value("")
        return self.chat

    def ask(self, question: str, answer: str = "Very well.") -> Chat:
        """Create a session in the panel, and wait for the answer to a question."""
        chat = self.new()
        chat.ask(question)
        expect(chat.card("Final answer")).to_contain_text(answer)
        chat.expect_ready()
        return chat

    def back(self) -> None:
        """Go back to the list."""
        self.region.get_by_role("button", name="All sessions").click()
        expect(self.search).to_be_visible()

    def session(self, title: str) -> Locator:
        """A session in the list."""
        return self.sessions.filter(has=self.page.get_by_role("button", name=re.compile(f"^{re.escape(title)}")))

    def choose(self, title: str, *items: str) -> None:
        """Choose from the menu of the session with this title, wherever it is shown."""
        self.page.get_by_role("button", name=f"Actions for {title}").first.click()
        choose(self.page, *items)

    def command(self, name: str) -> None:
        """Run a command of JupyterLab."""
        self.page.evaluate("name => void window.jupyterapp.commands.execute(name)", name)
