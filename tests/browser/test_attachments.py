"""Images and files that are attached to a prompt: chosen, pasted, dropped, sent, and shown again."""

from __future__ import annotations

import base64
import hashlib
import io
import random
import re

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.browser.accessibility import heard, listen, violations
from tests.browser.chat import Chat
from tests.browser.lab import DARK, LIGHT
from tests.browser.look import contrasts
from tests.browser.sidebar import Sidebar
from tests.browser.test_look import READABLE
from tests.scripted_model import gate, say

SEES = """
    import base64, hashlib
    from reasoning_widget import BaseAgent, ReasoningChat, current_run

    class Sees(BaseAgent):
        name = "sees"
        description = "Says what it was given."
        takes_parts = True

        async def run_with_reasoning_stream(self, prompt, max_iterations=20):
            yield {"type": "final_answer", "content": " ".join(map(self.told, current_run().parts))}

        def told(self, part):
            if "text" in part:
                return part["text"]
            kind = "image" if "image" in part else "file"
            data = base64.b64decode(part[kind].partition(",")[2])
            return f"{kind} {part['name']} {len(data)} {hashlib.sha256(data).hexdigest()[:16]}"

    chat = ReasoningChat(Sees())
    chat
"""
VISION = """
    import os
    from reasoning_widget import ReasoningChat

    model = {"model_type": "qwenvl_oai", "model": "scripted", "model_server": os.environ["OPENAI_BASE_URL"],
             "api_key": "none"}
    ReasoningChat(agent="assistant", llm=model)
"""
DROP = """([name, type, base64]) => {
    const dropped = new DataTransfer();
    const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0));
    dropped.items.add(new File([bytes], name, { type }));
    return dropped;
}"""
COPY = """async base64 => {
    const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0));
    await navigator.clipboard.write([new ClipboardItem({ "image/png": new Blob([bytes], { type: "image/png" }) })]);
}"""


def drawing(colour: str = "#1769c2") -> bytes:
    picture = Image.new("RGB", (480, 300), "white")
    pen = ImageDraw.Draw(picture)
    for number, height in enumerate([80, 140, 120, 200, 260, 230]):
        pen.rectangle((30 + 72 * number, 290 - height, 80 + 72 * number, 290), fill=colour)
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    return encoded.getvalue()


PLOT = FilePayload(name="plot.png", mimeType="image/png", buffer=drawing())
TABLE = FilePayload(name="table.csv", mimeType="text/csv", buffer=b"month,kWh\nJune,412\n")


def given(*files: FilePayload) -> re.Pattern[str]:
    """The answer of `SEES` about these files: their types, names, sizes and hashes."""
    told = (
        f"{'image' if file['mimeType'].startswith('image/') else 'file'} {file['name']} {len(file['buffer'])} "
        f"{hashlib.sha256(file['buffer']).hexdigest()[:16]}"
        for file in files
    )
    return re.compile(" ".join(map(re.escape, told)))


def is_drawn(image: Locator) -> None:
    """Wait until a picture is decoded and shown."""
    expect(image).to_be_visible()
    image.evaluate("image => image.decode()")
    assert image.evaluate("image => image.naturalWidth") > 0


def drop(page: Page, target: Locator, file: FilePayload) -> None:
    content = [file["name"], file["mimeType"], base64.b64encode(file["buffer"]).decode()]
    target.dispatch_event("drop", {"dataTransfer": page.evaluate_handle(DROP, content)})


