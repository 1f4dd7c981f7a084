// The bundles that a widget sends to the page, and their folder: shared by `build.mjs` and `dev.mjs`.
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const statics = join(root, "../reasoning_widget/widget/static");

/** The options of esbuild for all builds. */
export const bundles = {
  absWorkingDir: root,
  entryPoints: {
    loader: "src/loader.ts",
    widget: "src/widget.ts",
    run: "src/run.ts",
    math: "src/optional/math.ts",
    socket: "src/optional/socket.ts",
    highlight: "src/optional/highlight.ts",
  },
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "utf8",
};
