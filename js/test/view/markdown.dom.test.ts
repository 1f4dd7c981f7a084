import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { provideModule } from "../../src/modules.ts";
import * as highlight from "../../src/optional/highlight.ts";
import * as math from "../../src/optional/math.ts";
import { dialect } from "../../src/view/markdown/dialect.ts";
import { drawMarkdown, MarkdownStream } from "../../src/view/markdown/stream.ts";
import { texOf } from "../../src/view/markdown/tex.ts";

const KEY = Symbol.for("reasoning-widget");

afterEach(() => {
  delete (globalThis as { [KEY]?: unknown })[KEY];
});

function drawn(text: string): HTMLElement {
  const root = document.createElement("div");
  drawMarkdown(root, text);
  return root;
}

/** `text` in pieces of random length; the same for the same seed. */
function pieces(text: string, seed: number): string[] {
  const result: string[] = [];
  let state = seed * 2654435761 + 1;
  for (let at = 0; at < text.length; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const size = 1 + ((state >>> 16) % (seed % 2 ? 3 : 40));
    result.push(text.slice(at, at + size));
    at += size;
  }
  return result;
}

function streamed(text: string, seed: number): HTMLElement {
  const root = document.createElement("div");
  const stream = new MarkdownStream(root);
  let sofar = "";
  for (const piece of pieces(text, seed)) {
    sofar += piece;
    stream.update(sofar, false);
  }
  stream.update(text, true);
  stream.close();
  return root;
}

const SAMPLES: Record<string, string> = {
  prose: "# Title\n\nSome *text* that\ngoes on.\n\nSetext\n===\n\nMore **bold\nacross** lines.\n\n---\n\nEnd",
  "a tight list": "Before:\n- one\n- two\n  continued\n- three\n\nAfter",
  "a list that becomes loose": "1. one\n2. two\n\n3. three\n\n   inside\n\n   - nested\n   - list\n10. ten\n\nAfter\n",
  "lists that follow one another": "- a\n- b\n\n* c\n\n1. d\n1) e\n\n+ f",
  "a task list": "- [ ] open\n- [x] done\n",
  "a table": "Look:\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n| `x|y` | *4* |\n\nText | with | pipes\n",
  "a table after a paragraph": "paragraph\na | b\n--|--\n1 | 2\n\nend",
  "fenced code":
    "Run:\n\n```python\ndef f(x):\n    return x ** 2\n\n\n# ``` not the end\nprint(f(3))\n```\nand\n~~~~\n```\n~~~~\nend",
  "code that is never closed": "```js\nlet a = `b`;\n\n  c()\n",
  "indented code": "para\n\n    code\n\n    more\n\ntext\n    lazy\n",
  quotes: "> quoted\nlazy\n>\n> - list\n>   more\n\n> another\n\nend",
  html: "<div>\n<b>raw</b>\n\n*md*\n\n</div>\n\nx<br>y <kbd>k</kbd>\n\n<details><summary>s</summary>\ntext\n</details>\n",
  "tags, notes and footnotes":
    "a<b and c>d <b>x</b>\n\n> [!NOTE]\n> careful\n>\n> - [ ] x\n\nSo[^1] it is[^n].\n\n[^1]: Because.\n\n    More\n\n[^n]: x\n\nEnd",
  "Chinese and too much of it all": `**注意：**后面\n\n${"[".repeat(3100)}\n\n${"> ".repeat(50)}deep\n\nEnd`,
  "comments and what is no tag": "a <!-- hidden\n\nstill --> b\n\n<!-- x\n\ny -->\n\n1 < 2 && 3 > 2\n",
  "links defined later":
    'See [the docs][d] and [x].\n\nMore\n\n[d]: https://example.org/d "T"\n\n[x]: https://example.org/x\n\nEnd [d]\n',
  "line ends": "one\r\ntwo\r\n\r\n- a\r\n- b\r\rc",
  formulas: "Let $x_1^2$ be\n\n$$\na_1 = b\n- c\n= d\n$$\n\nand \\(y_2\\):\n\\[\nz\n\\]\nend $$inline$$ x",
  money: "It costs $5 and $10, or $5-$10, US$7, $1,000 $2k.\n\n$$ open\n\nnever closed\n",
  "emphasis cut anywhere":
    "**a *b* c** _d_ ~~e~~ `f*g*` [l](https://e.org) ![i](https://e.org/i.png) <https://e.org> https://e.org/x_y_z",
  unicode: "Zürich 😀 — 数学\n\n| 😀 | é |\n|---|---|\n| 𝒳 | e\u0301 |\n",
};

