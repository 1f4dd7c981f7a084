// What is bundled and never used is left out of what is sent to the page with every widget.
//
// The sanitizer knows by name every element and attribute of HTML and SVG, for those who do not say what they allow.
// sanitize.ts says it, so these lists are never read. Without them only less is allowed.
//
// Of Marked, only its lexer, parser and renderer are used: see blocks.ts.

const LISTS = ["html$1", "svg$1", "svgFilters", "svgDisallowed", "html", "svg"];

/** The source of DOMPurify without its lists. Throws where a new version is written in another way. */
function withoutLists(source) {
  return LISTS.reduce((text, name) => {
    const begin = text.indexOf(`const ${name} = freeze([`);
    const end = text.indexOf("]);", begin);
    if (begin < 0 || end < 0) throw new Error(`DOMPurify has no list ${name} any more: see scripts/slim.mjs`);
    return `${text.slice(0, begin)}const ${name} = freeze([${text.slice(end)}`;
  }, source);
}

/** The source of Marked without the class and the function that put its parts together. */
function withoutFace(source) {
  const face = /var (\w+)=new (\w+);function [\s\S]*(?=export\{)/.exec(source);
  const names = ["Lexer", "Parser", "Renderer", "getDefaults"];
  const exported = names.map((name) => new RegExp(`[{,]([\\w$]+ as ${name})[,}]`).exec(source)?.[1]);
  if (!face || exported.includes(undefined)) throw new Error("Marked is written in another way: see scripts/slim.mjs");
  return `${source.slice(0, face.index)}export{${exported}};`;
}

const SLIM = [
  [/dompurify[\\/]dist[\\/]purify\.es\.mjs$/, withoutLists],
  [/marked[\\/]lib[\\/]marked\.esm\.js$/, withoutFace],
];

/** The files that are made smaller. */
export const SLIMMED = new RegExp(SLIM.map(([path]) => path.source).join("|"));

/** The source of the file at `path` without what is never used. */
export function slim(path, source) {
  const [, make] = SLIM.find(([known]) => known.test(path));
  return make(source);
}
