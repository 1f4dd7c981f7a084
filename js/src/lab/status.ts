// The status bar item that shows working agents.

import { Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";
import { STATUS_TEXT } from "../compat/jupyterlab-classes.ts";

/** The key of the ids of sessions with an active run in JupyterLab's state. They are followed after a reload. */
export const RUNNING_SESSIONS = "reasoning-widget:at-work";

/** An item that is shown only while it has a text. Not a live region, because the views announce each step. */
export class StatusItem extends Widget {
  readonly activeChanged = new Signal<this, void>(this);
  readonly #button = document.createElement("button");

  constructor(title: string, press: () => void) {
    super();
    this.addClass(STATUS_TEXT);
    this.#button.type = "button";
    this.#button.title = title;
    Object.assign(this.#button.style, {
      background: "none",
      border: "0",
      color: "inherit",
      cursor: "pointer",
      font: "inherit",
    });
    this.#button.addEventListener("click", press);
    this.node.append(this.#button);
  }

  get active(): boolean {
    return this.#button.textContent !== "";
  }

  /** Show `text`; an empty text hides the item. */
  setText(text: string): void {
    if (text === this.#button.textContent) return;
    this.#button.textContent = text;
    this.activeChanged.emit();
  }
}
