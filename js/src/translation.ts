// The page's texts in the person's language. Calls look as in JupyterLab's own plugins, so that `jupyterlab-translate` finds
// the texts. The lab extension provides JupyterLab's translations; elsewhere the texts are English.

import { pageWide } from "./page-wide.ts";

/** The part of JupyterLab's `TranslationBundle` that is used. */
export interface Translation {
  /** `text`, in which `%1`, `%2` … are replaced by the values. */
  __(text: string, ...values: unknown[]): string;
  /** `one` or `many`, depending on `n`. `%1` is `n`; the values begin with `%2`. */
  _n(one: string, many: string, n: number, ...values: unknown[]): string;
}

const ENGLISH: Translation = {
  __: (text, ...values) => text.replace(/%(%|\d+)/g, (_, place) => (place === "%" ? "%" : String(values[place - 1]))),
  _n: (one, many, n, ...values) => ENGLISH.__(n === 1 ? one : many, n, ...values),
};

/** The same object for every copy of this code in the page. */
const page: { words?: Translation } = pageWide({});

/** Use it when something is drawn, not when a module is loaded: translations may be provided in between. */
export const trans: Translation = {
  __: (...args) => (page.words ?? ENGLISH).__(...args),
  _n: (...args) => (page.words ?? ENGLISH)._n(...args),
};

/** Use this translation for everything in the page from now on. */
export function provideTranslation(translation: Translation): void {
  page.words = translation;
}
