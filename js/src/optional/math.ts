// The optional module "math": TeX to MathML, which browsers draw without additional fonts.

import temml from "temml";

/** MathML of a TeX formula. */
export function render(tex: string, display: boolean): string {
  return temml.renderToString(tex, { displayMode: display, throwOnError: true, trust: false, maxExpand: 500 });
}
