"""Whatever an agent says, nothing of it runs and nothing of it loads."""

from __future__ import annotations

import json

from playwright.sync_api import Dialog, expect

from tests.browser.hostile import PAYLOADS

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
LINKS = "region => [...region.querySelectorAll('[href], [src], [action], [formaction]')].map(e => e.outerHTML)"


def test_nothing_runs_and_nothing_is_requested(lab):
    notebook = lab.open(HOSTILE_AGENT)
    page = notebook.page
    happened: list[object] = []

    def dismiss(dialog: Dialog) -> None:
        happened.append(dialog.message)
        dialog.dismiss()

    page.expose_function("hit", lambda number: happened.append(number))  # noqa: PLW0108 (a built-in will not do)
    page.on("dialog", dismiss)
    page.on("popup", lambda popup: happened.append(popup.url))

    chat = notebook.open_chat()
    chat.ask("<img src=x onerror=hit(101)>")
    chat.expect_ready()
    for name in ("Thought", "Tool use", "Tool result", "Final answer", "Error"):
        expect(chat.open(name)).to_contain_text("hit(")
    for button in chat.region.get_by_role("button", name="Show all").all():
        button.click()

    chat.region.evaluate(TOUCH_EVERYTHING)
    for link in chat.region.get_by_role("article").get_by_role("link").all():
        link.click(force=True, modifiers=["Alt"])
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert happened == []
    assert lab.requests_to_others == []
    dangerous = [html for html in chat.region.evaluate(LINKS) if "script:" in html.lower() or "far-away" in html]
    assert dangerous == []
    assert page.locator("script[src*=far-away], .reasoning-widget :is(iframe, object, embed, style, link)").count() == 0
    assert page.url.startswith(lab.origin)
