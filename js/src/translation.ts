// What the page says, in the person's language. It is written as in JupyterLab's own plugins, so that whatever gathers the
// texts to be translated finds them. The lab extension provides JupyterLab's translations; anywhere else it is English.

import { pageWide } from "./page-wide.ts";

/** The part of JupyterLab's `TranslationBundle` that is used. */
export interface Translation {
  /** `text`, with the values in the places of `%1`, `%2` … */
  __(text: string, ...values: unknown[]): string;
  /** `one` or `many`, as it is said of `n`. `%1` is `n`; the values begin with `%2`. */
  _n(one: string, many: string, n: number, ...values: unknown[]): string;
}

const ENGLISH: Translation = {
  __: (text, ...values) => text.replace(/%(%|\d+)/g, (_, place) => (place === "%" ? "%" : String(values[place - 1]))),
  _n: (one, many, n, ...values) => ENGLISH.__(n === 1 ? one : many, n, ...values),
};

/** The same object for every copy of this code in the page. */
const page: { words?: Translation } = pageWide({});

/** Call it when something is drawn, not when a module is loaded: the translations may come in between. */
export const trans: Translation = {
  __: (...said) => (page.words ?? ENGLISH).__(...said),
  _n: (...said) => (page.words ?? ENGLISH)._n(...said),
};

/** From now on, say everything in these words, whoever draws it in this page. */
export function provideTranslation(words: Translation): void {
  page.words = words;
}
