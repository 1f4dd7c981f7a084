"""Violations that axe finds in a part of a page, and what a screen reader announces of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator

_AXE = Path(__file__).resolve().parent.parent.parent / "js" / "node_modules" / "axe-core" / "axe.min.js"

_RUN_AXE = """async root => {
    const { violations } = await axe.run(root, { resultTypes: ["violations"] });
    const told = (rule, node) => [rule.id, rule.help, node.html.slice(0, 200), node.failureSummary];
    return violations.flatMap(rule => rule.nodes.map(node => told(rule, node)));
}"""

# What a screen reader announces: additions to a live region, or all of an atomic one, and each alert.
_LISTEN = """root => {
    const LIVE = "[aria-live], [role=status], [role=log], [role=alert], output";
    const ATOMIC = "[aria-atomic=true], [role=status], [role=alert], output";
    window.heard = [];
    const say = text => text.trim() && window.heard.push(text.trim());
    new MutationObserver(changes => {
        const regions = new Set();
        for (const { target, type, addedNodes } of changes) {
            const element = target.closest ? target : target.parentElement;
            const region = element?.closest(LIVE);
            if (!region) {
                const added = [...addedNodes].filter(node => node.querySelectorAll);
                for (const node of added) {
                    const alerts = [node, ...node.querySelectorAll("*")].filter(one => one.matches("[role=alert]"));
                    for (const alert of alerts) say(alert.textContent);
                }
            } else if (region.getAttribute("aria-live") === "off" || !region.checkVisibility()) {
                continue;
            } else if (region.matches(ATOMIC)) {
                regions.add(region);
            } else {
                for (const added of addedNodes) say(added.textContent);
                if (type === "characterData") say(target.data);
            }
        }
        for (const region of regions) say(region.textContent);
    }).observe(root, { subtree: true, childList: true, characterData: true });
}"""


# Elements that move or would move, including pseudo-elements.
_MOVING = """root => {
    const moving = [];
    for (const element of [root, ...root.querySelectorAll("*")]) {
        for (const pseudo of ["", "::before", "::after"]) {
            const { animationName, transitionDuration } = getComputedStyle(element, pseudo || null);
            const takesTime = transitionDuration.split(",").some(duration => parseFloat(duration) > 0.001);
            if (animationName !== "none" || takesTime) moving.push(element.className + pseudo);
        }
    }
    const animations = document.getAnimations().filter(({ effect }) => root.contains(effect.target));
    return moving.concat(animations.map(({ effect }) => "now: " + effect.target.className));
}"""

_WITH_EDGE = """root => [...root.querySelectorAll("article, .rw-switch-track, .rw-composer-box")].map(element => {
    const style = getComputedStyle(element);
    return parseFloat(style.borderInlineStartWidth) > 0 && style.borderInlineStartStyle !== "none";
})"""


def violations(part: Locator) -> list[Any]:
    """The violations that axe finds: the rule, its description, the place and the remedy."""
    if not part.page.evaluate("'axe' in window"):
        part.page.add_script_tag(path=_AXE)
    found: list[Any] = part.evaluate(_RUN_AXE)
    return found


def listen(part: Locator) -> None:
    """Start to record screen reader announcements; `heard` returns them."""
    part.evaluate(_LISTEN)


def heard(part: Locator) -> list[str]:
    """The announcements since `listen`."""
    said: list[str] = part.page.evaluate("window.heard")
    return said


def moving(part: Locator) -> list[str]:
    """The elements that move, or would move after a change, by their class."""
    found: list[str] = part.evaluate(_MOVING)
    return found


def with_edge(part: Locator) -> list[bool]:
    """For each card and control that only a colour distinguishes from its surroundings: whether it also has an edge."""
    found: list[bool] = part.evaluate(_WITH_EDGE)
    return found
