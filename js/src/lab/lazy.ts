// What the plugins need only once something is drawn.

/** The store and the views, with their styles: fetched at the first call. */
export function loadView(): Promise<typeof import("./view.ts")> {
  return import("./view.ts");
}
