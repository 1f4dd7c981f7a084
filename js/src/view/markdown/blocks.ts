// Draws Markdown block by block. `renderBlock` draws complete and growing texts, so that they look the same.

import type { Token } from "markdown-it";
import { optionalModule } from "../../modules.ts";
import { trans } from "../../translation.ts";
import { type Formula, findAtoms, type Tag } from "./atoms.ts";
import { dialect, WEB_LINK } from "./dialect.ts";
import { sanitizeHtml, sanitizeMath } from "./sanitize.ts";
import { isCostlyTex, isDeep, texOf } from "./tex.ts";

/** Longer code, in UTF-16 units, is not highlighted: it would block the page. */
const MAX_HIGHLIGHTED = 100_000;
/** The beginning of a block formula, which may still be open. */
const OPENER = /^ {0,3}(?:\$\$|\\\[)/m;
const BLANK_LINE = /\n[ \t]*\n/;

/** A block of a text. The space between two blocks belongs to the second one. */
export interface Block {
  tokens: Token[];
  env: Record<string, unknown>;
  /** The start of its first line and the end of its last line, as positions in the text. */
  start: number;
  end: number;
}

/** Parse the blocks of `source`. `defines`: whether they define links or footnotes, to which other blocks may refer. */
export function parseBlocks(source: string): { blocks: Block[]; defines: boolean } {
  const env: Record<string, unknown> = {};
  const lines = lineStarts(source);
  const blocks: Block[] = [];
  let depth = 0;
  let tokens: Token[] = [];
  for (const token of dialect.parse(source, env)) {
    tokens.push(token);
    depth += token.nesting;
    if (depth > 0) continue;
    const [first, last] = tokens[0]?.map ?? [0, 0];
    blocks.push({ tokens, env, start: lines[first] ?? 0, end: lines[last] ?? source.length });
    tokens = [];
  }
  const { references, footnotes } = env as { references?: object; footnotes?: object };
  return { blocks, defines: Object.keys(references ?? {}).length > 0 || footnotes !== undefined };
}

function lineStarts(source: string): number[] {
  const starts = [0];
  for (let at = source.indexOf("\n"); at >= 0; at = source.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** The number of blocks that cannot change any more, whatever text follows `source`. */
export function countFinal(blocks: Block[], source: string): number {
  let final = 0;
  for (const [index, { start, end }] of blocks.entries()) {
    if (mayCloseLater(source.slice(start, end), source.slice(end))) break;
    const next = blocks[index + 1];
    // The block after it must have a complete line: an incomplete one may still belong to this block.
    if (next && source.indexOf("\n", next.start) >= 0) final = index + 1;
  }
  return final;
}

/** Whether a formula that starts in `block` and is open at the end of `rest`, the text after it, may still be closed. */
function mayCloseLater(block: string, rest: string): boolean {
  const at = block.search(OPENER);
  if (at < 0) return false;
  const source = (block.slice(at) + rest).trimStart();
  if (BLANK_LINE.test(source)) return false;
  return source.indexOf(source.startsWith("$$") ? "$" : "\\]", 2) < 0;
}

/** Draw one block as nodes of this page. */
export function renderBlock({ tokens, env }: Block): DocumentFragment {
  const html = dialect.renderer.render(tokens, dialect.options, env);
  const fragment = sanitizeHtml(html);
  if (html.includes("data-rw-")) refine(fragment);
  return fragment;
}

type Rule = (tokens: Token[], index: number) => string;

const rules: Record<string, Rule> = dialect.renderer.rules as Record<string, Rule>;

rules.fence = rules.code_block = (tokens, index) => {
  const { content = "", info = "" } = tokens[index] ?? {};
  const language = /^[\w+#.-]+/.exec(info)?.[0] ?? "";
  const text = content === "" || content.endsWith("\n") ? content : `${content}\n`;
  return `<pre data-rw-lang="${escapeHtml(language)}"><code>${escapeHtml(text)}</code></pre>\n`;
};

// Wide tables scroll, so that the card does not become wider than the cell.
rules.table_open = () => '<div data-rw-table=""><table>\n';
rules.table_close = () => "</table></div>\n";
rules.th_open = rules.td_open = (tokens, index) => {
  const align = /text-align:(\w+)/.exec(String(tokens[index]?.attrGet("style")))?.[1];
  return `<${tokens[index]?.tag}${align ? ` align="${align}"` : ""}>`;
};

rules.source = (tokens, index) => `<div>${sourceHtml(tokens[index]?.content ?? "")}</div>\n`;
rules.source_inline = (tokens, index) => sourceHtml(tokens[index]?.content ?? "");
rules.math_block = (tokens, index) => `<p data-rw-math="block">${escapeHtml(tokens[index]?.content ?? "")}</p>\n`;
rules.math_inline = (tokens, index) => formulaHtml(tokens[index]?.meta?.atom as Formula);
rules.tag = (tokens, index) => tagHtml(tokens[index]?.meta?.atom as Tag);

rules.html = (tokens, index) => {
  const text = tokens[index]?.content ?? "";
  const atoms = [...findAtoms(text)].sort(([first], [second]) => first - second);
  let drawn = "";
  let at = 0;
  for (const [begin, atom] of atoms) {
    if (begin < at || atom.kind === "sign") continue;
    drawn += escapeHtml(text.slice(at, begin)) + (atom.kind === "tag" ? tagHtml(atom) : formulaHtml(atom));
    at = atom.end;
  }
  return `${drawn}${escapeHtml(text.slice(at))}\n`;
};

rules.alert_title = (tokens, index) =>
  `<p><strong>${escapeHtml(alertTitle(tokens[index]?.content ?? ""))}</strong></p>`;
rules.footnote_ref = (tokens, index) => `<sup>[${escapeHtml(labelOf(tokens[index]))}]</sup>`;
rules.footnote_reference_open = (tokens, index) =>
  `<div data-rw-footnote=""><sup>[${escapeHtml(labelOf(tokens[index]))}]</sup>`;
rules.footnote_reference_close = () => "</div>\n";

// The sanitizer replaces pictures with remote addresses.
rules.image = (tokens, index) => {
  const token = tokens[index];
  return pictureHtml(String(token?.attrGet("src") ?? ""), textOf(token?.children ?? []));
};

function labelOf(token: Token | undefined): string {
  return String(token?.meta?.label ?? "");
}

function textOf(tokens: Token[]): string {
  return tokens.map((token) => (token.children ? textOf(token.children) : token.content)).join("");
}

function sourceHtml(text: string): string {
  return `<code data-rw-source="">${escapeHtml(text)}</code> <em>(${escapeHtml(costlyNote())})</em>`;
}

/** Explains why something is shown as its source. */
export function costlyNote(): string {
  return trans.__("Shown as its source: too costly to draw.");
}

function formulaHtml({ source, display }: Formula): string {
  return `<span data-rw-math="${display ? "block" : "inline"}">${escapeHtml(source)}</span>`;
}

function pictureHtml(address: string, words: string): string {
  return `<img src="${escapeHtml(address)}" alt="${escapeHtml(words)}">`;
}

function tagHtml({ name, closes, attributes }: Tag): string {
  if (closes) return `</${name}>`;
  let written = "";
  for (const [key, value] of attributes) {
    const allowed = key === "href" ? WEB_LINK.test(value) : key !== "src" || name === "img";
    if (allowed) written += ` ${key}="${escapeHtml(value)}"`;
  }
  return `<${name}${written}>`;
}

function alertTitle(kind: string): string {
  switch (kind) {
    case "tip":
      return trans.__("Tip");
    case "important":
      return trans.__("Important");
    case "warning":
      return trans.__("Warning");
    case "caution":
      return trans.__("Caution");
    default:
      return trans.__("Note");
  }
}

/** Highlight the code and draw the formulas below `root`, if the modules for that are loaded. */
export function refine(root: ParentNode): void {
  for (const element of root.querySelectorAll("[data-rw-math]:not([data-rw-drawn])")) drawMath(element);
  for (const element of root.querySelectorAll("pre[data-rw-lang]:not([data-rw-drawn])")) colour(element);
}

function drawMath(element: Element): void {
  const source = element.textContent ?? "";
  const tex = texOf(source);
  if (isCostlyTex(tex)) {
    showSource(element);
    return;
  }
  const math = optionalModule("math");
  if (!math) return;
  element.setAttribute("data-rw-drawn", "");
  try {
    const drawn = math.render(tex, element.getAttribute("data-rw-math") === "block");
    if (isDeep(drawn)) {
      showSource(element);
      return;
    }
    element.setAttribute("data-rw-tex", source);
    element.replaceChildren(sanitizeMath(drawn));
  } catch {
    // An invalid formula stays as it was written.
  }
}

/** Show the source of a formula, with a note that explains why. */
function showSource(element: Element): void {
  const holder = document.createElement("template");
  holder.innerHTML = sourceHtml(element.textContent ?? "");
  element.removeAttribute("data-rw-math");
  element.replaceChildren(holder.content);
}

function colour(element: Element): void {
  const code = element.firstElementChild;
  const text = code?.textContent ?? "";
  const language = element.getAttribute("data-rw-lang") ?? "";
  const highlight = optionalModule("highlight");
  if (!code || !highlight || !language || text.length > MAX_HIGHLIGHTED) return;
  element.setAttribute("data-rw-drawn", "");
  const html = highlight.highlight(text, language.toLowerCase());
  if (html !== null) code.innerHTML = html; // safe: the highlighter escapes the code
}

function escapeHtml(text: string): string {
  return dialect.utils.escapeHtml(text);
}