def test_files_are_chosen_sent_and_shown_again_after_a_reload(lab):
    notebook = lab.open(SEES)
    chat = notebook.open_chat()
    chat.choose_files(PLOT, TABLE)
    expect(chat.attachments).to_have_count(2)
    expect(chat.message).to_be_focused()
    is_drawn(chat.attachments.get_by_role("img", name="plot.png"))
    expect(chat.attachments.nth(1)).to_contain_text("table.csv19 bytes")

    chat.ask("What is this?")
    expect(chat.card("Final answer")).to_contain_text("What is this?")
    expect(chat.card("Final answer")).to_contain_text(given(PLOT, TABLE))
    expect(chat.attachments).to_have_count(0)
    expect(chat.questions).to_contain_text("What is this?")
    is_drawn(chat.questions.get_by_role("img", name="plot.png"))
    expect(chat.questions).to_contain_text("table.csv")

    notebook.wait_for_saved("What is this?")
    notebook.save()
    notebook.reload()
    chat = notebook.chat(0)
    expect(chat.message).to_be_editable()
    is_drawn(chat.questions.get_by_role("img", name="plot.png"))
    expect(chat.questions).to_contain_text("table.csv")


def test_a_notebook_without_a_kernel_shows_attachments(lab):
    notebook = lab.open(SEES)
    chat = notebook.open_chat()
    chat.choose_files(PLOT, TABLE)
    chat.ask("What is this?")
    expect(chat.card("Final answer")).to_contain_text(given(PLOT, TABLE))
    notebook.wait_for_saved("table.csv")
    notebook.save()
    notebook.close()

    saved = lab.open_without_kernel(notebook.path)
    question = saved.chat(0).questions
    is_drawn(question.get_by_role("img", name="plot.png"))
    expect(question).to_contain_text("What is this?")
    expect(question).to_contain_text("table.csv")
    saved.page.get_by_role("searchbox", name="Find in the transcript").fill("table.csv")
    expect(saved.page.get_by_text("1 of")).to_be_visible()


def test_the_model_is_shown_the_image(lab, model):
    model.script("", [[say("Six bars.")]])
    chat = lab.open(VISION).open_chat()
    chat.choose_files(PLOT)
    chat.ask("How many bars?")
    expect(chat.card("Final answer")).to_contain_text("Six bars.")

    address = f"data:image/png;base64,{base64.b64encode(PLOT['buffer']).decode()}"
    content = model.requests[0].messages[-1]["content"]
    assert {"type": "image_url", "image_url": {"url": address}} in content
    assert any("How many bars?" in part.get("text", "") for part in content)


def test_an_image_is_pasted_and_sent_without_a_text(lab):
    notebook = lab.open(SEES)
    chat = notebook.open_chat()
    chat.message.fill("a draft")
    notebook.page.evaluate(COPY, base64.b64encode(PLOT["buffer"]).decode())
    chat.message.press("Control+v")
    expect(chat.attachments).to_have_count(1)
    expect(chat.message).to_have_value("a draft")
    is_drawn(chat.attachments.get_by_role("img", name="image.png"))

    chat.message.fill("")
    chat.message.press("Enter")
    expect(chat.card("Final answer")).to_contain_text("image image.png")
    expect(chat.questions).to_have_text("")
    is_drawn(chat.questions.get_by_role("img", name="image.png"))


def test_files_are_dropped_anywhere_in_the_chat_and_the_page_says_where(lab):
    notebook = lab.open(SEES)
    chat = notebook.open_chat()
    conversation = chat.region.get_by_role("region", name="Conversation")
    over = {"dataTransfer": notebook.page.evaluate_handle(DROP, ["a.txt", "text/plain", "eA=="])}
    conversation.dispatch_event("dragenter", over)
    expect(chat.region.get_by_text("Drop images and files here")).to_be_visible()
    conversation.dispatch_event("dragleave", over)
    expect(chat.region.get_by_text("Drop images and files here")).to_have_count(0)

    drop(notebook.page, conversation, TABLE)
    expect(chat.attachments).to_have_count(1)
    expect(chat.message).to_be_focused()
    chat.message.press("Enter")
    expect(chat.card("Final answer")).to_contain_text(given(TABLE))


