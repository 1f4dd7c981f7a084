"""The outputs of a tool in its card: in order, during and after the call, live and saved."""

from __future__ import annotations

import re

from playwright.sync_api import expect

SHOWS = """
    import asyncio
    from IPython.display import HTML, clear_output, display
    from reasoning_widget import ReasoningChat

    def picture(width, colour):
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="90">'
        display({"image/svg+xml": f'{svg}<rect width="100%" height="90" fill="{colour}"/></svg>'}, raw=True)

    async def shows(prompt):
        yield {"type": "thought", "content": "I draw twice."}
        yield {"type": "tool_use", "content": "", "tool": {"name": "draw", "arguments": '{"what": "lake"}'}}
        print("never seen")
        clear_output()
        print("The first one:")
        picture(300, "#4a90d9")
        rows = "".join(f"<tr><td>{n}</td><td>{n * n}</td></tr>" for n in range(4))
        table = display(HTML("<p>no table yet</p>"), display_id=True)
        print("The second one:")
        picture(1600, "#d97b4a")
        while prompt == "wait":
            await asyncio.sleep(0.05)
        table.update(HTML(f"<table><tr><th>n</th><th>n²</th></tr>{rows}</table>"))
        yield {"type": "tool_result", "content": "drawn", "tool": {"name": "draw"}, "status": "failed"}
        yield {"type": "final_answer", "content": "There they are."}

    ReasoningChat(agent=shows)
"""

# The outputs in a card, from top to bottom.
IN_ORDER = """card => [...card.querySelectorAll(".rw-output")].map(output =>
    output.querySelector("img") ? "picture" : output.querySelector("table") ? "table" : output.textContent.trim())"""


def test_a_card_shows_each_output_in_its_place(lab):
    chat = lab.open(SHOWS).open_chat()
    chat.ask("go")
    expect(chat.card("Final answer")).to_have_attribute("data-status", "done")
    result = chat.card("Tool result")

    shown = result.evaluate(IN_ORDER)
    assert shown == ["The first one:", "picture", "table", "The second one:", "picture"]
    wide = result.get_by_role("img", name="Output of the tool").nth(1)
    assert wide.bounding_box()["width"] <= result.bounding_box()["width"]
    assert "never seen" not in chat.region.inner_text()
    expect(result).to_contain_text("drawn")


def test_an_open_call_shows_its_clock_and_its_outputs(lab):
    chat = lab.open(SHOWS).open_chat()
    chat.ask("wait")
    result = chat.card("Tool result")
    expect(result).to_have_attribute("data-status", "streaming")
    expect(chat.card("Tool use")).to_have_attribute("data-status", "streaming")
    expect(result).to_contain_text("no table yet")
    expect(result.get_by_role("img", name="Output of the tool")).to_have_count(2)
    expect(result.locator(".rw-clock")).to_have_text(re.compile(r"[2-9]"))

    chat.stop.click()
    chat.expect_ready()
    for card in ("Tool use", "Tool result"):
        expect(chat.card(card)).not_to_contain_text(re.compile(r"\b\d ms"))
    axis = chat.region.get_by_role("img", name=re.compile("^Timeline"))
    width = axis.evaluate("a => a.querySelector('.rw-bar-tool_result').getBBox().width / a.viewBox.baseVal.width")
    assert width > 0.5
