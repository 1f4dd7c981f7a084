// What a model or a tool wrote may become part of the page only through here. Text and structure pass; nothing that runs,
// loads, styles, or takes a name in the page does.

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
 * The start of anything but plain text and tags that are allowed, have no attributes, and change nothing about how the
 * rest is read. Most of what a model writes has none, and need not be read, cleaned and read again for every token.
 */
const NOT_PLAIN = /<(?!\/?(?:blockquote|br|code|del|em|h[1-6]|hr|li|ol|p|s|strong|ul)>)/;

const WEB_LINK = /^(?:https?|mailto):/i;
const PICTURE = /^data:image\/(?:png|jpeg|gif|webp);base64,[a-z0-9+/=\s]+$/i;

// Still in the inert document: once it is imported into the page, an image would be fetched.
DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.hasAttribute("href")) keepWebLink(node);
  if (node.nodeName === "IMG" && !PICTURE.test(node.getAttribute("src") ?? "")) replaceByLink(node);
  else if (node.nodeName !== "IMG") node.removeAttribute("src");
});

/** `html` as safe nodes of this page. */
export function sanitizeHtml(html: string): DocumentFragment {
  if (NOT_PLAIN.test(html)) return cleaned(html, HTML);
  const template = document.createElement("template");
  template.innerHTML = html;
  return document.importNode(template.content, true);
}

/** MathML that was made from a formula, as nodes of this page. */
export function sanitizeMath(mathml: string): DocumentFragment {
  return cleaned(mathml, MATH);
}

function cleaned(source: string, config: Config): DocumentFragment {
  const safe = DOMPurify.sanitize(source, config) as unknown as DocumentFragment | null;
  return safe ?? document.createDocumentFragment(); // a text that ends in no body at all, such as a set of frames
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

/** A picture elsewhere is never fetched, for fetching tells that it was read: the reader may follow the link. */
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