def test_attachments_can_be_removed_with_the_keyboard(lab):
    chat = lab.open(SEES).open_chat()
    listen(chat.region)
    chat.choose_files(PLOT, TABLE)
    expect(chat.attachments).to_have_count(2)
    chat.remove("plot.png").press("Enter")
    expect(chat.attachments).to_have_count(1)
    expect(chat.remove("table.csv")).to_be_focused()
    chat.remove("table.csv").press("Space")
    expect(chat.attachments).to_have_count(0)
    expect(chat.message).to_be_focused()
    expect(chat.send).to_be_disabled()
    assert heard(chat.region) == [
        "“plot.png” is attached.",
        "“table.csv” is attached.",
        "“plot.png” is removed.",
        "“table.csv” is removed.",
    ]


def test_an_unsuitable_attachment_is_reported_and_nothing_is_lost(lab):
    chat = lab.open(SEES).open_chat()
    chat.message.fill("What is this?")
    chat.choose_files(PLOT)
    expect(chat.attachments).to_have_count(1)
    alert = chat.region.get_by_role("alert")
    for file, words in (
        (FilePayload(name="scan.tiff", mimeType="image/tiff", buffer=b"II*\0"), "PNG, JPEG, GIF or WebP"),
        (FilePayload(name="big.png", mimeType="image/png", buffer=PLOT["buffer"] + bytes(5 * 2**20)), "5 MiB"),
        (FilePayload(name="big.zip", mimeType="application/zip", buffer=bytes(8 * 2**20 + 1)), "8 MiB"),
        (FilePayload(name="none.txt", mimeType="text/plain", buffer=b""), "empty"),
    ):
        chat.choose_files(file)
        expect(alert).to_contain_text(f"“{file['name']}”")
        expect(alert).to_contain_text(words)
    chat.choose_files(*[FilePayload(name=f"{n}.txt", mimeType="text/plain", buffer=b"x") for n in range(12)])
    expect(alert).to_contain_text("10 attachments: 3 more were left out")
    expect(chat.attachments).to_have_count(10)
    expect(chat.message).to_have_value("What is this?")

    for number in range(9):
        chat.remove(f"{number}.txt").click()
    expect(alert).to_have_count(0)
    chat.send.click()
    expect(chat.card("Final answer")).to_contain_text(given(PLOT))


def test_the_largest_prompt_passes_through_jupyter(lab):
    noise = random.Random(1).randbytes(8 * 2**20)
    largest = FilePayload(name="noise.bin", mimeType="application/octet-stream", buffer=noise)
    chat = lab.open(SEES).open_chat()
    chat.choose_files(largest)
    expect(chat.attachments).to_have_count(1)
    chat.ask("All of it?")
    expect(chat.card("Final answer")).to_contain_text(given(largest))


def test_an_image_of_the_maximum_size_is_shown_again_after_a_reload(lab):
    side = 1310
    picture = Image.frombytes("RGB", (side, side), random.Random(2).randbytes(side * side * 3))
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    largest = FilePayload(name="noise.png", mimeType="image/png", buffer=encoded.getvalue())
    notebook = lab.open(SEES)
    chat = notebook.open_chat()
    chat.choose_files(largest)
    expect(chat.attachments).to_have_count(1)
    chat.ask("All of it?")
    expect(chat.card("Final answer")).to_contain_text(given(largest))
    notebook.save()

    notebook.reload()
    is_drawn(notebook.chat(0).questions.get_by_role("img", name="noise.png"))


def test_a_queued_prompt_shows_and_returns_its_attachments(lab, model):
    model.script("story", [[say("Once upon "), gate("told"), say("a time.")]])
    notebook = lab.open(VISION)
    chat = notebook.open_chat()
    chat.ask("Tell me a story")
    expect(chat.card("Final answer")).to_contain_text("Once upon")
    chat.choose_files(PLOT)
    chat.ask("And this?")
    queued = chat.region.locator("[data-message-id]", has_text="Queued")
    is_drawn(queued.get_by_role("img", name="plot.png"))

    # After a reload the page has only what the session stores.
    notebook.save()
    notebook.reload()
    chat = notebook.chat(0)
    chat.region.get_by_role("button", name="Edit queued message").click()
    expect(chat.message).to_have_value("And this?")
    is_drawn(chat.attachments.get_by_role("img", name="plot.png"))
    model.open("told")
    chat.expect_ready()
    chat.send.click()
    is_drawn(chat.questions.nth(1).get_by_role("img", name="plot.png"))
    expect(chat.card("Final answer", 1)).to_be_visible()


