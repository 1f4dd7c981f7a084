// All HTML from models and tools is sanitized here before it is inserted into the page. Text and structure pass; scripts,
// styles, names, ids, and everything that loads something do not.

import DOMPurify, { type Config } from "dompurify";
import { trans } from "../../translation.ts";

const TAGS = (
  "a abbr b blockquote br caption code col colgroup dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 " +
  "hr i img ins kbd li mark ol p pre q rp rt ruby s samp small span strong sub summary sup table tbody td tfoot th " +
  "thead tr u ul var wbr"
).split(" ");

const ATTRIBUTES = (
  "alt align colspan dir href lang open reversed rowspan scope span src start title " +
  "data-rw-math data-rw-lang data-rw-table data-rw-source data-rw-alert data-rw-footnote"
).split(" ");

const HTML: Config = {
  ALLOWED_TAGS: TAGS,
  ALLOWED_ATTR: ATTRIBUTES,
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

const MATH: Config = {
  USE_PROFILES: { mathMl: true },
  ADD_ATTR: ["form"],
  FORBID_ATTR: ["href", "xlink:href", "id", "name"],
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/**
 * Matches the beginning of anything but plain text and allowed tags without attributes that do not affect the parsing of what
 * follows. Most texts of models match nowhere, so they need not be sanitized for each token.
 */
const NOT_PLAIN = /<(?!\/?(?:blockquote|br|code|del|em|h[1-6]|hr|li|ol|p|s|strong|ul)>)/;

const WEB_LINK = /^(?:https?|mailto):/i;
const PICTURE = /^data:image\/(?:png|jpeg|gif|webp);base64,[a-z0-9+/=\s]+$/i;

// Done in the inert document: in the page, images would be fetched.
DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.hasAttribute("href")) keepWebLink(node);
  if (node.nodeName === "IMG" && !PICTURE.test(node.getAttribute("src") ?? "")) replaceByLink(node);
  else if (node.nodeName !== "IMG") node.removeAttribute("src");
});

/** Convert `html` to safe nodes of this page. */
export function sanitizeHtml(html: string): DocumentFragment {
  if (NOT_PLAIN.test(html)) return cleaned(html, HTML);
  const template = document.createElement("template");
  template.innerHTML = html;
  return document.importNode(template.content, true);
}

/** Convert the MathML of a formula to safe nodes of this page. */
export function sanitizeMath(mathml: string): DocumentFragment {
  return cleaned(mathml, MATH);
}

function cleaned(source: string, config: Config): DocumentFragment {
  const safe = DOMPurify.sanitize(source, config) as unknown as DocumentFragment | null;
  return safe ?? document.createDocumentFragment(); // DOMPurify found no body, as for a frameset
}

function keepWebLink(node: Element): void {
  const href = node.getAttribute("href") ?? "";
  if (node.nodeName !== "A" || !WEB_LINK.test(href.trim())) {
    node.removeAttribute("href");
    return;
  }
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer");
}

/** Replace a remote picture by a link: fetching it would reveal that the text was read. */
function replaceByLink(image: Element): void {
  const source = (image.getAttribute("src") ?? "").trim();
  const words = image.getAttribute("alt")?.trim() || trans.__("image");
  const link = image.ownerDocument.createElement("a");
  link.textContent = `[${words}]`;
  if (/^https?:/i.test(source)) {
    link.setAttribute("href", source);
    link.setAttribute("title", trans.__("Image: %1", source));
    keepWebLink(link);
  }
  image.replaceWith(link);
}
