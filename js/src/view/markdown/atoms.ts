// The inline elements of Markdown that are parsed before all others: code, then formulas, then HTML tags.
//
// They are found in a single pass, in linear time. The same as `reasoning_widget/markdown/atoms.py`;
// `tests/fixtures/markdown.json` tests both.

const words = (text: string): Set<string> => new Set(text.split(" "));

const INLINE_TAGS = words(
  "a abbr b br code del dfn em i img ins kbd mark q rp rt ruby s samp small span strong sub sup u var wbr",
);
export const BLOCK_TAGS = words(
  "blockquote caption col colgroup dd details div dl dt figcaption figure h1 h2 h3 h4 h5 h6 hr li ol p pre summary " +
    "table tbody td tfoot th thead tr ul",
);
const VOID = words("br col hr img wbr");

// A tag contains no other `<`, so that many of them take linear time.
const VALUE = `[^ \\t\\n"'=<>\`]+|'[^'<>]*'|"[^"<>]*"`;
const TAG = new RegExp(
  `<(/?)([A-Za-z][A-Za-z0-9]*)((?:[ \\t\\n]+[A-Za-z][A-Za-z0-9-]*(?:[ \\t\\n]*=[ \\t\\n]*(?:${VALUE}))?)*)[ \\t\\n]*/?>`,
  "y",
);
const ATTRIBUTE = new RegExp(`([A-Za-z][A-Za-z0-9-]*)(?:[ \\t\\n]*=[ \\t\\n]*(${VALUE}))?`, "g");
/** The attributes that may have no value. With any other, the text is not a tag: `a<b and c>d`. */
const BARE = words("open reversed");

/** The text between two prices: "5 for the book, 10 for the pen". */
const MONEY = /^\d[\d.,]*(?:[kKmMbB]\b)?(?:[\s/,;:)—–-]|$)/;
const MATHEMATICAL = /[\\^_=+<>{}|*]/;
/** A shell variable and the character after it: `$HOME:$(pwd)`. */
const VARIABLE = /^[A-Z_][A-Z0-9_]*\W$/;

/** A formula. `source` includes its delimiters. */
export interface Formula {
  kind: "math";
  end: number;
  source: string;
  display: boolean;
}

/** An HTML tag that has its matching tag, or needs none. */
export interface Tag {
  kind: "tag";
  end: number;
  name: string;
  closes: boolean;
  attributes: Map<string, string>;
}

/** An unmatched bracket, which is plain text. */
interface Sign {
  kind: "sign";
  end: number;
}

export type Atom = Formula | Tag | Sign;

interface Span {
  start: number;
  end: number;
}

interface Mark {
  at: number;
  sign: string;
}

/** The formulas, tags and unmatched brackets of a text, by position. */
export function findAtoms(text: string): Map<number, Atom> {
  const code = findCode(text);
  const marks = findMarks(text, code);
  const found = new Map<number, Atom>(findFormulas(text, code, marks));
  const tags = new Map<number, Tag>();
  const brackets: number[] = [];
  let end = 0;
  for (const { at, sign } of marks) {
    if (at < end) continue;
    const formula = found.get(at);
    const tag = sign === "<" ? readTag(text, at) : null;
    if (formula) end = formula.end;
    else if (tag) {
      tags.set(at, tag);
      end = tag.end;
    } else if (sign === "[") brackets.push(at);
    else if (sign === "]") brackets.pop();
  }
  for (const at of brackets) {
    if (text[at - 1] === "!") found.set(at - 1, { kind: "sign", end: at + 1 });
    found.set(at, { kind: "sign", end: at + 1 });
  }
  for (const [at, tag] of paired(tags)) found.set(at, tag);
  return found;
}

