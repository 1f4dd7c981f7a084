// ipywidgets 8: reads another model of the same kernel from within an anywidget module.
//
// `widget_manager` is a member of every model, and references to models are saved as `IPY_MODEL_<id>`; anywidget offers
// neither. Without them (marimo, Voilà) the loader requests the core in a message, which waits while a cell runs.
// Canary: `test/loader.dom.test.ts`; in a real JupyterLab, `tests/browser/test_files.py`.

/** The part of a widget model that is used. */
export interface Model {
  get(name: string): unknown;
  widget_manager?: { get_model(id: string): Promise<Pick<Model, "get">> };
}

/** The model that the trait `name` refers to. Rejects, or resolves to undefined, if the host has no access to it. */
export async function referredModel(model: Model, name: string): Promise<Pick<Model, "get"> | undefined> {
  return model.widget_manager?.get_model(String(model.get(name)).slice("IPY_MODEL_".length));
}
