// @jupyter-widgets/jupyterlab-manager 5: shows widgets in a notebook that was opened without a kernel.
//
// The manager looks for a notebook's kernel when the notebook is opened, and for none later. `registerWidgetManager` is
// exported for other extensions, but calling it a second time is not documented. Without it, such a notebook shows no
// widgets until it is opened again. Canary: `tests/browser/test_record.py`.

import type { NotebookPanel } from "@jupyterlab/notebook";

/** If a notebook is opened without a kernel, let it show the widgets of its first kernel. */
export async function serveFirstKernel({ content, context, sessionContext }: NotebookPanel): Promise<void> {
  await sessionContext.ready;
  if (sessionContext.session?.kernel) return;
  const serve = (): void => {
    if (!sessionContext.session?.kernel) return;
    sessionContext.kernelChanged.disconnect(serve);
    import("@jupyter-widgets/jupyterlab-manager").then(
      ({ registerWidgetManager }) => registerWidgetManager(context, content.rendermime, []),
      console.warn, // this JupyterLab has no widgets
    );
  };
  sessionContext.kernelChanged.connect(serve);
}
