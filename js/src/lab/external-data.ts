// Decides whether drawing a value might fetch something: a plot may refer to data and pictures, a diagram to icons, and a map
// needs tiles. Values are drawn without asking the reader only if they certainly fetch nothing.

const VEGA = /^application\/vnd\.vega(?:lite)?\.v[\d.]+\+json$/;
/** Types without references: JupyterLab expects the data of pictures in base64. */
const SELF_CONTAINED = /^(?:application\/json|image\/\w+|application\/vnd\.jupyter\.std(?:out|err))$/;

/** Keys whose values Vega fetches. */
const FETCHED = /^(?:url|href|src)$/i;
/** Vega's tooltips fetch the field `image`; `pivot` can construct field names. */
const FETCHED_FIELD = /\b(?:image|pivot)\b/i;
/** An address, or text that may hide one. */
const ADDRESS = /\\|\/\/|https?:|url\(/i;
/** TeX commands that load extensions, or set styles or addresses. */
const FETCHING_TEX = /\\(?:require|style|bbox|mmlToken|class|cssId|data|href)(?![a-z])/i;

/** The allowed properties of input elements in a plot. Vega makes others, such as `onfocus`, attributes of the element. */
const INPUT_PROPERTY = /^(?:input|min|max|step|options|labels|name|debounce|event|placeholder)$/;

/** Whether drawing `value`, which has the MIME type `type`, might fetch something. */
export function mayFetch(type: string, value: unknown): boolean {
  if (type === "text/latex") return texMayFetch(String(value));
  if (VEGA.test(type)) return typeof value !== "object" || plotMayFetch(value);
  return !SELF_CONTAINED.test(type);
}

/** Whether a formula in `text` might fetch something. */
export function texMayFetch(text: string): boolean {
  return FETCHING_TEX.test(text);
}

/** Remove from a plot what must not happen even if the reader wants to see it: scripts, other plots, embedding options. */
export function withoutScripts(type: string, value: unknown): unknown {
  if (!VEGA.test(type)) return value;
  return typeof value === "object" ? cleaned(value, false) : {}; // a string is the address of a plot
}

function cleaned(value: unknown, inInput: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => cleaned(item, inInput));
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([name, inner]) =>
    inInput ? INPUT_PROPERTY.test(name) || isObject(inner) : name !== "usermeta",
  );
  return Object.fromEntries(kept.map(([name, inner]) => [name, cleaned(inner, inInput || name === "bind")]));
}

function plotMayFetch(value: unknown): boolean {
  // Browsers ignore white space in addresses.
  if (typeof value === "string") return FETCHED_FIELD.test(value) || ADDRESS.test(value.replace(/\s/g, ""));
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, inner]) => {
    if (name === "$schema" && typeof inner === "string") return false; // an identifier that is not fetched
    if (FETCHED.test(name)) return typeof inner !== "string" || !/^\s*data:/i.test(inner);
    return FETCHED_FIELD.test(name) || plotMayFetch(inner);
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
