"""What axe finds wrong with a part of a page, and what a screen reader is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator  # noqa: TC002 (as everywhere: imports stay in one place)

_AXE = Path(__file__).resolve().parent.parent.parent / "js" / "node_modules" / "axe-core" / "axe.min.js"

_RUN_AXE = """async root => {
    const { violations } = await axe.run(root, { resultTypes: ["violations"] });
    const told = (rule, node) => [rule.id, rule.help, node.html.slice(0, 200), node.failureSummary];
    return violations.flatMap(rule => rule.nodes.map(node => told(rule, node)));
}"""

_LISTEN = """root => {
    window.heard = [];
    new MutationObserver(changes => {
        for (const change of changes) {
            const element = change.target.closest ? change.target : change.target.parentElement;
            const region = element?.closest("[aria-live=polite], [role=status], [role=log]");
            for (const added of region ? change.addedNodes : []) window.heard.push(added.textContent);
            if (region && change.type === "characterData") window.heard.push(change.target.data);
        }
    }).observe(root, { subtree: true, childList: true, characterData: true });
}"""


def violations(part: Locator) -> list[Any]:
    """What axe finds: the rule, in words, where, and what to do."""
    if not part.page.evaluate("'axe' in window"):
        part.page.add_script_tag(path=_AXE)
    found: list[Any] = part.evaluate(_RUN_AXE)
    return found


def listen(part: Locator) -> None:
    """From now on note what is said to users of screen readers; `heard` tells."""
    part.evaluate(_LISTEN)


def heard(part: Locator) -> list[str]:
    """What has been said since `listen`."""
    said: list[str] = part.page.evaluate("window.heard")
    return said
