// Removes live widget views from the outputs of a notebook: nbsphinx, Jupyter Book and others prefer them to the transcript,
// and then show nothing. Our renderer needs none, because the saved session names the widget's model.

import type { ICellModel, ICodeCellModel } from "@jupyterlab/cells";
import type { INotebookModel } from "@jupyterlab/notebook";
import type { IOutputAreaModel } from "@jupyterlab/outputarea";
import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import { SESSION_MIME } from "../../protocol/frames.ts";

/** The MIME type of a live widget view. */
export const WIDGET_MIME = "application/vnd.jupyter.widget-view+json";

type Data = ReadonlyPartialJSONObject;

/** The id of the model that shows a saved session live; earlier versions named it only in the live view. */
export function modelIdOf(data: Data): string | undefined {
  return namedIn(data[SESSION_MIME]) ?? namedIn(data[WIDGET_MIME]);
}

/** The page that ran the cell of a saved session, if pages share the notebook. */
export function ranBy(data: Data): string | undefined {
  const session = data[SESSION_MIME];
  return isObject(session) && typeof session.ran_by === "string" ? session.ran_by : undefined;
}

/** The data of an output, updated with a bundle from the kernel. Its `model_id` and its page stay. */
export function updated(data: Data, bundle: Data): Data {
  const after = withModel({ ...data, ...bundle }, modelIdOf(data));
  const session = after[SESSION_MIME];
  if (!isObject(session) || ranBy(after) === ranBy(data)) return after;
  const { ran_by: _, ...others } = session;
  const page = ranBy(data);
  return { ...after, [SESSION_MIME]: page === undefined ? others : { ...others, ran_by: page } };
}

/** The data, with the model named in the saved session unless it is named already. */
export function withModel(data: Data, modelId: string | undefined): Data {
  const session = data[SESSION_MIME];
  if (modelId === undefined || namedIn(session) !== undefined || !isObject(session)) return data;
  return { ...data, [SESSION_MIME]: { ...session, model_id: modelId } };
}

/** The data without the live view, if it is not needed. */
export function withoutView(data: Data): Data {
  if (!(WIDGET_MIME in data) || namedIn(data[SESSION_MIME]) === undefined) return data;
  const { [WIDGET_MIME]: _, ...others } = data;
  return others;
}

/** From now on, remove the live view from each output of `notebook` with a session that this page writes. */
export function removeLiveViews(notebook: INotebookModel, writes: (data: Data) => boolean): void {
  const known = new WeakSet<ICellModel>();
  const watchNewCells = (): void => {
    for (const cell of notebook.cells) {
      if (cell.type !== "code" || known.has(cell)) continue;
      known.add(cell);
      const { outputs } = cell as ICodeCellModel;
      // After all other listeners: the views of the outputs expect one change at a time.
      outputs.changed.connect(() => queueMicrotask(() => removeFrom(outputs, writes)));
      removeFrom(outputs, writes);
    }
  };
  notebook.cells.changed.connect(watchNewCells);
  watchNewCells();
}

function removeFrom(outputs: IOutputAreaModel, writes: (data: Data) => boolean): void {
  if (outputs.isDisposed) return;
  for (let index = 0; index < outputs.length; index++) {
    const output = outputs.get(index);
    const before = output.data;
    const data = withoutView(before);
    if (data !== before && writes(before)) output.setData({ data });
  }
}

function namedIn(value: unknown): string | undefined {
  return isObject(value) && typeof value.model_id === "string" ? value.model_id : undefined;
}

function isObject(value: unknown): value is Data {
  return typeof value === "object" && value !== null;
}
