// What tools display is drawn by JupyterLab's own renderers, as the notebook's outputs are: tables, plots, formulas, and
// whatever types its extensions know. A tool's result is never trusted: only renderers that are safe, or sanitize, serve.

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { ReadonlyPartialJSONObject, ReadonlyPartialJSONValue } from "@lumino/coreutils";
import { attachAnywhere, detachAnywhere } from "../compat/lumino.ts";
import { provideModule, type RichModule } from "../modules.ts";
import { trans } from "../translation.ts";
import { isCostlyTex } from "../view/markdown/tex.ts";
import { asksElsewhere, reaches, tamed } from "./elsewhere.ts";

/** The plugin that draws tools' outputs with JupyterLab's renderers. */
export const richOutputs: JupyterFrontEndPlugin<void> = {
  id: "reasoning-widget:rich-outputs",
  description: "Draws what an agent's tools display as the notebook's outputs are drawn",
  autoStart: true,
  requires: [IRenderMimeRegistry],
  activate: (_app: JupyterFrontEnd, rendermime: IRenderMimeRegistry): void =>
    provideModule("rich", renderers(rendermime)),
};

function renderers(rendermime: IRenderMimeRegistry): RichModule {
  return {
    preferred: (bundle) => rendermime.preferredMimeType(bundle as ReadonlyPartialJSONObject, "ensure"),
    asksElsewhere,
    render(element, type, value) {
      const renderer = (type === "text/html" ? withSafeFormulas(rendermime) : rendermime).createRenderer(type);
      const data = { [type]: tamed(type, value) as ReadonlyPartialJSONValue };
      attachAnywhere(renderer, element);
      renderer.renderModel(rendermime.createModel({ data, trusted: false })).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error);
        element.textContent = trans.__("This output (%1) cannot be drawn: %2", type, reason);
      });
      return () => detachAnywhere(renderer);
    },
  };
}

/** What draws formulas in a page, unless they might fetch something, of which nobody was asked, or cost too much. */
function withSafeFormulas(rendermime: IRenderMimeRegistry): IRenderMimeRegistry {
  const formulas = rendermime.latexTypesetter;
  const typeset = (page: HTMLElement): void => {
    const text = page.textContent ?? "";
    if (!reaches(text) && !isCostlyTex(text, Number.POSITIVE_INFINITY)) formulas?.typeset(page);
  };
  return rendermime.clone({ latexTypesetter: { typeset } });
}
