// JupyterLab's widgets look for a notebook's kernel when it is opened. Where there is none, they take none later.

import type { NotebookPanel } from "@jupyterlab/notebook";

/** See to it that a notebook that is opened with no kernel shows the widgets of the first one that it is given. */
export async function serveFirstKernel({ content, context, sessionContext }: NotebookPanel): Promise<void> {
  await sessionContext.ready;
  if (sessionContext.session?.kernel) return;
  const serve = (): void => {
    if (!sessionContext.session?.kernel) return;
    sessionContext.kernelChanged.disconnect(serve);
    import("@jupyter-widgets/jupyterlab-manager").then(
      ({ registerWidgetManager }) => registerWidgetManager(context, content.rendermime, []),
      console.warn, // there are no widgets in this JupyterLab
    );
  };
  sessionContext.kernelChanged.connect(serve);
}
