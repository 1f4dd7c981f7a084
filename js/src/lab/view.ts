// The views for the extension's plugins, with their styles: one chunk, loaded when the first view is drawn. Mathematics and
// code highlighting are separate chunks, loaded when a text first needs them.

import { provideLoaders } from "../modules.ts";
import "./transcript.css";

export { readSession, savedStore, sessionOf } from "../store/snapshot.ts";
export { Store } from "../store/store.ts";
export { drawChat } from "../view/chat.tsx";
export { drawSaved } from "../view/saved.tsx";
export { exportSession } from "./export.ts";

provideLoaders({
  math: () => import("../optional/math.ts"),
  highlight: () => import("../optional/highlight.ts"),
});
