// Where mathematics begins and ends in Markdown: $…$, \(…\) within a line; $$…$$, \[…\] as a block or within one.
//
// Inside, underscores and asterisks mean nothing to Markdown, so it must be told before anything else is read. What is
// money must stay money: "$5 and $10" is no formula.

import type { RendererExtension, TokenizerExtension, Tokens } from "marked";

/** Within a block there is no blank line, as in TeX. */
const BLOCK = /^ {0,3}(?:\$\$(?!\$)((?:(?!\n[ \t]*\n)[^$])+?)\$\$|\\\[((?:(?!\n[ \t]*\n)[\s\S])+?)\\\])[ \t]*(?:\n+|$)/;
const DISPLAY = /^(?:\$\$(?!\$)((?:(?!\n[ \t]*\n)[^$])+?)\$\$|\\\[((?:(?!\n[ \t]*\n)[\s\S])+?)\\\])/;
const INLINE =
  /^(?:\$(?![\s$])((?:\\[^\n]|[^\\$\n])*?(?:\\[^\n]|[^\\\s$]))\$(?![\d$])|\\\(((?:(?!\n[ \t]*\n)[\s\S])+?)\\\))/;
/** The beginning of a formula of its own line, which may still be open. */
const OPENER = /^ {0,3}(?:\$\$|\\\[)/m;
/** "5 for the book, 10 for the pen": what stands between two prices. */
const MONEY = /^\d[\d.,]*(?:[kKmMbB]\b)?(?:[\s/,;:)—–-]|$)/;
const MATHEMATICAL = /[\\^_=+<>{}|*]/;

const BLANK_LINE = /\n[ \t]*\n/;

export interface MathToken extends Tokens.Generic {
  type: "mathBlock" | "mathInline";
  display: boolean;
}

/** A kind of token that Markdown does not have. */
type Extension = Required<Omit<TokenizerExtension, "childTokens">> & RendererExtension;

export const mathBlock: Extension = {
  name: "mathBlock",
  level: "block",
  start: (source) => {
    const at = source.includes("$$") || source.includes("\\[") ? source.search(/\n {0,3}(?:\$\$|\\\[)/) : -1;
    return at < 0 ? undefined : at + 1;
  },
  tokenizer(source) {
    const raw = BLOCK.exec(source)?.[0];
    return raw === undefined ? undefined : { type: "mathBlock", raw, text: raw.trim(), display: true };
  },
  renderer: (token) => `<p data-rw-math="block">${escapeHtml(token.text)}</p>`,
};

export const mathInline: Extension = {
  name: "mathInline",
  level: "inline",
  start: (source) => {
    const found = [source.indexOf("$"), source.indexOf("\\("), source.indexOf("\\[")].filter((at) => at >= 0);
    return found.length > 0 ? Math.min(...found) : undefined;
  },
  tokenizer(source) {
    const block = DISPLAY.exec(source)?.[0];
    if (block !== undefined) return { type: "mathInline", raw: block, text: block, display: true };
    const match = INLINE.exec(source);
    if (!match) return undefined;
    const [raw, dollars] = match;
    if (dollars !== undefined && isMoney(dollars)) return undefined;
    return { type: "mathInline", raw, text: raw, display: false };
  },
  renderer: (token) =>
    `<span data-rw-math="${(token as MathToken).display ? "block" : "inline"}">${escapeHtml(token.text)}</span>`,
};

/** Whether a formula that began in `block` may still be closed by what comes later than `rest`, which follows it. */
export function mayCloseLater(block: string, rest: string): boolean {
  const at = block.search(OPENER);
  if (at < 0) return false;
  const source = block.slice(at) + rest;
  return !BLOCK.test(source) && !BLANK_LINE.test(source);
}

/** A formula without its delimiters. */
export function texOf(source: string): string {
  return source.startsWith("$") && !source.startsWith("$$") ? source.slice(1, -1) : source.slice(2, -2);
}

function isMoney(text: string): boolean {
  return MONEY.test(text) && !/^\d+$/.test(text) && !MATHEMATICAL.test(text);
}

export function escapeHtml(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}
