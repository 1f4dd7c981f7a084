// A command that adds a cell with a chat to the notebook.

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette } from "@jupyterlab/apputils";
import { INotebookTracker, NotebookActions } from "@jupyterlab/notebook";
import { ITranslator, nullTranslator } from "@jupyterlab/translation";
import { loadTranslations } from "./translations.ts";

const INSERT_CHAT = "reasoning-widget:insert-chat";

const CHAT_CELL = 'from reasoning_widget import ReasoningChat\n\nReasoningChat(agent="researcher")';

/** The plugin with the command that adds a cell with a chat. */
export const insertChat: JupyterFrontEndPlugin<void> = {
  id: "reasoning-widget:insert",
  description: "A command that adds a cell with a reasoning chat to the notebook",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    palette: ICommandPalette | null,
    translator: ITranslator | null,
  ): void => {
    const trans = loadTranslations(translator);
    const notebookIsOpen = () => notebooks.currentWidget !== null;

    app.commands.addCommand(INSERT_CHAT, {
      label: trans.__("Insert Reasoning Chat"),
      caption: trans.__("Add a cell below that shows a chat with an agent"),
      describedBy: { args: { type: "object", properties: {} } },
      isEnabled: notebookIsOpen,
      execute: () => {
        const notebook = notebooks.currentWidget?.content;
        if (notebook === undefined) {
          return;
        }
        NotebookActions.insertBelow(notebook);
        NotebookActions.changeCellType(notebook, "code");
        notebook.activeCell?.model.sharedModel.setSource(CHAT_CELL);
      },
    });
    notebooks.currentChanged.connect(() => app.commands.notifyCommandChanged(INSERT_CHAT));
    const labTrans = (translator ?? nullTranslator).load("jupyterlab"); // the category is JupyterLab's own
    palette?.addItem({ command: INSERT_CHAT, category: labTrans.__("Notebook Cell Operations") });
  },
};