/** The start and end of each code span. */
function findCode(text: string): Span[] {
  const places = new Map<number, number[]>();
  for (const { index, 0: run } of text.matchAll(/`+/g)) {
    const known = places.get(run.length);
    if (known) known.push(index);
    else places.set(run.length, [index]);
  }
  const spans: Span[] = [];
  if (places.size === 0) return spans;
  const signs = /\\|`+/g;
  for (let sign = signs.exec(text); sign !== null; sign = signs.exec(text)) {
    if (sign[0] === "\\") {
      signs.lastIndex++;
      continue;
    }
    const later = places.get(sign[0].length) ?? [];
    const closing = later[firstFrom(later, signs.lastIndex)];
    if (closing === undefined) continue;
    signs.lastIndex = closing + sign[0].length;
    spans.push({ start: sign.index, end: signs.lastIndex });
  }
  return spans;
}

/** The index of the first of the sorted `numbers` that is not less than `least`. */
function firstFrom(numbers: number[], least: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((numbers[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The delimiters and tags outside of code. */
function findMarks(text: string, code: Span[]): Mark[] {
  const marks: Mark[] = [];
  const signs = /\\[\s\S]|\$+|[<[\]]/g;
  let next = 0;
  for (let sign = signs.exec(text); sign !== null; sign = signs.exec(text)) {
    while ((code[next]?.end ?? Number.POSITIVE_INFINITY) <= sign.index) next++;
    const span = code[next];
    if (span && span.start <= sign.index) signs.lastIndex = span.end;
    else marks.push({ at: sign.index, sign: sign[0] });
  }
  return marks;
}

const CLOSING = new Map([
  ["$", "$"],
  ["\\(", "\\)"],
  ["\\[", "\\]"],
]);

function findFormulas(text: string, code: Span[], marks: Mark[]): [number, Formula][] {
  const starts = code.map(({ start }) => start);
  const closing = closingMarks(marks);
  const formulas: [number, Formula][] = [];
  let end = 0;
  for (const [index, { at, sign: opening }] of marks.entries()) {
    const last = marks[closing[index] ?? -1];
    if (!last || at < end) continue;
    const inner = text.slice(at + opening.length, last.at);
    const behind = last.at + last.sign.length;
    // Code takes precedence, even inside of a possible formula.
    if (inner.trim() === "" || (starts[firstFrom(starts, at)] ?? behind) < last.at) continue;
    if (opening[0] === "$" && (opening.length !== last.sign.length || opening.length > 2)) continue;
    if (opening === "$" && !isFormula(text[at - 1] ?? "", inner, text[behind] ?? "")) continue;
    end = behind;
    const display = opening === "$$" || opening === "\\[";
    formulas.push([at, { kind: "math", end, source: text.slice(at, end), display }]);
  }
  return formulas;
}

/** For each delimiter, the index of the next one that may close a formula that it opens. */
function closingMarks(marks: Mark[]): (number | undefined)[] {
  const closing: (number | undefined)[] = new Array(marks.length);
  const nearest = new Map<string, number>();
  for (let index = marks.length - 1; index >= 0; index--) {
    const sign = marks[index]?.sign ?? "";
    const kind = sign[0] === "$" ? "$" : sign;
    closing[index] = nearest.get(CLOSING.get(kind) ?? "");
    if (kind === "$" || kind === "\\)" || kind === "\\]") nearest.set(kind, index);
  }
  return closing;
}

/** Whether the text between two single dollar signs is a formula, not prices or shell variables. */
function isFormula(before: string, inner: string, behind: string): boolean {
  if (inner.includes("\n") || inner.trim() !== inner) return false;
  if (/\w/.test(before) || /\w/.test(behind)) return false;
  if (behind === "{" || (behind === "(" && (inner[0] === "(" || VARIABLE.test(inner)))) return false;
  return !(MONEY.test(inner) && !/^\d+$/.test(inner) && !MATHEMATICAL.test(inner));
}

function readTag(text: string, at: number): Tag | null {
  TAG.lastIndex = at;
  const found = TAG.exec(text);
  if (found === null) return null;
  const [raw, slash, written = "", rest = ""] = found;
  const [name, closes] = [written.toLowerCase(), slash === "/"];
  if (!INLINE_TAGS.has(name) && !BLOCK_TAGS.has(name)) return null;
  const attributes = new Map<string, string>();
  for (const [, key = "", value] of rest.matchAll(ATTRIBUTE)) {
    const attribute = key.toLowerCase();
    if (closes || (value === undefined && !BARE.has(attribute))) return null;
    if (!attributes.has(attribute)) attributes.set(attribute, (value ?? "").replace(/^['"]|['"]$/g, ""));
  }
  return { kind: "tag", end: at + raw.length, name, closes, attributes };
}

/** The tags that have their matching tag, or need none. */
function paired(tags: Map<number, Tag>): [number, Tag][] {
  const kept: [number, Tag][] = [];
  const opened: [number, Tag][] = [];
  const count = new Map<string, number>();
  const add = (name: string, more: number): unknown => count.set(name, (count.get(name) ?? 0) + more);
  for (const [at, tag] of tags) {
    if (VOID.has(tag.name)) {
      if (!tag.closes) kept.push([at, tag]);
    } else if (!tag.closes) {
      opened.push([at, tag]);
      add(tag.name, 1);
    } else if ((count.get(tag.name) ?? 0) > 0) {
      for (let begin = opened.pop(); begin !== undefined; begin = opened.pop()) {
        add(begin[1].name, -1);
        if (begin[1].name !== tag.name) continue;
        kept.push(begin, [at, tag]);
        break;
      }
    }
  }
  return kept;
}
