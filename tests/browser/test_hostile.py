"""Nothing in an agent's output is executed or loads anything."""

from __future__ import annotations

import json

from playwright.sync_api import Dialog, expect

from tests.browser.hostile import ASKING, PAYLOADS, TAMED

HOSTILE_AGENT = f"""
    import json
    from reasoning_widget import ReasoningChat

    HOSTILE = json.loads({json.dumps(json.dumps(PAYLOADS))})
    TEXT = "\\n\\n".join(HOSTILE)

    async def hostile(prompt):
        first = HOSTILE[4]
        yield {{"type": "thought", "content": TEXT, "agent": first}}
        tool = {{"name": first, "arguments": json.dumps({{one: one for one in HOSTILE}}), "call_id": first}}
        yield {{"type": "tool_use", "content": TEXT, "tool": tool, "agent": first}}
        yield {{"type": "tool_result", "content": TEXT, "tool": tool,
               "output": {{"text/plain": TEXT, "text/html": TEXT, "text/markdown": TEXT, "image/svg+xml": TEXT,
                          "image/png": first, "application/javascript": "hit(100)", first: TEXT}}}}
        for end in range(1, len(TEXT), 97):  # every markup is half there for a moment
            yield {{"type": "final_answer", "id": first, "content": TEXT[:end]}}
        yield {{"type": "final_answer", "id": first, "content": TEXT}}
        raise ValueError(TEXT)

    ReasoningChat(agent=hostile)
"""

TOUCH_EVERYTHING = """region => {
    for (const element of region.querySelectorAll("*")) {
        for (const kind of ["mouseover", "mouseenter", "focus", "toggle", "load", "error", "begin"]) {
            element.dispatchEvent(new Event(kind));
        }
    }
}"""
# An address of another page may stay only as a link, for readers who click it; nothing may load by itself.
DANGEROUS = """region => [...region.querySelectorAll("article *")].filter(element =>
    [...element.attributes].filter(({ name }) => name !== "aria-label").some(({ name, value }) =>
        name.startsWith("on")
        || /script:|data:text/i.test(value.replace(/\\s/g, ""))
        || /far-away/.test(value) && !(element.localName === "a" && /^(href|title)$/.test(name)))
    || element.localName === "a" && element.hasAttribute("href") && !/^(https?|mailto):$/.test(element.protocol)
).map(element => element.outerHTML)"""


def test_nothing_runs_and_nothing_is_requested(lab):
    notebook = lab.open(HOSTILE_AGENT)
    page = notebook.page
    happened: list[object] = []

    def dismiss(dialog: Dialog) -> None:
        happened.append(dialog.message)
        dialog.dismiss()

    page.expose_function("hit", lambda number: happened.append(number))
    page.on("dialog", dismiss)
    page.on("popup", lambda popup: happened.append(popup.url))

    chat = notebook.open_chat()
    chat.ask("<img src=x onerror=hit(101)>")
    notebook.wait_for_saved("The run ended: failed.")
    for name in ("Thought", "Tool use", "Tool result", "Final answer", "Error"):
        expect(chat.open(name)).to_contain_text("hit(")
    more = chat.region.get_by_role("button", name="Show all")
    while more.count():
        more.first.click()

    chat.region.evaluate(TOUCH_EVERYTHING)
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert happened == []
    assert lab.requests_to_others == []
    assert chat.region.evaluate(DANGEROUS) == []
    assert page.locator("script[src*=far-away], .reasoning-widget :is(iframe, object, embed, style, link)").count() == 0
    assert page.url.startswith(lab.origin)


DISPLAYING_AGENT = f"""
    import json
    from reasoning_widget import ReasoningChat

    OUTPUTS = json.loads({json.dumps(json.dumps([*ASKING, *TAMED]))})

    async def displays(prompt):
        for output in OUTPUTS:
            tool = {{"name": "show", "call_id": "c"}}
            yield {{"type": "tool_result", "content": "", "tool": tool, "status": "failed", "output": output}}

    ReasoningChat(agent=displays)
"""


def test_outputs_of_tools_fetch_nothing_unasked(lab):
    notebook = lab.open(DISPLAYING_AGENT)
    page = notebook.page
    happened: list[object] = []
    page.expose_function("hit", lambda number: happened.append(number))
    page.on("request", lambda request: happened.extend([request.url] * ("far-away" in request.url)))

    chat = notebook.open_chat()
    chat.ask("Show me")
    chat.expect_ready()
    expect(chat.cards).to_have_count(len(ASKING) + len(TAMED))
    for card in chat.cards.all()[: len(ASKING)]:  # failed cards are open
        expect(card.get_by_role("button", name="Show it")).to_be_visible()
    html, formula, plot = chat.cards.all()[len(ASKING) :]
    expect(html.locator("p")).to_have_text("spy")
    expect(formula.locator("mjx-container")).to_be_visible()
    expect(plot.locator(".vega-embed canvas")).to_be_visible()
    expect(plot.locator("input[type=range]")).to_be_visible()
    chat.region.evaluate(TOUCH_EVERYTHING)
    assert happened == []

    chat.cards.first.get_by_role("button", name="Show it").click()  # a plot at another address is not shown
    expect(chat.cards.first).to_contain_text("cannot be drawn")
    assert happened == []
    assert lab.requests_to_others == []
