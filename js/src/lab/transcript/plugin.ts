// Transcripts that stay in the notebook: the renderer of the saved session, for each notebook that is open.

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette } from "@jupyterlab/apputils";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";
import { ITranslator } from "@jupyterlab/translation";
import { leaveOutTranscripts } from "../../compat/table-of-contents.ts";
import { serveFirstKernel } from "../../compat/widget-manager.ts";
import { leaveOut } from "../../compat/widget-state.ts";
import { SESSION_MIME } from "../../protocol/frames.ts";
import { loadTranslations } from "../translations.ts";
import { KernelWatch } from "./kernel.ts";
import { removeLiveViews } from "./live-views.ts";
import { SessionRenderer } from "./renderer.ts";
import { Transcripts } from "./transcripts.ts";
import { leave, writesNotebook, writesOutput } from "./writer.ts";

/** Before the widget view, which has -10. */
const RANK = -100;

/** The plugin that shows the transcripts in notebooks. */
export const record: JupyterFrontEndPlugin<void> = {
  id: "reasoning-widget:record",
  description: "Shows the transcripts in notebooks, live while their kernel runs",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    palette: ICommandPalette | null,
    translator: ITranslator | null,
  ): void => {
    const trans = loadTranslations(translator);
    const transcripts = new Transcripts(app, notebooks, trans);
    leaveOutTranscripts();
    if (palette !== null) transcripts.addTo(palette);
    const serve = (panel: NotebookPanel): void => {
      const { rendermime } = panel.content;
      const { model } = panel.context;
      const kernel = new KernelWatch(panel.sessionContext, app.serviceManager.kernels, model.collaborative ?? false);
      panel.disposed.connect(() => {
        leave(kernel);
        kernel.dispose();
      });
      window.addEventListener("pagehide", () => leave(kernel));
      leaveOut(model, () => writesNotebook(kernel));
      removeLiveViews(model, (data) => writesOutput(kernel, data));
      void serveFirstKernel(panel);
      rendermime.addFactory(
        {
          safe: true, // draws untrusted text safely; the live widget is shown only in trusted notebooks
          mimeTypes: [SESSION_MIME],
          createRenderer: () =>
            transcripts.add(new SessionRenderer(kernel, rendermime, transcripts.menu, trans.__("Export…"))),
        },
        RANK,
      );
    };
    notebooks.forEach(serve); // those opened before this plugin was activated
    notebooks.widgetAdded.connect((_, panel) => serve(panel));
  },
};
