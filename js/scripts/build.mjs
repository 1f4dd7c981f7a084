// Build what a widget sends to the page, into reasoning_widget/widget/static/, or the folder that is named.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { SANITIZER, withoutLists } from "./slim.mjs";

const slimSanitizer = {
  name: "slim-sanitizer",
  setup(builder) {
    builder.onLoad({ filter: SANITIZER }, async ({ path }) => ({
      contents: withoutLists(await readFile(path, "utf8")),
      loader: "js",
    }));
  },
};

await build({
  absWorkingDir: fileURLToPath(new URL("..", import.meta.url)),
  entryPoints: {
    widget: "src/widget.ts",
    run: "src/run.ts",
    math: "src/optional/math.ts",
    highlight: "src/optional/highlight.ts",
  },
  outdir: process.argv[2] ?? "../reasoning_widget/widget/static",
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "utf8",
  minify: true,
  legalComments: "external",
  plugins: [slimSanitizer],
  define: { "process.env.NODE_ENV": '"production"' },
});
