// JupyterLab draws a view anew whenever what is saved of it changes. Whoever is typing goes on where they were.

import type { Store } from "../store.ts";

const CONTROLS = "a[href], button, select, summary, textarea, [tabindex]";

/** Where the focus is in a view. */
export interface Place {
  /** The output that the view is drawn in: it stays when the view is replaced. */
  home: Element | null;
  /** Which of its controls, from the end: what is new stands before the composer. */
  fromEnd: number;
}

/** Remember where the focus is in `root`; if the view whose place it takes had the focus, give it back. */
export function keepFocus(root: HTMLElement, store: Store): void {
  const home = (): Element | null => root.closest(".jp-OutputArea");
  const controls = (): HTMLElement[] => [...root.querySelectorAll<HTMLElement>(CONTROLS)];
  const shown = new ResizeObserver(() => {
    if (root.clientHeight === 0) return;
    shown.disconnect();
    const { focus } = store;
    if (focus?.home === home() && document.activeElement === document.body) {
      controls().at(-focus.fromEnd)?.focus({ preventScroll: true });
    }
  });
  shown.observe(root);
  root.addEventListener("focusin", ({ target }) => {
    const all = controls();
    store.focus = { home: home(), fromEnd: all.length - all.indexOf(target as HTMLElement) };
  });
  root.addEventListener("focusout", () =>
    setTimeout(() => {
      if (root.isConnected && !root.contains(document.activeElement)) store.focus = null;
    }),
  );
}
