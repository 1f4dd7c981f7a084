// Code that the plugins load when it is first needed.

/** The store and the views, with their styles. */
export function loadView(): Promise<typeof import("./view.ts")> {
  return import("./view.ts");
}

/** The sidebar and its tabs. */
export function loadSidebar(): Promise<typeof import("./sidebar/sidebar.ts")> {
  return import("./sidebar/sidebar.ts");
}

/** Attaching cells to prompts, and inserting code from answers into cells. */
export function loadCells(): Promise<typeof import("./sidebar/cells.ts")> {
  return import("./sidebar/cells.ts");
}
