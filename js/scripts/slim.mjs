// The sanitizer knows by name every element and attribute of HTML and SVG, for those who do not say what they allow.
// sanitize.ts says it, so these lists would be sent to the page with every widget and never be read. Without them only
// less is allowed.

const LISTS = ["html$1", "svg$1", "svgFilters", "svgDisallowed", "html", "svg"];

/** The source of DOMPurify without its lists. Throws where a new version is written in another way. */
export function withoutLists(source) {
  return LISTS.reduce((text, name) => {
    const begin = text.indexOf(`const ${name} = freeze([`);
    const end = text.indexOf("]);", begin);
    if (begin < 0 || end < 0) throw new Error(`DOMPurify has no list ${name} any more: see scripts/slim.mjs`);
    return `${text.slice(0, begin)}const ${name} = freeze([${text.slice(end)}`;
  }, source);
}

export const SANITIZER = /dompurify[\\/]dist[\\/]purify\.es\.mjs$/;
