// The dialect of Markdown for all texts of agents, described in docs/markdown.md. `reasoning_widget/markdown/dialect.py`
// implements it for exports and the terminal; `tests/fixtures/markdown.json` tests all of them.

import MarkdownIt, { type StateBlock, type StateCore, type StateInline, type Token } from "markdown-it";
import cjkFriendly from "markdown-it-cjk-friendly";
import footnote from "markdown-it-footnote";
import { type Atom, BLOCK_TAGS, findAtoms } from "./atoms.ts";

/** A paragraph with more characters that may be markup is shown as its source. */
const MAX_SIGNS = 3000;
/** Quotes and lists that are nested deeper are shown as their source. */
const MAX_LEVEL = 30;

/** The addresses that links may have. */
export const WEB_LINK = /^(?:https?|mailto):/i;
const SAFE_LINK = /^(?:https?:|mailto:|#)/i;
const PICTURE = /^data:image\/(?:png|jpeg|gif|webp);base64,[a-z0-9+/=]+$/i;

const SIGNS = /[*_~`[\]<$&\\!\n]/g;
const TASK = /^\[([ xX])\][ \t]+(?=\S)/;
const ALERT = /^\[!(note|tip|important|warning|caution)\][ \t]*(?:\n|$)/i;
const BLOCK = new RegExp(`^</?(?:${[...BLOCK_TAGS].join("|")})(?:[ \\t\\n/>]|$)`, "i");
const TITLE_ALONE = "alert_title paragraph_open inline paragraph_close";

/** The state of parsing a text. */
interface Env {
  /** For each closing delimiter of formulas, the line before which there is none. */
  unclosed?: Record<string, number>;
  /** The elements in the line that is being parsed. */
  atoms?: { src: string; found: Map<number, Atom> };
}

/** The parser and renderer of the dialect. */
export const dialect = make();

function make(): InstanceType<typeof MarkdownIt> {
  const made = new MarkdownIt("default", { html: false, linkify: true, typographer: false });
  made.set({ maxNesting: MAX_LEVEL + 20 });
  made.use(cjkFriendly).use(footnote);
  // Footnotes stay where they are written, so that none is lost and blocks are independent of each other.
  made.disable(["footnote_tail", "footnote_inline", "html_block", "html_inline"]);
  made.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
  made.validateLink = (url) => SAFE_LINK.test(url) || isPicture(url);
  made.block.ruler.before("table", "too_deep", tooDeep);
  made.block.ruler.before("fence", "math", math, { alt: ["paragraph", "reference", "blockquote", "list"] });
  made.block.ruler.before("heading", "html", html, { alt: ["paragraph", "reference", "blockquote"] });
  made.inline.ruler.before("linkify", "atom", atom);
  made.core.ruler.before("inline", "of_ours", ofOurs);
  return made;
}

/** Whether it is the data of a picture: pictures with other addresses are never fetched. */
function isPicture(address: string): boolean {
  return PICTURE.test(address);
}

/** Blocks nested too deeply become their source: the parser would leave them out. */
function tooDeep(state: StateBlock, start: number, end: number, silent: boolean): boolean {
  if (state.level < MAX_LEVEL || silent) return false;
  const token = state.push("source", "", 0);
  token.content = state.getLines(start, end, state.blkIndent, false);
  token.map = [start, end];
  token.block = true;
  state.line = end;
  return true;
}

/** A block formula, between `$$` or between `\[` and `\]`. */
function math(state: StateBlock, start: number, end: number, silent: boolean): boolean {
  const begin = (state.bMarks[start] ?? 0) + (state.tShift[start] ?? 0);
  const opening = state.src.slice(begin, begin + 2);
  if ((opening !== "$$" && opening !== "\\[") || isIndented(state, start)) return false;
  const closing = opening === "$$" ? "$$" : "\\]";
  const env = state.env as Env;
  env.unclosed ??= {};
  if (start < (env.unclosed[closing] ?? -1)) return false;
  let at = begin + 2;
  let line = start;
  for (; line < end && !state.isEmpty(line) && (state.sCount[line] ?? 0) >= state.blkIndent; line++) {
    const last = state.eMarks[line] ?? 0;
    const found = state.src.slice(at, last).indexOf(opening === "$$" ? "$" : closing);
    if (found < 0) {
      at = state.bMarks[line + 1] ?? 0;
      continue;
    }
    if (!state.src.startsWith(closing, at + found) || state.src.slice(at + found + 2, last).trim() !== "") return false;
    const text = state.getLines(start, line + 1, state.blkIndent, false).trim();
    if (text.slice(2, -2).trim() === "") return false;
    if (silent) return true;
    const token = state.push("math_block", "", 0);
    token.content = text;
    token.map = [start, line + 1];
    token.block = true;
    state.line = line + 1;
    return true;
  }
  env.unclosed[closing] = line;
  return false;
}

/** Lines that begin with a block tag, up to an empty line: tags and text, without Markdown. */
function html(state: StateBlock, start: number, end: number, silent: boolean): boolean {
  const begin = (state.bMarks[start] ?? 0) + (state.tShift[start] ?? 0);
  if (state.src[begin] !== "<" || isIndented(state, start)) return false;
  if (!BLOCK.test(state.src.slice(begin, Math.min(begin + 16, state.eMarks[start] ?? begin)))) return false;
  if (silent) return true;
  let line = start + 1;
  while (line < end && !state.isEmpty(line) && (state.sCount[line] ?? 0) >= state.blkIndent) line++;
  const token = state.push("html", "", 0);
  token.content = state.getLines(start, line, state.blkIndent, false);
  token.map = [start, line];
  token.block = true;
  state.line = line;
  return true;
}

function isIndented(state: StateBlock, line: number): boolean {
  return (state.sCount[line] ?? 0) - state.blkIndent >= 4;
}

/** Tasks and alerts. Paragraphs that are too costly become their source. */
function ofOurs(state: StateCore): void {
  const tokens: Token[] = [];
  const types = (count: number): string =>
    tokens
      .slice(-count)
      .map(({ type }) => type)
      .join(" ");
  for (const token of state.tokens) {
    tokens.push(token);
    if (types(4) === TITLE_ALONE && tokens.at(-2)?.content === "") tokens.splice(-3);
    if (token.type !== "inline") continue;
    const task = types(3) === "list_item_open paragraph_open inline" && TASK.exec(token.content);
    const alert = types(3) === "blockquote_open paragraph_open inline" && ALERT.exec(token.content);
    if (task) token.content = (task[1] === " " ? "☐ " : "☑ ") + token.content.slice(task[0].length);
    if (alert) {
      const kind = (alert[1] ?? "").toLowerCase();
      tokens.at(-3)?.attrSet("data-rw-alert", kind);
      const title = new state.Token("alert_title", "", 0);
      title.content = kind;
      tokens.splice(-2, 0, title);
      token.content = token.content.slice(alert[0].length);
    }
    if ((token.content.match(SIGNS)?.length ?? 0) > MAX_SIGNS) token.type = "source_inline";
  }
  state.tokens = tokens;
}

/** A formula, a tag, or an unmatched bracket. */
function atom(state: StateInline, silent: boolean): boolean {
  const env = state.env as Env;
  if (env.atoms?.src !== state.src) env.atoms = { src: state.src, found: findAtoms(state.src) };
  const found = env.atoms.found.get(state.pos);
  if (!found || found.end > state.posMax) return false;
  if (!silent) {
    const text = state.src.slice(state.pos, found.end);
    if (found.kind === "sign") state.pending += text;
    else {
      const token = state.push(found.kind === "math" ? "math_inline" : "tag", "", 0);
      token.content = text;
      token.meta = { atom: found };
    }
  }
  state.pos = found.end;
  return true;
}
