"""Outputs of tools, drawn by JupyterLab's renderers."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

OUTPUTS = """
    from reasoning_widget import ReasoningChat

    PLOT = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json", "mark": "bar", "height": 80,
        "encoding": {"x": {"field": "month", "type": "nominal"}, "y": {"field": "kwh", "type": "quantitative"}},
    }
    DATA = {"values": [{"month": "June", "kwh": 412}, {"month": "July", "kwh": 377}]}
    PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    BAD = "<table><tr><td>safe</td></tr></table><img src='https://example.org/x.png' alt='spy'>" \\
        "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>"
    SVG = "<svg width='70' height='30'><script>window.hit = 1</script><circle r='9' onload='window.hit = 1'/>" \\
        "<image href='https://example.org/x.png'/></svg>"

    OUTPUTS = {
        "table": {"text/html": "<table><tr><th>Month</th></tr><tr><td>June</td></tr></table>", "text/plain": "printed"},
        "plot": {"application/vnd.vegalite.v5+json": {**PLOT, "data": DATA}, "image/png": PNG},
        "formula": {"text/latex": "$$\\\\frac{824}{2}$$"},
        "deep formula": {"text/latex": "$$" + "\\\\frac{1}{" * 300 + "x" + "}" * 300 + "$$"},
        "picture": {"image/png": PNG},
        "drawing": {"image/svg+xml": SVG},
        "unknown": {"application/x-scroll": "?", "application/x-tablet": "?"},
        "markdown": {"text/markdown": "Some **bold** ![spy](https://example.org/x.png)"},
        "hostile": {"text/html": BAD},
        "far": {"application/vnd.vegalite.v5+json": {**PLOT, "data": {"url": "https://example.org/x.csv"}}},
    }

    async def shows(prompt):
        tool = {"name": "show", "call_id": "c"}
        yield {"type": "tool_result", "content": "", "tool": tool, "output": OUTPUTS[prompt]}
        yield {"type": "final_answer", "content": f"That was the {prompt}."}

    ReasoningChat(agent=shows)
"""


@pytest.fixture
def show(lab):
    chat = lab.open(OUTPUTS).open_chat()

    def show(what):
        chat.ask(what)
        answer = chat.region.get_by_role("article", name="Final answer").filter(has_text=f"That was the {what}.")
        expect(answer).to_have_attribute("data-status", "done")
        card = chat.card("Tool result", chat.region.get_by_role("article", name="Tool result").count() - 1)
        if card.locator("[aria-expanded]").first.get_attribute("aria-expanded") == "false":
            card.locator("[aria-expanded]").first.click()
        return card

    return show


def test_tables_plots_formulas_and_pictures_are_rendered(show):
    card = show("table")
    expect(card.locator(".jp-RenderedHTMLCommon td")).to_have_text("June")
    expect(card).to_contain_text("printed")

    expect(show("plot").locator(".vega-embed").locator("canvas, svg").first).to_be_visible()

    expect(show("formula").locator("mjx-container, math").first).to_be_visible()

    deep = show("deep formula")
    expect(deep).to_contain_text("Shown as its source: too costly to draw.")
    expect(deep.locator("mjx-container, math")).to_have_count(0)

    expect(show("picture").get_by_role("img", name="Output of the tool")).to_be_visible()

    expect(show("unknown")).to_contain_text("This cannot be shown here: application/x-scroll, application/x-tablet")

    markdown = show("markdown")
    expect(markdown.locator("strong")).to_have_text("bold")
    expect(markdown.get_by_role("link", name="[spy]")).to_be_visible()


def test_hostile_outputs_are_rendered_harmlessly(show):
    card = show("hostile")
    expect(card.locator("td")).to_have_text("safe")
    expect(card.locator("img, script")).to_have_count(0)

    drawing = show("drawing").get_by_role("img", name="Output of the tool")
    expect(drawing).to_be_visible()
    assert drawing.evaluate("async image => { await image.decode(); return image.naturalWidth; }") == 70

    card = show("far")
    expect(card.get_by_role("button", name="Show it")).to_be_visible()
    expect(card.locator(".vega-embed")).to_have_count(0)
    assert card.page.evaluate("window.hit") is None
