// Size budgets of the built files. The build warns if one is exceeded: a person decides whether it is worth it.
import { gzipSync } from "node:zlib";

/**
 * @typedef {object} Budget
 * @property {string} name The subject of the warning, which begins the sentence.
 * @property {string[]} files The files whose sizes are added.
 * @property {number} bytes
 * @property {boolean} [gzipped] Whether the sizes are of the compressed files.
 */

/** @type {Budget[]} */
export const BUDGETS = [
  { name: "The core that a page loads", files: ["widget.js", "widget.css"], bytes: 100_000, gzipped: true },
  { name: "The loader, saved with each chat of a notebook", files: ["loader.js"], bytes: 2_000 },
  { name: "The module of a run, saved with each answer of a notebook", files: ["run.js"], bytes: 1_500 },
];

/**
 * One sentence for each budget that the built files exceed.
 * @param {Map<string, string>} built The text of each file, by name.
 * @param {Budget[]} [budgets]
 * @returns {string[]}
 */
export function sizeWarnings(built, budgets = BUDGETS) {
  return budgets.flatMap(({ name, files, bytes, gzipped = false }) => {
    const content = Buffer.from(files.map((file) => built.get(file) ?? "").join(""));
    const size = (gzipped ? gzipSync(content) : content).length;
    if (size <= bytes) return [];
    const unit = gzipped ? "bytes compressed" : "bytes";
    return [`${name} (${files.join(", ")}) has ${size} ${unit}; its budget is ${bytes}.`];
  });
}
