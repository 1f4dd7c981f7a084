// Draws the outputs of tools with JupyterLab's renderers, like the outputs of cells: tables, plots, formulas, and the types
// that extensions add. Outputs of tools are never trusted, so only renderers that are safe or sanitize are used.

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { ReadonlyPartialJSONObject, ReadonlyPartialJSONValue } from "@lumino/coreutils";
import { attachAnywhere, detachAnywhere } from "../compat/lumino.ts";
import { provideModule, type RichModule } from "../modules.ts";
import { trans } from "../translation.ts";
import { isCostlyTex } from "../view/markdown/tex.ts";
import { mayFetch, texMayFetch, withoutScripts } from "./external-data.ts";

/** The plugin that draws tools' outputs with JupyterLab's renderers. */
export const richOutputs: JupyterFrontEndPlugin<void> = {
  id: "reasoning-widget:rich-outputs",
  description: "Draws the outputs of an agent's tools with the notebook's renderers",
  autoStart: true,
  requires: [IRenderMimeRegistry],
  activate: (_app: JupyterFrontEnd, rendermime: IRenderMimeRegistry): void =>
    provideModule("rich", renderers(rendermime)),
};

function renderers(rendermime: IRenderMimeRegistry): RichModule {
  return {
    preferred: (bundle) => rendermime.preferredMimeType(bundle as ReadonlyPartialJSONObject, "ensure"),
    mayFetch,
    render(element, type, value) {
      const renderer = (type === "text/html" ? withSafeFormulas(rendermime) : rendermime).createRenderer(type);
      const data = { [type]: withoutScripts(type, value) as ReadonlyPartialJSONValue };
      attachAnywhere(renderer, element);
      renderer.renderModel(rendermime.createModel({ data, trusted: false })).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        element.textContent = trans.__("This output (%1) cannot be drawn: %2", type, reason);
      });
      return () => detachAnywhere(renderer);
    },
  };
}

/** A registry that draws the formulas in HTML, unless they might fetch something or are too costly. */
function withSafeFormulas(rendermime: IRenderMimeRegistry): IRenderMimeRegistry {
  const formulas = rendermime.latexTypesetter;
  const typeset = (page: HTMLElement): void => {
    const text = page.textContent ?? "";
    if (!texMayFetch(text) && !isCostlyTex(text, Number.POSITIVE_INFINITY)) formulas?.typeset(page);
  };
  return rendermime.clone({ latexTypesetter: { typeset } });
}
