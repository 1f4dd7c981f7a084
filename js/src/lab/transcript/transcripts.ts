// The transcripts that the page shows, and the command that exports them.

import type { JupyterFrontEnd } from "@jupyterlab/application";
import { type ICommandPalette, showErrorMessage } from "@jupyterlab/apputils";
import type { INotebookTracker } from "@jupyterlab/notebook";
import type { TranslationBundle } from "@jupyterlab/translation";
import { EXPORT_TRANSCRIPT } from "../commands.ts";
import { exportArguments, FORMATS, formatName, formatOf, formatsMenu } from "../formats.ts";
import { loadView } from "../lazy.ts";
import type { SessionRenderer } from "./renderer.ts";

/** The transcripts that the page shows, and the command that exports them. */
export class Transcripts {
  readonly #shown = new Set<SessionRenderer>();
  readonly #app: JupyterFrontEnd;
  readonly #notebooks: INotebookTracker;
  readonly #trans: TranslationBundle;

  constructor(app: JupyterFrontEnd, notebooks: INotebookTracker, trans: TranslationBundle) {
    this.#app = app;
    this.#notebooks = notebooks;
    this.#trans = trans;
    app.commands.addCommand(EXPORT_TRANSCRIPT, {
      label: (args) => {
        const name = formatName(formatOf(args), trans);
        return args.output || args.here ? name : trans.__("Export Transcript as %1", name);
      },
      caption: trans.__("Save the conversation below the cell as a file"),
      describedBy: {
        args: {
          type: "object",
          properties: {
            ...exportArguments(trans),
            output: { type: "string", description: trans.__("The id of its element. Absent: below the active cell") },
          },
        },
      },
      isEnabled: (args) => this.#find(args)?.session != null,
      execute: (args) => this.#export(args),
    });
    app.contextMenu.addItem({
      type: "submenu",
      submenu: formatsMenu(app.commands, EXPORT_TRANSCRIPT, { here: true }, trans.__("Export Transcript as")),
      selector: ".rw-session",
      rank: 15.2, // after the commands that ask an agent about the cell
    });
    notebooks.activeCellChanged.connect(() => app.commands.notifyCommandChanged(EXPORT_TRANSCRIPT));
  }

  /** Add the command to the palette, for each format. */
  addTo(palette: ICommandPalette): void {
    const trans = this.#trans;
    const category = trans.__("Agents");
    for (const format of FORMATS) palette.addItem({ command: EXPORT_TRANSCRIPT, args: { format }, category });
  }

  /** Add a transcript that is shown, until it is disposed of. */
  add(transcript: SessionRenderer): SessionRenderer {
    this.#shown.add(transcript);
    transcript.disposed.connect(() => this.#shown.delete(transcript));
    return transcript;
  }

  /** Open the export menu of a transcript below `button`. */
  readonly menu = (output: string, button: HTMLElement): void => {
    const menu = formatsMenu(this.#app.commands, EXPORT_TRANSCRIPT, { output });
    menu.aboutToClose.connect(() => button.focus());
    const { right, bottom } = button.getBoundingClientRect();
    menu.open(right, bottom, { horizontalAlignment: "right" });
  };

  #find({ output, here }: { output?: unknown; here?: unknown }): SessionRenderer | undefined {
    const cell = this.#notebooks.activeCell?.node;
    const pointed = here
      ? this.#app.contextMenuHitTest(({ classList }) => classList.contains("rw-session"))
      : undefined;
    const id = output ?? pointed?.id;
    return [...this.#shown].find((each) => (output || here ? each.id === id : cell?.contains(each.node)));
  }

  async #export(args: { format?: unknown; output?: unknown }): Promise<void> {
    const session = this.#find(args)?.session;
    if (session == null) return;
    try {
      const { exportSession } = await loadView();
      await exportSession(session, formatOf(args), this.#app.serviceManager.serverSettings);
    } catch (error) {
      const trans = this.#trans;
      const reason = error instanceof Error ? error.message : String(error);
      void showErrorMessage(trans.__("The transcript was not exported"), reason);
    }
  }
}
