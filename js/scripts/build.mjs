// Build what a widget sends to the page, into reasoning_widget/widget/static/, or the folder that is named.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { minify } from "terser";
import { bundles, statics } from "./bundles.mjs";

/** The packages whose code is in what is built. */
const BUNDLED = [
  "dompurify",
  "entities",
  "get-east-asian-width",
  "highlight.js",
  "linkify-it",
  "markdown-it",
  "markdown-it-cjk-friendly",
  "markdown-it-footnote",
  "mdurl",
  "preact",
  "punycode.js",
  "temml",
  "uc.micro",
];

async function licence(name) {
  const folder = new URL(`../node_modules/${name}/`, import.meta.url);
  const { version } = JSON.parse(await readFile(new URL("package.json", folder), "utf8"));
  const file = (await readdir(folder)).find((other) => /^licen[cs]e/i.test(other));
  return `${name} ${version}\n\n${await readFile(new URL(file, folder), "utf8")}`;
}

const target = process.argv[2] ?? statics;

const { outputFiles } = await build({
  ...bundles,
  outdir: target,
  minify: true,
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  write: false,
});

/** 3 % smaller than esbuild alone makes it: every kernel sends it. */
async function smaller(script) {
  const { code } = await minify(script, { module: true, ecma: 2022 });
  return code;
}

await mkdir(target, { recursive: true });
await Promise.all(
  outputFiles.map(async ({ path, text }) => writeFile(path, path.endsWith(".js") ? await smaller(text) : text)),
);

const licences = await Promise.all(BUNDLED.map(licence));
await writeFile(join(target, "THIRD-PARTY-LICENSES.txt"), licences.join(`\n${"-".repeat(80)}\n\n`));
