// The protocol counts text in Unicode code points, as Python does; JavaScript strings consist of UTF-16 units.

const PAIR = /[\uD800-\uDBFF][\uDC00-\uDFFF]/g;

/** The length of `text` in code points. */
export function codePointLength(text: string): number {
  return text.length - (text.match(PAIR)?.length ?? 0);
}

/** `text` without its first `count` code points. */
export function dropCodePoints(text: string, count: number): string {
  let units = 0;
  for (let left = count; left > 0 && units < text.length; left--) {
    units += (text.codePointAt(units) ?? 0) > 0xffff ? 2 : 1;
  }
  return text.slice(units);
}
