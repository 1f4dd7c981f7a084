"""The colours that a page actually shows."""

from __future__ import annotations

from playwright.sync_api import Locator

# Colours may be in any notation: a canvas converts each to red, green, blue and alpha.
_COLOURS = """
    const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const parse = colour => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
        return [red, green, blue, alpha / 255];
    };
    const over = ([r, g, b, alpha], below) => [r, g, b].map((value, i) => value * alpha + below[i] * (1 - alpha));
    const parent = element => element.parentElement ?? element.getRootNode().host ?? null;
    const background = element => {
        if (element === null) return [255, 255, 255];
        const colour = parse(getComputedStyle(element).backgroundColor);
        return colour[3] === 1 ? colour.slice(0, 3) : over(colour, background(parent(element)));
    };
    const brightness = colour => {
        const [red, green, blue] = colour.map(value => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
"""

_BACKGROUND = f"element => {{ {_COLOURS} return background(element); }}"
_BRIGHTNESS = f"element => {{ {_COLOURS} return brightness(background(element)); }}"

_CONTRASTS = f"""root => {{
    {_COLOURS}
    const opacity = element => element ? getComputedStyle(element).opacity * opacity(parent(element)) : 1;
    const found = [];
    const measure = (element, text) => {{
        const below = background(element);
        const [red, green, blue, alpha] = parse(getComputedStyle(element).color);
        const colour = over([red, green, blue, alpha * opacity(element)], below);
        const [dark, bright] = [brightness(below), brightness(colour)].sort((a, b) => a - b);
        found.push([text.trim().slice(0, 60), (bright + 0.05) / (dark + 0.05)]);
    }};
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {{
        const element = walker.currentNode.parentElement;
        const visible = element.checkVisibility() && !element.closest(":disabled, [aria-disabled=true]");
        if (walker.currentNode.data.trim() && visible) measure(element, walker.currentNode.data);
    }}
    for (const field of root.querySelectorAll("textarea, input")) if (field.value) measure(field, field.value);
    return found;
}}"""


def background(element: Locator) -> str:
    """An element's background, as ``#rrggbb``."""
    return "#" + bytes(round(value) for value in element.evaluate(_BACKGROUND)).hex()


def brightness(element: Locator) -> float:
    """The brightness of an element's background, from 0 (black) to 1 (white)."""
    measured: float = element.evaluate(_BRIGHTNESS)
    return measured


def contrasts(element: Locator) -> list[tuple[str, float]]:
    """Each visible text in an element, with its contrast to its background, from 1 (none) to 21."""
    measured: list[tuple[str, float]] = element.evaluate(_CONTRASTS)
    return measured
