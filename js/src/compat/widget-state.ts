// ipywidgets 7 and 8, anywidget 0.9: keeps our widgets out of the widget state that JupyterLab saves in notebooks.
//
// Their state is useless, because the transcript is in the outputs, and harmful: nbconvert and others prefer a widget with
// state to everything else in its output, and fetch code from elsewhere to draw it. The format of the state is documented;
// `_anywidget_id`, which tells our models from others, is private. Canary: `test/compat/widget-state.test.ts` for the format,
// `tests/browser/test_exports.py` for the id.

import type { INotebookModel } from "@jupyterlab/notebook";

const WIDGETS = "widgets";
const STATE_MIME = "application/vnd.jupyter.widget-state+json";
const OURS = "reasoning_widget.";
const REFERENCE = /"IPY_MODEL_([^"]+)"/g;

interface WidgetState {
  state?: Record<string, { state?: { _anywidget_id?: unknown } }>;
}

/** Remove our widgets from the saved state whenever it changes, as long as this page `writes` the notebook. */
export function leaveOut(model: INotebookModel, writes: () => boolean): void {
  model.metadataChanged.connect(() => {
    if (!writes()) return;
    const saved: unknown = model.getMetadata(WIDGETS);
    const others = withoutOurs(saved);
    if (others === saved) return;
    if (others === null) model.deleteMetadata(WIDGETS);
    else model.setMetadata(WIDGETS, others);
  });
}

/** The saved state without our models and those that only they refer to; null if no others are left. */
export function withoutOurs(saved: unknown): unknown {
  const widgets = saved as Record<string, WidgetState | undefined> | null | undefined;
  const state = widgets?.[STATE_MIME]?.state;
  if (!state) return saved;
  const all = Object.entries(state);
  const ours = all.filter(([, model]) => String(model.state?._anywidget_id).startsWith(OURS));
  if (ours.length === 0) return saved;
  const others = all.filter((entry) => !ours.includes(entry));
  const theirs = references(others);
  const left = references(ours).filter((id) => !theirs.includes(id));
  const kept = others.filter(([id]) => !left.includes(id));
  if (kept.length === 0) return null;
  return { ...widgets, [STATE_MIME]: { ...widgets[STATE_MIME], state: Object.fromEntries(kept) } };
}

function references(models: unknown): string[] {
  return [...JSON.stringify(models).matchAll(REFERENCE)].map(([, id = ""]) => id);
}
