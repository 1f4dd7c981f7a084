"""A chat in a page, found by the names that assistive technology reads: these names are a contract."""

from __future__ import annotations

import re

from playwright.sync_api import FilePayload, Locator, expect

CHAT_WITH = re.compile(r"^Chat with ")


class Chat:
    """A chat, or the part of one that `ask` shows."""

    def __init__(self, region: Locator) -> None:
        self.region = region
        self.message = region.get_by_role("textbox", name="Message", exact=True)
        self.send = region.get_by_role("button", name="Send", exact=True)
        self.stop = region.get_by_role("button", name="Stop", exact=True)
        self.clear = region.get_by_role("button", name="Clear", exact=True)
        self.agent = region.get_by_role("combobox", name="Agent", exact=True)
        self.reasoning = region.get_by_role("switch", name="Reasoning", exact=True)
        self.cards = region.get_by_role("article")
        self.attach = region.get_by_role("button", name="Attach", exact=True)
        self.attachments = region.get_by_role("list", name="Attachments", exact=True).get_by_role("listitem")
        self.questions = region.get_by_role("group", name="You", exact=True)

    def card(self, name: str, index: int = 0) -> Locator:
        """The card whose name begins with this text, such as "Thought" or "Thought, step 1"."""
        return self.region.get_by_role("article", name=re.compile(rf"^{re.escape(name)}\b")).nth(index)

    def fold(self, name: str) -> Locator:
        """The button that folds a card."""
        return self.card(name).locator("[aria-expanded]").first

    def ask(self, text: str) -> None:
        """Type a question and send it."""
        self.message.fill(text)
        self.send.click()

    def choose_files(self, *files: FilePayload) -> None:
        """Attach files with the browser's dialog."""
        with self.region.page.expect_file_chooser() as chooser:
            self.attach.click()
        chooser.value.set_files(files)

    def remove(self, name: str) -> Locator:
        """The button that removes an attachment."""
        return self.region.get_by_role("button", name=f"Remove {name}", exact=True)

    def expect_cards(self, *names: str) -> None:
        """Wait until there are exactly these cards, in this order."""
        expect(self.cards).to_have_count(len(names))
        for card, name in zip(self.cards.all(), names, strict=True):
            expect(card).to_have_accessible_name(re.compile(rf"^{name}, step \d+"))

    def expect_ready(self) -> None:
        """Wait until the next question can be asked."""
        expect(self.stop).to_be_disabled()
        expect(self.message).to_be_editable()

    def open(self, name: str) -> Locator:
        """Unfold a card if it is folded."""
        if self.fold(name).get_attribute("aria-expanded") == "false":
            self.fold(name).click()
        return self.card(name)
