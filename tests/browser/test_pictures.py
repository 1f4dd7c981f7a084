"""The README's pictures, which are screenshots of the real widget. Remove one to have it taken again."""

from __future__ import annotations

import struct

import pytest
from playwright.sync_api import expect

from tests.browser.lab import DARK, LIGHT

WINDOW = {"width": 1100, "height": 1040}


@pytest.fixture
def window_options():
    return {"viewport": WINDOW, "device_scale_factor": 2}


STORY = '''
    from reasoning_widget.session.session import Session

    ANSWER = """
    Yes: the roof made **1,094 kWh** from June to August and the house used 870 kWh [reports/energy.md:7-9].

    | Month | Made (kWh) | Used (kWh) |
    | --- | ---: | ---: |
    | June | 412 | 301 |
    | July | 377 | 284 |
    | August | 305 | 285 |

    The surplus is $1094 - 870 = 224$ kWh, so the share that was left over is

    $$\\\\frac{1094 - 870}{1094} \\\\approx 20.5\\\\,\\\\%$$

    ```python
    made, used = [412, 377, 305], [301, 284, 285]
    surplus = sum(made) - sum(used)  # 224 kWh
    ```
    """.replace("\\n    ", "\\n").strip()

    # The clock of the session goes by what the steps say they took: the same picture each time.
    now = [1_700_000_000.0]
    Session.__init__.__kwdefaults__["clock"] = lambda: now[0]

    async def researcher(prompt):
        """Searches and reads the files below the notebook, and cites them."""
        find = {"name": "search_files", "arguments": '{"query": "solar roof June July August"}', "call_id": "1"}
        count = {"name": "calculate", "arguments": '{"expression": "1094 - 870"}', "call_id": "2"}
        steps = [
            {"type": "thought", "content": "The report on energy should say. I look for the summer months.",
             "iteration": 1, "duration": 1.4, "usage": {"input_tokens": 412, "output_tokens": 31}},
            {"type": "tool_use", "content": "", "tool": find, "iteration": 1, "duration": 0.4},
            {"type": "tool_result", "content": "[reports/energy.md:7-9]\\nJune: made 412, used 301", "tool": find,
             "iteration": 1, "duration": 0.7},
            {"type": "thought", "content": "Now the difference.", "iteration": 2, "duration": 0.6,
             "usage": {"input_tokens": 506, "output_tokens": 18}},
            {"type": "tool_use", "content": "", "tool": count, "iteration": 2, "duration": 0.2},
            {"type": "tool_result", "content": "1094 - 870 = 224", "tool": count, "iteration": 2, "duration": 0.02},
            {"type": "final_answer", "content": ANSWER, "iteration": 3, "duration": 3.2,
             "usage": {"input_tokens": 563, "output_tokens": 142}},
        ]
        for step in steps:
            begin = now[0]
            now[0] += step["duration"]
            yield {**step, "timestamp": begin}

    llm = {"model": "qwen3:8b", "model_type": "oai", "model_server": "http://localhost:11434/v1"}
    get_ipython().config.Models.llm = llm
    get_ipython().config.AgentManager.agents = {"researcher": "__main__:researcher"}
'''

CHAT = 'from reasoning_widget import ReasoningChat\n\nReasoningChat(agent="researcher")'


THEMES = [("light", LIGHT), ("dark", DARK)]


def told(lab, theme):
    """A notebook in which the story has been told."""
    notebook = lab.open(STORY, CHAT, theme=theme)
    notebook.run(0)
    notebook.command("notebook:delete-cell")
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(1)
    notebook.command("application:toggle-left-area")
    chat = notebook.open_chat()
    chat.ask("Did the solar roof make more than the house used last summer?")
    chat.expect_ready()
    chat.expect_cards("Thought", "Tool use", "Tool result", "Thought", "Tool use", "Tool result", "Final answer")
    return notebook


def drawn(chat):
    expect(chat.card("Final answer").locator("math mfrac")).to_be_visible()
    expect(chat.card("Final answer").locator("pre code span").first).to_be_visible()


def take(notebook, picture):
    if not picture.exists():
        picture.parent.mkdir(parents=True, exist_ok=True)
        notebook.page.screenshot(path=picture, animations="disabled", caret="hide")
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    assert (width, height) == (2 * WINDOW["width"], 2 * WINDOW["height"])


@pytest.mark.parametrize(("name", "theme"), THEMES)
def test_the_picture_of_a_chat_in_the_readme(lab, repository, name, theme):
    notebook = told(lab, theme)
    chat = notebook.chat(0)
    chat.open("Tool use")
    drawn(chat)
    chat.message.blur()
    take(notebook, repository / "docs" / "images" / f"chat-{name}.png")


@pytest.mark.parametrize(("name", "theme"), THEMES)
def test_the_picture_of_a_saved_transcript_in_the_readme(lab, repository, name, theme):
    notebook = told(lab, theme)
    notebook.wait_for_saved("surplus")
    notebook.save()
    notebook.close()
    notebook = lab.open_without_kernel(notebook.path, theme)
    notebook.command("application:toggle-left-area")
    chat = notebook.chat(0)
    drawn(chat)
    find = notebook.output(0).get_by_role("searchbox")
    find.fill("June")
    expect(notebook.output(0).get_by_role("status")).to_have_text("1 of 4")
    take(notebook, repository / "docs" / "images" / f"saved-{name}.png")
