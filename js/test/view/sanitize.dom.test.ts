import { afterEach, describe, expect, it } from "vitest";
import { provideModule } from "../../src/modules.ts";
import * as highlight from "../../src/optional/highlight.ts";
import * as math from "../../src/optional/math.ts";
import { sanitizeHtml } from "../../src/view/markdown/sanitize.ts";
import { drawMarkdown } from "../../src/view/markdown/stream.ts";
import { HOSTILE } from "./hostile.ts";

const FORBIDDEN =
  "script, style, link, meta, base, iframe, frame, object, embed, form, input, button, select, textarea, svg, video, " +
  "audio, source, picture, template, map, dialog, slot, [style], [id], [name], [srcset], [background], [ping], [poster]";

afterEach(() => {
  delete (globalThis as { [key: symbol]: unknown })[Symbol.for("reasoning-widget")];
});

function expectHarmless(root: HTMLElement): void {
  const formulas = [...root.querySelectorAll("math, math *")];
  const text = [...root.querySelectorAll("*")].filter((element) => !formulas.includes(element));
  expect(text.filter((element) => element.matches(FORBIDDEN)).map((element) => element.outerHTML)).toEqual([]);
  for (const element of root.querySelectorAll("*")) {
    for (const { name, value } of element.attributes) {
      expect(name).not.toMatch(/^on/);
      if (name === "href") expect(value).toMatch(/^(?:https?|mailto):/i);
      if (name === "src") expect(value).toMatch(/^data:image\/(?:png|jpeg|gif|webp);base64,/);
      if (name === "class") expect(value).toMatch(/^(?:rw-code-|tml-|language-)/);
      if (name === "style") expect(value).not.toMatch(/url|position|expression/);
    }
  }
  for (const link of root.querySelectorAll("a[href]")) {
    expect(link.getAttribute("rel")).toBe("noopener noreferrer");
    expect(link.getAttribute("target")).toBe("_blank");
  }
}

describe("hostile text", () => {
  it.each(HOSTILE)("does nothing as Markdown: %s", (text) => {
    provideModule("math", math);
    provideModule("highlight", highlight);
    const root = document.createElement("div");
    drawMarkdown(root, text);
    expectHarmless(root);
  });

  it.each(HOSTILE)("does nothing as the output of a tool: %s", (text) => {
    const root = document.createElement("div");
    root.append(sanitizeHtml(text));
    expectHarmless(root);
  });
});

describe("harmless content stays", () => {
  it.each([
    "plain &lt;script&gt; &amp; text",
    "<p>a <em>b</em> <strong>c</strong><br>d <code>&lt;img onerror=x&gt;</code></p>\n<hr>\n",
    "<ul>\n<li>one</li>\n<li><p>two</p>\n</li>\n</ul>\n",
    "<blockquote><p>unclosed <del>text",
    "  <h1>title</h1> </p> stray ends </li>",
  ])("the same whether it needs cleaning or not: %s", (html) => {
    const plain = document.createElement("div");
    plain.append(sanitizeHtml(html));
    const cleaned = document.createElement("div");
    cleaned.append(sanitizeHtml(`${html}<script></script>`));
    expect(plain.innerHTML).toBe(cleaned.innerHTML);
  });

  it("the table of a data frame", () => {
    const root = document.createElement("div");
    root.append(
      sanitizeHtml('<table border="1"><thead><tr><th>a</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>'),
    );
    expect(root.querySelector("td")?.textContent).toBe("1");
  });

  it("a picture in the text; a remote one becomes a link", () => {
    const root = document.createElement("div");
    root.append(
      sanitizeHtml(
        '<img alt="a" src="data:image/png;base64,iVBORw0KGgo="><img alt="map" src="https://example.org/m.png">',
      ),
    );
    expect(root.querySelectorAll("img")).toHaveLength(1);
    expect(root.querySelector("a")?.textContent).toBe("[map]");
    expect(root.querySelector("a")?.getAttribute("href")).toBe("https://example.org/m.png");
  });

  it("links to the web and to mail", () => {
    const root = document.createElement("div");
    drawMarkdown(root, "[a](https://example.org) [b](mailto:a@example.org) [c](page.md)");
    expect([...root.querySelectorAll("a")].map((link) => link.getAttribute("href"))).toEqual([
      "https://example.org",
      "mailto:a@example.org",
    ]);
  });
});
