// What in a line of Markdown is read before all else: code, then formulas, then tags of HTML.
//
// One pass over the text finds them, in time that grows with its length. `reasoning_widget/markdown/atoms.py` does the
// same; both are held to `tests/fixtures/markdown.json`.

const words = (text: string): Set<string> => new Set(text.split(" "));

const INLINE_TAGS = words(
  "a abbr b br code del dfn em i img ins kbd mark q rp rt ruby s samp small span strong sub sup u var wbr",
);
export const BLOCK_TAGS = words(
  "blockquote caption col colgroup dd details div dl dt figcaption figure h1 h2 h3 h4 h5 h6 hr li ol p pre summary " +
    "table tbody td tfoot th thead tr ul",
);
const VOID = words("br col hr img wbr");

// Between a tag's `<` and its end there is no other `<`: so that many of them take no longer than one.
const VALUE = `[^ \\t\\n"'=<>\`]+|'[^'<>]*'|"[^"<>]*"`;
const TAG = new RegExp(
  `<(/?)([A-Za-z][A-Za-z0-9]*)((?:[ \\t\\n]+[A-Za-z][A-Za-z0-9-]*(?:[ \\t\\n]*=[ \\t\\n]*(?:${VALUE}))?)*)[ \\t\\n]*/?>`,
  "y",
);
const ATTRIBUTE = new RegExp(`([A-Za-z][A-Za-z0-9-]*)(?:[ \\t\\n]*=[ \\t\\n]*(${VALUE}))?`, "g");
/** Attributes without a value. Any other shows that it is no tag: `a<b and c>d`. */
const BARE = words("open reversed");

/** "5 for the book, 10 for the pen": what stands between two prices. */
const MONEY = /^\d[\d.,]*(?:[kKmMbB]\b)?(?:[\s/,;:)—–-]|$)/;
const MATHEMATICAL = /[\\^_=+<>{}|*]/;
/** A shell's variable and the sign behind it: `$HOME:$(pwd)`. */
const VARIABLE = /^[A-Z_][A-Z0-9_]*\W$/;

/** A formula; `source` has its delimiters. */
export interface Formula {
  kind: "math";
  end: number;
  source: string;
  display: boolean;
}

/** A tag that has its partner, or needs none. */
export interface Tag {
  kind: "tag";
  end: number;
  name: string;
  closes: boolean;
  attributes: Map<string, string>;
}

/** A bracket without a partner: nothing but itself. */
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

/** The formulas, the tags and the brackets without a partner of a text, by where they begin. */
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

/** The spans of code, from their first sign to behind their last. */
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

/** What may begin or end something, outside of code. */
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
    // Code is code, also where it begins within what might be a formula.
    if (inner.trim() === "" || (starts[firstFrom(starts, at)] ?? behind) < last.at) continue;
    if (opening[0] === "$" && (opening.length !== last.sign.length || opening.length > 2)) continue;
    if (opening === "$" && !isFormula(text[at - 1] ?? "", inner, text[behind] ?? "")) continue;
    end = behind;
    const display = opening === "$$" || opening === "\\[";
    formulas.push([at, { kind: "math", end, source: text.slice(at, end), display }]);
  }
  return formulas;
}

/** For each mark the index of the next one that may close a formula that it opens. */
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

/** Whether what stands between two single dollar signs is a formula: not money, and no variables of a shell. */
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

/** The tags that have their partner, or need none. */
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
