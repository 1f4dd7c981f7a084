// JupyterLab's translations of what the extension says, and of what the chats in its page say.

import { type ITranslator, nullTranslator, type TranslationBundle } from "@jupyterlab/translation";
import { provideTranslation } from "../translation.ts";

/** The translations, from now on also for the views, those of widgets included. */
export function loadTranslations(translator: ITranslator | null): TranslationBundle {
  const trans = (translator ?? nullTranslator).load("reasoning-widget");
  provideTranslation(trans);
  return trans;
}
