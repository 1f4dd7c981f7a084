// Build what a widget sends to the page, into reasoning_widget/widget/static/, or the folder that is named.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

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
  define: { "process.env.NODE_ENV": '"production"' },
});
