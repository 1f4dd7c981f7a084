// From cells to questions, and from answers to cells.

import { Dialog, showDialog } from "@jupyterlab/apputils";
import { type INotebookTracker, NotebookActions } from "@jupyterlab/notebook";
import type { TranslationBundle } from "@jupyterlab/translation";
import { attachmentOf } from "./attachments.ts";
import { DiffView } from "./diff-view.tsx";
import { METADATA } from "./mark.ts";
import type { Sidebar } from "./sidebar.ts";

export { addActions } from "./code-actions.ts";

/** Code of an answer, and where it comes from. */
interface Code {
  code?: unknown;
  session?: unknown;
  step?: unknown;
}

/** Attach the active cell to the next question. */
export function ask(notebooks: INotebookTracker, sidebar: Sidebar, question: string): void {
  const { activeCell, currentWidget } = notebooks;
  if (activeCell === null || currentWidget === null) return;
  const language = currentWidget.content.model?.defaultKernelLanguage ?? "";
  sidebar.ask(attachmentOf(activeCell.model, currentWidget.context.path, language), question);
}

/** A new cell below the active one, with the code of an answer. */
export function insertCode(notebooks: INotebookTracker, code: Code): void {
  const notebook = notebooks.currentWidget?.content;
  if (notebook === undefined) return;
  NotebookActions.insertBelow(notebook);
  NotebookActions.changeCellType(notebook, "code");
  put(notebooks, code);
}

/** The active cell with the code of an answer in place of its own, if the person agrees with the difference. */
export async function replaceCell(notebooks: INotebookTracker, code: Code, trans: TranslationBundle): Promise<void> {
  const cell = notebooks.activeCell;
  if (cell === null) return;
  const { button } = await showDialog({
    title: trans.__("Replace this cell?"),
    body: new DiffView(cell.model.sharedModel.getSource(), String(code.code), trans),
    buttons: [
      Dialog.cancelButton({ label: trans.__("Cancel") }),
      Dialog.okButton({ label: trans.__("Replace"), actions: ["replace"] }),
    ],
  });
  if (button.accept && !cell.isDisposed && notebooks.activeCell === cell) put(notebooks, code);
}

function put(notebooks: INotebookTracker, { code, session, step }: Code): void {
  const model = notebooks.activeCell?.model;
  model?.sharedModel.setSource(String(code));
  if (session && step) model?.setMetadata(METADATA, { session: String(session), step: String(step) });
}
