// Build the code that a widget sends to the page, into reasoning_widget/widget/static/ or the folder given as argument.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { minify } from "terser";
import { bundles, statics } from "./bundles.mjs";
import { sizeWarnings } from "./sizes.mjs";

/** The packages whose code is bundled. */
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

/** Minify again: the core gets 3 % smaller than with esbuild alone, and every kernel sends it to its pages. */
async function smaller(script) {
  const { code } = await minify(script, { module: true, ecma: 2022 });
  return code;
}

const built = new Map(
  await Promise.all(
    outputFiles.map(async ({ path, text }) => [basename(path), path.endsWith(".js") ? await smaller(text) : text]),
  ),
);
for (const warning of sizeWarnings(built)) console.warn(`Warning: ${warning}`);

await mkdir(target, { recursive: true });
await Promise.all([...built].map(([name, text]) => writeFile(join(target, name), text)));

const licences = await Promise.all(BUNDLED.map(licence));
await writeFile(join(target, "THIRD-PARTY-LICENSES.txt"), licences.join(`\n${"-".repeat(80)}\n\n`));
