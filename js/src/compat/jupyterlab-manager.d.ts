// The part of the extension for widgets in JupyterLab that is used here. It comes with ipywidgets, and is shared at run time
// (https://github.com/jupyter-widgets/ipywidgets/tree/main/python/jupyterlab_widgets).

declare module "@jupyter-widgets/jupyterlab-manager" {
  import type { DocumentRegistry } from "@jupyterlab/docregistry";
  import type { IRenderMimeRegistry } from "@jupyterlab/rendermime";
  import type { Widget } from "@lumino/widgets";

  /** Show the widgets of a document's kernel, in these views and those to come. */
  export function registerWidgetManager(
    context: DocumentRegistry.IContext<DocumentRegistry.IModel>,
    rendermime: IRenderMimeRegistry,
    renderers: Iterable<Widget>,
  ): void;
}
