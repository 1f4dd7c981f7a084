// Limits of formulas. `reasoning_widget/markdown/tex.py` has the same ones.

/** The maximum length of a formula in UTF-16 units. */
const MAX_LENGTH = 10_000;
const MAX_COMMANDS = 400;
/** The maximum depth of a formula. Browsers lay out each level several times; at 300 levels, their tabs crash. */
const MAX_NESTING = 40;
/** The maximum depth of MathML elements. */
const MAX_DEPTH = 120;

const TOKEN = /\\(?:[A-Za-z]+|[\s\S])|[{}[\]&$]|[-+=,;]|\S/g;
/** Commands that define commands, which may expand without limit. */
const DEFINES =
  /\\(?:[gex]?def|let|futurelet|(?:re|provide)?newcommand|providecommand|renewcommand|DeclareMathOperator|(?:re)?newenvironment|csname)(?![A-Za-z])/;
/** Commands that may take any following token as their argument. */
const TAKES =
  /^\\(?:[cdt]?frac|[dt]?binom|sqrt|root|genfrac|over\w+|under\w+|x\w+arrow|stackrel|sideset|prescript|(?:wide)?(?:hat|tilde|check)|bar|vec|dot|d+dot|acute|grave|breve|mathring|not|cancel|[bx]cancel|math\w+|text\w*|operatorname\*?|bm|boldsymbol|pmb|boxed|[vh]?phantom|smash|[rlm]lap|mbox|[hf]box|color|tag)$/;

/** A formula without its delimiters. */
export function texOf(source: string): string {
  return source.startsWith("$") && !source.startsWith("$$") ? source.slice(1, -1) : source.slice(2, -2);
}

/** Whether drawing a formula, or a text with formulas, may take very long or crash the page. */
export function isCostlyTex(tex: string, longest = MAX_LENGTH): boolean {
  return tex.length > longest || DEFINES.test(tex) || nesting(tex) > MAX_NESTING;
}

/** An upper bound for the depth of a formula: of groups, and of commands that take an argument. */
function nesting(tex: string): number {
  let [deepest, waiting, optional, commands] = [0, 0, 0, 0];
  const groups: number[] = [];
  let before = "";
  for (const [sign] of tex.matchAll(TOKEN)) {
    if (sign[0] === "\\" && sign !== "\\\\" && sign !== "\\right" && sign !== "\\end") {
      commands++;
      if (/^\\[A-Za-z]/.test(sign)) waiting++;
    }
    if (sign === "{" || sign === "\\left" || sign === "\\begin") groups.push(waiting);
    else if (sign === "}" || sign === "\\right" || sign === "\\end") waiting = groups.pop() ?? 0;
    else if (sign === "[") optional += before[0] === "\\" ? 1 : 0;
    else if (sign === "]") optional = Math.max(0, optional - 1);
    else if (
      sign === "&" ||
      sign === "\\\\" ||
      sign === "$" ||
      ("-+=,;".includes(sign) && optional === 0 && !TAKES.test(before))
    ) {
      waiting = groups.at(-1) ?? 0;
    }
    deepest = Math.max(deepest, groups.length + waiting);
    before = sign;
  }
  return commands <= MAX_COMMANDS ? deepest : MAX_NESTING + 1;
}

/** Whether MathML is nested so deeply that laying it out takes very long. */
export function isDeep(mathml: string): boolean {
  let depth = 0;
  for (const [, closes, alone] of mathml.matchAll(/<(\/?)[a-z]+[^>]*?(\/?)>/g)) {
    if (closes) depth--;
    else if (!alone && ++depth > MAX_DEPTH) return true;
  }
  return false;
}