def test_an_image_in_full_size_is_opened_and_closed_with_the_keyboard(lab):
    notebook = lab.open(SEES)
    chat = notebook.open_chat()
    chat.choose_files(PLOT)
    chat.ask("What is this?")
    small = chat.questions.get_by_role("button", name="Show plot.png")
    small.press("Enter")
    dialog = notebook.page.get_by_role("dialog", name="plot.png")
    is_drawn(dialog.get_by_role("img", name="plot.png"))
    assert dialog.get_by_role("img").evaluate("image => image.width") >= 480
    assert violations(dialog) == []
    notebook.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(small).to_be_focused()


@pytest.fixture
def sidebar(lab):
    return Sidebar(lab.open("1 + 1").page)


def test_in_the_sidebar_files_are_sent_and_shown_in_another_page(lab, sidebar, model):
    model.script("", [[say("A plot.")]])
    chat = sidebar.new()
    chat.choose_files(PLOT, TABLE)
    expect(chat.attachments).to_have_count(2)
    chat.ask("What are these?")
    expect(chat.card("Final answer")).to_contain_text("A plot.")
    is_drawn(chat.questions.get_by_role("img", name="plot.png"))
    assert "table.csv" in str(model.requests[0].messages)

    other = Sidebar(lab.empty())
    other.show()
    other.session("What are these?").get_by_role("button").first.click()
    is_drawn(other.chat.questions.get_by_role("img", name="plot.png"))
    expect(other.chat.questions).to_contain_text("table.csv")


def test_in_the_sidebar_attachments_wait_for_the_connection(sidebar, model):
    model.script("And this?", [[say("A plot.")]])
    chat = sidebar.ask("Hello")
    chat.region.get_by_role("button", name="Disconnect", exact=True).click()
    chat.choose_files(PLOT)
    chat.ask("And this?")
    waiting = chat.region.locator("[data-message-id]", has_text="Waiting")
    is_drawn(waiting.get_by_role("img", name="plot.png"))
    chat.region.get_by_role("button", name="Connect", exact=True).click()
    expect(chat.card("Final answer", 1)).to_contain_text("A plot.")
    is_drawn(chat.questions.nth(1).get_by_role("img", name="plot.png"))


def all_of_it(chat: Chat) -> None:
    """Make a chat show everything about attachments."""
    chat.choose_files(PLOT, TABLE)
    chat.ask("What are these?")
    is_drawn(chat.questions.get_by_role("img", name="plot.png"))
    expect(chat.card("Final answer")).to_be_visible()
    chat.choose_files(PLOT, TABLE, FilePayload(name="scan.tiff", mimeType="image/tiff", buffer=b"II*\0"))
    expect(chat.attachments).to_have_count(2)
    expect(chat.region.get_by_role("alert")).to_be_visible()
    chat.message.fill("A draft")


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_attachments_are_accessible_in_every_theme(lab, theme):
    chat = lab.open(SEES, theme=theme).open_chat()
    all_of_it(chat)
    assert violations(chat.region) == []
    assert [(text, ratio) for text, ratio in contrasts(chat.region) if ratio < READABLE] == []


class TestInANarrowWindow:
    @pytest.fixture
    def window_options(self):
        return {"viewport": {"width": 600, "height": 900}, "forced_colors": "active"}

    def test_nothing_is_cut_off_with_forced_colours(self, lab):
        chat = lab.open(SEES).open_chat()
        all_of_it(chat)
        box = chat.region.bounding_box()
        assert box is not None
        for part in [*chat.attachments.all(), *chat.region.get_by_role("button").all()]:
            inner = part.bounding_box()
            assert inner is not None
            assert inner["x"] >= box["x"] - 1
            assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 1
        assert violations(chat.region) == []
