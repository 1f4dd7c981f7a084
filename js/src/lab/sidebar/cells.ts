// Attaches cells to prompts, and inserts code from answers into cells.

import { Dialog, showDialog } from "@jupyterlab/apputils";
import type { Cell } from "@jupyterlab/cells";
import { type INotebookTracker, type Notebook, NotebookActions } from "@jupyterlab/notebook";
import type { TranslationBundle } from "@jupyterlab/translation";
import { copyText } from "../../view/copy.tsx";
import { attachmentOf } from "./attachments.ts";
import { DiffView } from "./diff-view.tsx";
import { METADATA } from "./mark.ts";
import type { Sidebar } from "./sidebar.ts";

export { addActions } from "./code-actions.ts";

/** Code from an answer, with its session and step. */
interface Code {
  code?: unknown;
  session?: unknown;
  step?: unknown;
}

/** Attach the active cell to the next prompt in the sidebar. */
export function ask(notebooks: INotebookTracker, sidebar: Sidebar, question: string): void {
  const { activeCell, currentWidget } = notebooks;
  if (activeCell === null || currentWidget === null) return;
  const language = currentWidget.content.model?.defaultKernelLanguage ?? "";
  sidebar.ask(attachmentOf(activeCell.model, currentWidget.context, language), question);
}

/** Insert a cell with code from an answer below the active one. */
export function insertCode(notebooks: INotebookTracker, args: Code, trans: TranslationBundle): void {
  const code = textOf(args, trans);
  const notebook = notebooks.currentWidget?.content;
  if (notebook === undefined) return;
  NotebookActions.insertBelow(notebook);
  NotebookActions.changeCellType(notebook, "code");
  if (notebook.activeCell) setCode(notebook, notebook.activeCell, code, args);
}

/** Replace the content of the active cell by code from an answer, after confirmation. It becomes a code cell. */
export async function replaceCell(notebooks: INotebookTracker, args: Code, trans: TranslationBundle): Promise<void> {
  const code = textOf(args, trans);
  const { activeCell: cell, currentWidget } = notebooks;
  if (cell === null || currentWidget === null) return;
  if (cell.model.getMetadata("editable") === false) return refuse(code, trans.__("This cell is read-only."), trans);
  const { button } = await showDialog({
    title: trans.__("Replace this cell?"),
    body: new DiffView(cell.model.sharedModel.getSource(), code, trans),
    buttons: [
      Dialog.cancelButton({ label: trans.__("Cancel") }),
      Dialog.okButton({ label: trans.__("Replace"), actions: ["replace"] }),
    ],
  });
  if (!button.accept) return;
  if (cell.isDisposed) return refuse(code, trans.__("The cell was deleted or its notebook was closed."), trans);
  setCode(currentWidget.content, cell, code, args);
}

/** Explain why a cell was not replaced, and offer to copy the code. */
async function refuse(code: string, why: string, trans: TranslationBundle): Promise<void> {
  const copy = Dialog.createButton({ label: trans.__("Copy the code"), actions: ["copy"] });
  const { button } = await showDialog({
    title: trans.__("The cell was not replaced"),
    body: why,
    buttons: [copy, Dialog.okButton({ label: trans.__("Close") })],
  });
  if (button.actions.includes("copy")) await copyText(code);
}

function textOf({ code }: Code, trans: TranslationBundle): string {
  if (typeof code !== "string") throw new Error(trans.__("The argument “code” is required and must be a string."));
  return code;
}

/** Set the code of a cell, in one transaction so that one undo reverts it. */
function setCode(notebook: Notebook, { model }: Cell, code: string, { session, step }: Code): void {
  const mark = session && step ? { [METADATA]: { session: String(session), step: String(step) } } : {};
  const cells = notebook.model?.sharedModel;
  cells?.transact(() => {
    if (model.type === "code") {
      model.sharedModel.setSource(code);
      for (const [key, value] of Object.entries(mark)) model.setMetadata(key, value);
      return;
    }
    const index = cells.cells.findIndex(({ id }) => id === model.id);
    const metadata = { ...model.sharedModel.getMetadata(), ...mark, trusted: true };
    cells.deleteCell(index);
    cells.insertCell(index, { id: model.id, cell_type: "code", source: code, metadata });
    notebook.activeCellIndex = index;
  });
}
