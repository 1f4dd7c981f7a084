// JupyterLab can save the state of a notebook's widgets in it. That of ours says nothing, for what was said is in the
// outputs, and it would do harm: what converts notebooks prefers a widget whose state it finds to everything else in its
// output, and fetches from elsewhere what draws widgets.

import type { INotebookModel } from "@jupyterlab/notebook";

const WIDGETS = "widgets";
const STATE_MIME = "application/vnd.jupyter.widget-state+json";
const OURS = "reasoning_widget.";
const REFERENCE = /"IPY_MODEL_([^"]+)"/g;

interface WidgetState {
  state?: Record<string, { state?: { _anywidget_id?: unknown } }>;
}

/** Keep what is saved of widgets free of ours, as long as this page `writes` the notebook. */
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

/** What is saved of widgets without ours, and without what only they refer to; null if there are no others. */
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
