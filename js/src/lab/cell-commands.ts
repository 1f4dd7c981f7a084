// The commands between notebook and agent: attach cells to a prompt, insert code from an answer into cells.

import type { JupyterFrontEnd } from "@jupyterlab/application";
import type { ICodeCell } from "@jupyterlab/nbformat";
import type { INotebookTracker } from "@jupyterlab/notebook";
import type { TranslationBundle } from "@jupyterlab/translation";
import { provideDecoration } from "../modules.ts";
import * as commands from "./commands.ts";
import { agentIcon } from "./icon.ts";
import { loadCells } from "./lazy.ts";
import type { Sidebar } from "./sidebar/sidebar.ts";

/** The parts of JupyterLab and of the extension that the commands use. */
export interface CellHost {
  app: JupyterFrontEnd;
  trans: TranslationBundle;
  notebooks: INotebookTracker;
  sidebar: () => Promise<Sidebar>;
}

/** Add the commands for cells and their errors. */
export function addCellCommands(host: CellHost): void {
  const { app, trans, notebooks, sidebar } = host;
  const isEnabled = (): boolean => notebooks.activeCell !== null;
  const nothing = { args: { type: "object", properties: {} } };
  const code = {
    args: {
      type: "object",
      required: ["code"],
      properties: {
        code: { type: "string", description: trans.__("The code") },
        session: { type: "string", description: trans.__("The session that it comes from") },
        step: { type: "string", description: trans.__("The step that it comes from") },
      },
    },
  };

  app.commands.addCommand(commands.ASK_ABOUT_CELL, {
    label: trans.__("Ask About This Cell"),
    caption: trans.__("Ask an agent, with the cell and its output attached"),
    icon: agentIcon,
    describedBy: nothing,
    isEnabled,
    execute: async () => (await loadCells()).ask(notebooks, await sidebar(), ""),
  });
  app.commands.addCommand(commands.EXPLAIN_ERROR, {
    label: trans.__("Explain This Error"),
    caption: trans.__("Ask an agent why the cell failed, with the cell and its output attached"),
    icon: agentIcon,
    describedBy: nothing,
    isEnabled: () => failed(notebooks),
    execute: async () =>
      (await loadCells()).ask(notebooks, await sidebar(), trans.__("Why does this cell fail, and how do I fix it?")),
  });
  app.commands.addCommand(commands.INSERT_CODE, {
    label: trans.__("Insert Below"),
    caption: trans.__("Insert the code in a cell below the active one"),
    describedBy: code,
    isEnabled,
    execute: async (args) => (await loadCells()).insertCode(notebooks, args, trans),
  });
  app.commands.addCommand(commands.REPLACE_CELL, {
    label: trans.__("Replace Cell"),
    caption: trans.__("Replace the content of the active cell, after showing the difference"),
    describedBy: code,
    isEnabled,
    execute: async (args) => (await loadCells()).replaceCell(notebooks, args, trans),
  });
  const changed = (): void => {
    for (const id of [commands.ASK_ABOUT_CELL, commands.EXPLAIN_ERROR, commands.INSERT_CODE, commands.REPLACE_CELL]) {
      app.commands.notifyCommandChanged(id);
    }
  };
  notebooks.activeCellChanged.connect(changed);
  notebooks.currentChanged.connect(changed);
  provideDecoration((root, origin) => {
    if (root.querySelector("pre") !== null)
      void loadCells().then(({ addActions }) => addActions(root, origin, app.commands, trans));
  });
}

/** Whether the active cell's last run ended in an error. */
function failed(notebooks: INotebookTracker): boolean {
  const cell = notebooks.activeCell?.model.sharedModel.toJSON();
  return cell?.cell_type === "code" && (cell as ICodeCell).outputs.some(({ output_type }) => output_type === "error");
}