describe.each([false, true])("with the optional modules: %s", (modules) => {
  it.each(Object.entries(SAMPLES))("%s drawn as it grows ends as drawn at once", (_, text) => {
    if (modules) {
      provideModule("math", math);
      provideModule("highlight", highlight);
    }
    const expected = drawn(text).innerHTML;
    for (const seed of modules ? [2, 4, 6] : [1]) expect(streamed(text, seed).innerHTML, `seed ${seed}`).toBe(expected);
  });
});

it("all samples in one text end as drawn at once", () => {
  const text = Object.entries(SAMPLES)
    .filter(([name]) => name !== "code that is never closed" && name !== "line ends")
    .map(([, sample]) => sample)
    .join("\n\n");
  expect(streamed(text, 4).innerHTML).toBe(drawn(text).innerHTML);
});

describe("while it grows", () => {
  it("keeps the blocks that cannot change any more", () => {
    const root = document.createElement("div");
    const stream = new MarkdownStream(root);
    stream.update("first\n\nsecond\n\nthi", false);
    const first = root.firstElementChild;
    stream.update("first\n\nsecond\n\nthird\n\nfourth\n", false);
    stream.update("first\n\nsecond\n\nthird\n\nfourth\n", true);
    expect(root.firstElementChild).toBe(first);
    stream.close();
  });

  it("draws each block a few times, not once for every token", () => {
    const drawings = (count: number): number => {
      const root = document.createElement("div");
      const drawing = vi.spyOn(dialect.renderer, "render");
      const stream = new MarkdownStream(root);
      const text = "word word word\n\n".repeat(count);
      for (let end = 4; end < text.length; end += 4) stream.update(text.slice(0, end), false);
      stream.update(text, true);
      stream.close();
      const calls = drawing.mock.calls.length;
      drawing.mockRestore();
      return calls;
    };
    expect(drawings(80) / drawings(20)).toBeLessThan(5);
  });

  it.each(["fenced code", "code that is never closed"])("%s is right at every moment", (name) => {
    const text = SAMPLES[name] ?? "";
    const root = document.createElement("div");
    const stream = new MarkdownStream(root);
    for (let end = 1; end < text.length; end++) {
      stream.update(text.slice(0, end), false);
      expect(root.innerHTML).toBe(drawn(text.slice(0, end)).innerHTML);
    }
    stream.close();
  });

  it("long code keeps its colours, and gets the others when it is closed", () => {
    provideModule("highlight", highlight);
    const root = document.createElement("div");
    const stream = new MarkdownStream(root);
    const line = "if x:  # a line of code\n";
    const open = `\`\`\`python\n${line.repeat(400)}`;
    stream.update(open, false);
    stream.update(`${open}if y`, false);
    expect(root.querySelector("code")?.textContent).toBe(`${line.repeat(400)}if y\n`);
    expect(root.querySelectorAll(".rw-code-keyword")).toHaveLength(400);
    stream.update(`${open}if y\n\`\`\`\n`, true);
    expect(root.querySelectorAll(".rw-code-keyword")).toHaveLength(401);
    stream.close();
  });

  it("a growing block keeps unchanged nodes", () => {
    const root = document.createElement("div");
    const stream = new MarkdownStream(root);
    stream.update("- one\n- two", false);
    const [first, second] = root.querySelectorAll("li");
    stream.update("- one\n- two and\n- three", false);
    expect([...root.querySelectorAll("li")].slice(0, 2)).toEqual([first, second]);
    expect(second?.textContent?.trim()).toBe("two and");
    stream.close();
  });

  it("starts again when text is removed", () => {
    const root = document.createElement("div");
    const stream = new MarkdownStream(root);
    stream.update("one\n\ntwo <tool", false);
    stream.update("one\n\ntwo", true);
    expect(root.textContent?.replace(/\s+/g, " ").trim()).toBe("one two");
    stream.close();
  });
});

