// The views as the extension's plugins use them: one chunk, fetched when the first of them is drawn. The styles come
// with it, once. Mathematics and colours for code are chunks of their own, fetched when a text first needs them.

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
