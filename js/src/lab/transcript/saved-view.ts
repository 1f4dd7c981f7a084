// What an output shows besides the live widget: the saved session, its text if that cannot be drawn, and the export button.

import type { IRenderMime } from "@jupyterlab/rendermime";
import { Widget } from "@lumino/widgets";
import { RENDERED_HTML } from "../../compat/jupyterlab-classes.ts";
import type { SavedSession } from "../../store/snapshot.ts";
import { trans } from "../../translation.ts";

type Views = typeof import("../view.ts");

/** The button below a transcript that opens the export menu. */
export class ExportBar extends Widget {
  constructor(label: string, press: (button: HTMLElement) => void) {
    super();
    this.addClass("reasoning-widget");
    this.addClass("rw-export-bar");
    this.node.dataset.lmSuppressShortcuts = "true";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "rw-button rw-quiet";
    button.setAttribute("aria-haspopup", "menu");
    button.textContent = label;
    button.addEventListener("click", () => press(button));
    this.node.append(button);
  }
}

/** The view of a saved session. */
export class SavedView extends Widget {
  readonly #end: () => void;
  readonly #session: SavedSession;
  readonly #over: boolean;

  constructor(views: Views, session: SavedSession, over: boolean, failed: (error: unknown) => void) {
    super();
    this.#session = session;
    this.#over = over && isOpen(session);
    // Reported later: the first drawing, below, may fail already.
    const fail = (error: unknown): unknown => setTimeout(() => this.isDisposed || failed(error));
    this.#end = views.drawSaved(this.node, views.savedStore(session, over), session, fail);
  }

  /** Whether the view of `session` would look the same. */
  isOf(session: SavedSession, over: boolean): boolean {
    if (this.#over !== (over && isOpen(session))) return false;
    return session === this.#session || JSON.stringify(session) === JSON.stringify(this.#session);
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.#end();
    super.dispose();
  }
}

/** The MIME types of a transcript as text, the preferred one first. */
export const TEXTS = ["text/html", "text/plain"] as const;

/** The transcript as text, with the reason why there are no cards. */
export class FailedView extends Widget {
  readonly data: IRenderMime.IMimeModel["data"];

  constructor(data: IRenderMime.IMimeModel["data"], error: unknown) {
    super();
    this.data = data;
    const [note, text] = [document.createElement("div"), document.createElement("div")];
    this.node.append(note, text);
    note.setAttribute("role", "alert");
    note.style.padding = "4px 0"; // the styles may be what is missing
    const reason = error instanceof Error ? error.message : String(error);
    note.textContent = trans.__("The cards of this transcript cannot be drawn (%1). This is its text:", reason);
    const [html = "", plain = ""] = TEXTS.map((type) => written(data[type]));
    text.className = RENDERED_HTML;
    // JupyterLab's own renderer would fetch external pictures, which an edited file may contain.
    const formatted = html ? import("../../view/markdown/sanitize.ts") : Promise.reject();
    formatted.then(
      ({ sanitizeHtml }) => text.append(sanitizeHtml(html)),
      () => {
        text.style.whiteSpace = "pre-wrap";
        text.textContent = plain || trans.__("There is no text.");
      },
    );
  }
}

/** A text of a notebook file, which may be stored as a list of lines. */
export function written(value: unknown): string {
  return Array.isArray(value) ? value.join("") : String(value ?? "");
}

/** Whether the session was saved during a run. */
function isOpen({ events }: SavedSession): boolean {
  const count = (type: string): number => events.filter((event) => event.type === type).length;
  return count("run_started") > count("run_finished");
}

/** The position of the last event; 0 if there are none. */
export function lastSeq({ events }: SavedSession): number {
  return events.at(-1)?.seq ?? 0;
}
