// What the plugins need only once something is drawn.

/** The store and the views, with their styles: fetched at the first call. */
export function loadView(): Promise<typeof import("./view.ts")> {
  return import("./view.ts");
}

/** The sidebar and its tabs. */
export function loadSidebar(): Promise<typeof import("./sidebar/sidebar.ts")> {
  return import("./sidebar/sidebar.ts");
}

/** What notebooks and answers have to do with each other. */
export function loadCells(): Promise<typeof import("./sidebar/cells.ts")> {
  return import("./sidebar/cells.ts");
}
