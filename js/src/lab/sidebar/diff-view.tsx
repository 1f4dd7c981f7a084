// Shows the changes of a cell.

import type { TranslationBundle } from "@jupyterlab/translation";
import { Widget } from "@lumino/widgets";
import { render } from "preact";
import { type DiffLine, linesOf } from "./diff.ts";
import "./diff.css";

const SIGNS: Record<DiffLine["kind"], string> = { same: " ", added: "+", removed: "−" };

/** A view of the difference between two texts. */
export class DiffView extends Widget {
  constructor(before: string, after: string, trans: TranslationBundle) {
    super();
    this.node.classList.add("reasoning-widget", "rw-diff");
    const labels = { same: "", added: trans.__("added: "), removed: trans.__("removed: ") };
    const lines = linesOf(before, after);
    render(
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard must be able to scroll it
      <section class="rw-diff-lines" aria-label={trans.__("Differences")} tabIndex={0}>
        {lines.map(({ kind, text }, index) => (
          <div key={index} class="rw-diff-line" data-change={kind}>
            <span class="rw-diff-sign" aria-hidden="true">
              {SIGNS[kind]}
            </span>
            {labels[kind] && <span class="rw-unseen">{labels[kind]}</span>}
            <span class="rw-diff-text">{text || " "}</span>
          </div>
        ))}
      </section>,
      this.node,
    );
  }

  override dispose(): void {
    render(null, this.node);
    super.dispose();
  }
}
