// Whether drawing a value might fetch something. Nothing is drawn unasked that has not been shown to name nothing elsewhere:
// a plot may name its data and pictures, a diagram its icons, a map needs its tiles.

const VEGA = /^application\/vnd\.vega(?:lite)?\.v[\d.]+\+json$/;
/** All that JupyterLab draws of these is in them: its renderer takes pictures as base64. */
const SELF_CONTAINED = /^(?:application\/json|image\/\w+|application\/vnd\.jupyter\.std(?:out|err))$/;

const FETCHED = /^(?:url|href|src)$/i;
/** A tooltip shows the picture that its data call `image`; `pivot` makes names out of what is put together. */
const NAME = /\b(?:image|pivot)\b/i;
/** An address, or what may hide one. */
const ADDRESS = /\\|\/\/|https?:|url\(/i;
/** What in a formula reaches for a script or a style. */
const REACHING = /\\(?:require|style|bbox|mmlToken|class|cssId|data|href)(?![a-z])/i;

/** What a field of a plot may say of itself. The others would become attributes of its element: `onfocus`, too. */
const FIELD = /^(?:input|min|max|step|options|labels|name|debounce|event|placeholder)$/;

/** Whether what draws `value`, of that MIME type, might fetch something. */
export function asksElsewhere(type: string, value: unknown): boolean {
  if (type === "text/latex") return reaches(String(value));
  if (VEGA.test(type)) return typeof value !== "object" || names(value);
  return !SELF_CONTAINED.test(type);
}

/** Whether a formula in `text` might fetch something. */
export function reaches(text: string): boolean {
  return REACHING.test(text);
}

/** `value` without what nobody means who wants to see it: scripts, another plot in its place, other options for what draws it. */
export function tamed(type: string, value: unknown): unknown {
  if (!VEGA.test(type)) return value;
  return typeof value === "object" ? part(value, false) : {}; // a text is the address of a plot
}

function part(value: unknown, inField: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => part(item, inField));
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([name, inner]) =>
    inField ? FIELD.test(name) || isObject(inner) : name !== "usermeta",
  );
  return Object.fromEntries(kept.map(([name, inner]) => [name, part(inner, inField || name === "bind")]));
}

function names(value: unknown): boolean {
  // White space in an address is skipped.
  if (typeof value === "string") return NAME.test(value) || ADDRESS.test(value.replace(/\s/g, ""));
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, inner]) => {
    if (name === "$schema" && typeof inner === "string") return false; // says what it is; nobody fetches it
    if (FETCHED.test(name)) return typeof inner !== "string" || !/^\s*data:/i.test(inner);
    return NAME.test(name) || names(inner);
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
