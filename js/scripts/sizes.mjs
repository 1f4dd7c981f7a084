// How large the built files should be. Exceeding a budget is a warning of the build: someone decides whether it is worth it.
import { gzipSync } from "node:zlib";

/**
 * @typedef {object} Budget
 * @property {string} name What is limited, at the start of a sentence.
 * @property {string[]} files The files that are counted together.
 * @property {number} bytes
 * @property {boolean} [gzipped] Whether the files are compressed before they are counted.
 */

/** @type {Budget[]} */
export const BUDGETS = [
  { name: "The core that a page loads", files: ["widget.js", "widget.css"], bytes: 100_000, gzipped: true },
  { name: "The loader, saved with each chat of a notebook", files: ["loader.js"], bytes: 2_000 },
  { name: "The module of a run, saved with each answer of a notebook", files: ["run.js"], bytes: 1_500 },
];

/**
 * The budgets that the built files exceed, as a sentence each.
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