describe("mathematics", () => {
  it("is shown as its source until the module arrives", () => {
    const root = document.createElement("div");
    const stream = new MarkdownStream(root);
    stream.update("Let $x_1$ be", true);
    expect(root.textContent).toContain("$x_1$");
    provideModule("math", math);
    expect(root.querySelector("math msub")).not.toBeNull();
    stream.close();
  });

  it.each(["$5 and $10", "from $5 to $10.", "$5-$10", "US$5, or US$6", "$1,000 (that is $2k)", "a $ b $ c", "\\$x$"])(
    "%s is not a formula",
    (text) => {
      expect(drawn(text).querySelector("[data-rw-math]")).toBeNull();
    },
  );

  it.each(["$x$", "$2^{10}$", "$5$", "\\(a\\)", "$$a$$", "\\[a\\]", "$n \\cdot 5$", "$2x + 3$"])(
    "%s is a formula",
    (text) => {
      expect(drawn(text).querySelector("[data-rw-math]")?.textContent).toBe(text);
    },
  );

  it("that is invalid stays as it was written", () => {
    provideModule("math", math);
    expect(drawn("$\\frac{$").textContent).toContain("$\\frac{$");
  });
});

it("code is highlighted, and its text is unchanged", () => {
  provideModule("highlight", highlight);
  const root = drawn("```python\nif a < b:\n    print('<b>')\n```");
  expect(root.querySelector("pre .rw-code-keyword")?.textContent).toBe("if");
  expect(root.querySelector("code")?.textContent).toBe("if a < b:\n    print('<b>')\n");
});

interface Case {
  name: string;
  source: string;
  page: string;
}

const cases: Case[] = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../../tests/fixtures/markdown.json"), "utf8"),
);

const KEPT = new Set(
  "A B BLOCKQUOTE BR CODE DEL DETAILS EM H1 H2 H3 I IMG KBD LI OL P PRE S STRONG SUB SUMMARY SUP TABLE TD TH TR U UL".split(
    " ",
  ),
);

function escaped(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/** The text and the structure below `node`, in the format of `tests/markdown_cases.py`. */
function shape(node: Node): string {
  if (node instanceof Text) return escaped(node.data);
  const inner = [...node.childNodes].map(shape).join("");
  if (!(node instanceof Element)) return inner;
  const source = node.getAttribute("data-rw-tex");
  if (node.hasAttribute("data-rw-math")) {
    const formula = source === null ? `<code>${inner}</code>` : `<math>${escaped(texOf(source).trim())}</math>`;
    return node.tagName === "P" ? `<p>${formula}</p>` : formula;
  }
  if (!KEPT.has(node.tagName)) return inner;
  const tag = node.tagName.toLowerCase();
  const href = node.getAttribute("href");
  const opening = href === null ? `<${tag}>` : `<${tag} href="${href}">`;
  return tag === "br" ? opening : `${opening}${inner}</${tag}>`;
}

function shapeOf(text: string): string {
  const block = "blockquote|details|h1|h2|h3|li|ol|p|pre|summary|table|td|th|tr|ul";
  const flat = shape(drawn(text)).replace(/\s+/g, " ");
  return flat.replace(new RegExp(` ?(</?(?:${block})>) ?`, "g"), "$1").trim();
}

it.each(cases)("$name is drawn as it is in exports", ({ source, page }) => {
  provideModule("math", math);
  expect(shapeOf(source)).toBe(page);
});
