// JupyterLab replaces a view whenever its saved data changes. The focus moves to the same control of the new view.

import { OUTPUT_AREA } from "../compat/jupyterlab-classes.ts";
import type { Store } from "../store/store.ts";

const CONTROLS = "a[href], button, select, summary, textarea, [tabindex]";

/** The card of a step, if it is drawn. */
export function cardOf(root: Element, id: string): HTMLElement | undefined {
  return [...root.querySelectorAll<HTMLElement>("[data-step-id]")].find((card) => card.dataset.stepId === id);
}

/** Record the focus in `root`, and restore it if the view that `root` replaces had it. */
export function keepFocus(root: HTMLElement, store: Store): void {
  const home = (): Element | null => root.closest(`.${OUTPUT_AREA}`);
  const controls = (step: string | null): HTMLElement[] => {
    const card = step === null ? root : cardOf(root, step);
    return [...(card?.querySelectorAll<HTMLElement>(CONTROLS) ?? [])];
  };
  const shown = new ResizeObserver(() => {
    if (root.clientHeight === 0) return;
    shown.disconnect();
    const { focus } = store.reader;
    if (focus?.home === home() && document.activeElement === document.body) {
      controls(focus.step).at(-focus.fromEnd)?.focus({ preventScroll: true });
    }
  });
  shown.observe(root);
  root.addEventListener("focusin", ({ target }) => {
    const control = target as HTMLElement;
    const step = control.closest<HTMLElement>("[data-step-id]")?.dataset.stepId ?? null;
    const all = controls(step);
    store.reader.focus = { home: home(), step, fromEnd: all.length - all.indexOf(control) };
  });
  root.addEventListener("focusout", () =>
    setTimeout(() => {
      if (root.isConnected && !root.contains(document.activeElement)) store.reader.focus = null;
    }),
  );
}
