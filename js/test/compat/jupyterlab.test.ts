import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, it } from "vitest";
import { CELL, OUTPUT_AREA, RENDERED_HTML, STATUS_TEXT } from "../../src/compat/jupyterlab-classes.ts";

const require = createRequire(import.meta.url);
const source = (module: string): string => readFileSync(require.resolve(module), "utf8");

it.each([
  [OUTPUT_AREA, "@jupyterlab/outputarea/lib/widget.js"],
  [CELL, "@jupyterlab/cells/lib/widget.js"],
  [RENDERED_HTML, "@jupyterlab/rendermime/lib/widgets.js"],
  [STATUS_TEXT, "@jupyterlab/statusbar/style/base.css"],
])("JupyterLab has the class %s in %s", (name, module) => {
  expect(source(module)).toMatch(new RegExp(`\\b${name}\\b`));
});

it("JupyterLab collects the headings of a cell through a method of its prototype", () => {
  const code = source("@jupyterlab/cells/lib/widget.js");
  const classes = code.split(/^(?=(?:export )?class )/m);
  expect(classes.find((each) => /^export class CodeCell\b/.test(each))).toMatch(/\bgetHeadings\(\)/);
});
