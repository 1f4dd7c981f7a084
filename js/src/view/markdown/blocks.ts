// Markdown, block by block. Both the text that is there at once and the text that grows are drawn by `renderBlock`, so
// that they look the same.

import { getDefaults, Lexer, type MarkedOptions, Parser, Renderer, type Token, type Tokens } from "marked";
import { optionalModule } from "../../modules.ts";
import { escapeHtml, mathBlock, mathInline, mayCloseLater, texOf } from "./math.ts";
import { sanitizeHtml, sanitizeMath } from "./sanitize.ts";

/** More code than this is not coloured, in UTF-16 units: it would hold up the page. */
const MAX_HIGHLIGHTED = 100_000;

class BlockRenderer extends Renderer {
  override code({ text, lang }: Tokens.Code): string {
    const language = /^[\w+#.-]+/.exec(lang ?? "")?.[0] ?? "";
    return `<pre data-rw-lang="${escapeHtml(language)}"><code>${escapeHtml(text)}\n</code></pre>\n`;
  }

  // A wide table scrolls by itself: the card does not grow beyond the cell.
  override table(token: Tokens.Table): string {
    return `<div data-rw-table="">${super.table(token)}</div>\n`;
  }

  override checkbox({ checked }: Tokens.Checkbox): string {
    return checked ? "☑ " : "☐ ";
  }
}

const OPTIONS: MarkedOptions = {
  ...getDefaults(),
  renderer: new BlockRenderer(),
  extensions: {
    renderers: { mathBlock: mathBlock.renderer, mathInline: mathInline.renderer },
    childTokens: {},
    block: [mathBlock.tokenizer],
    startBlock: [mathBlock.start],
    inline: [mathInline.tokenizer],
    startInline: [mathInline.start],
  },
};

/** The blocks of `source`. */
export function parseBlocks(source: string): Token[] {
  return [...new Lexer(OPTIONS).lex(source)];
}

/** How many of the blocks of `source` will stay what they are, whatever text follows. */
export function countFinal(tokens: Token[], source: string): number {
  let final = 0;
  let end = 0;
  for (const [index, token] of tokens.entries()) {
    // Positions are taken from the blocks' own text: where that differs from the source, they would be wrong.
    if (!source.startsWith(token.raw, end)) break;
    end += token.raw.length;
    if (mayCloseLater(token.raw, source.slice(end))) break;
    if (isBegun(tokens.slice(index + 1, index + 3), source, end)) final = index + 1;
  }
  return final;
}

/** Whether `rest`, from `at` on, begins with a block whose first line is complete: half a line may become anything. */
function isBegun(rest: Token[], source: string, at: number): boolean {
  const next = rest[0]?.type === "space" ? rest[1] : rest[0];
  if (next === undefined) return false;
  const begin = rest[0]?.type === "space" ? at + rest[0].raw.length : at;
  return source.indexOf("\n", begin) >= 0;
}

/** One block as nodes of this page. */
export function renderBlock(token: Token): DocumentFragment {
  const html = new Parser(OPTIONS).parse([token]);
  const fragment = sanitizeHtml(html);
  if (html.includes("data-rw-")) refine(fragment);
  return fragment;
}

/** Colour the code and draw the formulas below `root`, as far as the modules for it are there. */
export function refine(root: ParentNode): void {
  for (const element of root.querySelectorAll("[data-rw-math]:not([data-rw-drawn])")) drawMath(element);
  for (const element of root.querySelectorAll("pre[data-rw-lang]:not([data-rw-drawn])")) colour(element);
}

function drawMath(element: Element): void {
  const math = optionalModule("math");
  if (!math) return;
  element.setAttribute("data-rw-drawn", "");
  try {
    const drawn = math.render(texOf(element.textContent ?? ""), element.getAttribute("data-rw-math") === "block");
    element.replaceChildren(sanitizeMath(drawn));
  } catch {
    // What is no formula stays as it was written.
  }
}

function colour(element: Element): void {
  const code = element.firstElementChild;
  const text = code?.textContent ?? "";
  const language = element.getAttribute("data-rw-lang") ?? "";
  const highlight = optionalModule("highlight");
  if (!code || !highlight || !language || text.length > MAX_HIGHLIGHTED) return;
  element.setAttribute("data-rw-drawn", "");
  const html = highlight.highlight(text, language.toLowerCase());
  if (html !== null) code.innerHTML = html; // the highlighter escapes the code; the rest is its own
}
