// JupyterLab for development: whenever a file in `src` is saved, the widget and the lab extension are rebuilt, and the
// open pages are reloaded. Started by `make dev`; the arguments are JupyterLab's.
import { spawn } from "node:child_process";
import { utimesSync, watch } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { context } from "esbuild";
import { bundles, root, statics } from "./bundles.mjs";

const labExtension = join(root, "../reasoning_widget/labextension");
/** The time without writes after which a build counts as complete, in ms. */
const QUIET = 500;

// Pages keep a connection to this server open and reload when it sends a message. `lab.cjs` bundles the listener.
const pages = new Set();
const bell = createServer((_request, response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Access-Control-Allow-Origin": "*" });
  response.flushHeaders();
  pages.add(response);
  response.on("close", () => pages.delete(response));
});
await new Promise((resolve) => bell.listen(0, "127.0.0.1", resolve));

const environment = { ...process.env, REASONING_WIDGET_DEV: "1", REASONING_WIDGET_BELL: String(bell.address().port) };
const children = new Set();
function run(command, args, cwd) {
  // Each in a separate process group, so that its children end with it.
  const stdio = ["ignore", "inherit", "inherit"];
  const child = spawn(command, args, { cwd, env: environment, stdio, detached: true });
  children.add(child);
  child.on("exit", (code) => {
    children.delete(child);
    end(code ?? 1);
    if (children.size === 0) process.exit();
  });
}
let ended = false;
function end(code) {
  if (ended) return;
  ended = true;
  for (const child of children) process.kill(-child.pid, "SIGTERM");
  process.exitCode = code;
  // These builds are for development only: `make` rebuilds them before they are used for anything else.
  for (const file of [join(statics, "widget.js"), join(labExtension, "package.json")]) utimesSync(file, 0, 0);
}
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => end(0));

const widget = await context({ ...bundles, outdir: statics, sourcemap: "inline", logLevel: "info" });
await widget.watch();
run("jupyter-builder", ["watch", "."], root);

let timer;
const written = () => {
  clearTimeout(timer);
  timer = setTimeout(() => {
    console.log(`Built. ${pages.size} page(s) reload.`);
    for (const page of pages) page.write("data: reload\n\n");
  }, QUIET);
};
for (const folder of [statics, join(labExtension, "static")]) watch(folder, written);

run("jupyter", ["lab", "--expose-app-in-browser", ...process.argv.slice(2)], join(root, ".."));
