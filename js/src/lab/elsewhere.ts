// Whether drawing a value would fetch something: a plot may name where its data or its pictures are.

const FETCHED = /^(?:url|href|src)$/i;
const ADDRESS = /^\s*(?:[a-z][a-z0-9+.-]*:)?\/\//i;

/** Whether `value`, JSON that a renderer draws, names data or pictures that lie outside of it. */
export function asksElsewhere(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(asksElsewhere);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, inner]) => {
    if (name === "$schema") return false; // says what it is; nobody fetches it
    if (FETCHED.test(name)) return typeof inner !== "string" || !/^\s*data:/i.test(inner);
    return typeof inner === "string" ? ADDRESS.test(inner) : asksElsewhere(inner);
  });
}
