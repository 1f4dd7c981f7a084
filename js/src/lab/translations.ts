// JupyterLab's translations for the extension and for the chats in its page.

import { type ITranslator, nullTranslator, type TranslationBundle } from "@jupyterlab/translation";
import { provideTranslation } from "../translation.ts";

/** Load the translations, and provide them to all views in the page, including those of widgets. */
export function loadTranslations(translator: ITranslator | null): TranslationBundle {
  const trans = (translator ?? nullTranslator).load("reasoning-widget");
  provideTranslation(trans);
  return trans;
}
