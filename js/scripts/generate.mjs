// Write src/protocol/messages.ts from the Python definition of the protocol.
//
//   node scripts/generate.mjs            write the file
//   node scripts/generate.mjs --check    change nothing; fail if the file is stale
//   node scripts/generate.mjs --print    write to standard output instead
//
// The JSON Schema is read from standard input if something is piped into it, otherwise from the `python` on the PATH
// (or $PYTHON), which must be able to import reasoning_widget.
import { execFileSync } from "node:child_process";
import { fstatSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compile } from "json-schema-to-typescript";

const TARGET = fileURLToPath(new URL("../src/protocol/messages.ts", import.meta.url));
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const BANNER = `// Generated from reasoning_widget/protocol.py by \`npm run generate\`: do not edit.
`;
const PYTHON =
  "import json; from reasoning_widget.protocol_schema import json_schema; print(json.dumps(json_schema()))";

function readSchema() {
  const input = fstatSync(0);
  if (input.isFIFO() || input.isFile()) {
    const text = readFileSync(0, "utf8");
    if (text.trim()) return JSON.parse(text);
  }
  const python = process.env.PYTHON ?? "python";
  return JSON.parse(execFileSync(python, ["-c", PYTHON], { cwd: REPOSITORY, encoding: "utf8" }));
}

/** Allow any content in objects without declared properties; remove the indentation of docstrings from descriptions. */
function prepared(node) {
  if (Array.isArray(node)) return node.map(prepared);
  if (node === null || typeof node !== "object") return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, prepared(value)]));
  if (copy.type === "object") copy.additionalProperties ??= copy.properties === undefined;
  if (typeof copy.description === "string") copy.description = copy.description.replace(/\n +/g, "\n").trim();
  return copy;
}

/** The tables of messages and the limits as TypeScript. */
function tables(schema) {
  const contents = (table) => Object.entries(table).map(([type, { content }]) => `  ${type}: ${content};`);
  const events = Object.keys(schema.serverMessages).filter((type) => schema.serverMessages[type].isEvent);
  return [
    "/** The payload of each message that a client may send. */",
    `export interface ClientPayloads {\n${contents(schema.clientMessages).join("\n")}\n}\n`,
    "/** The data of each message that a server sends, or a kernel in its place. */",
    `export interface ServerData {\n${contents(schema.serverMessages).join("\n")}\n}\n`,
    "/** The messages that are logged, and so have a `seq`. */",
    `export const EVENT_TYPES = [\n${events.map((type) => `  "${type}",`).join("\n")}\n] as const;\n`,
    ...Object.entries(schema.limits).map(([name, value]) =>
      typeof value === "number"
        ? `export const ${name} = ${value};`
        : `export const ${name}: readonly string[] = [${value.map((each) => JSON.stringify(each)).join(", ")}];`,
    ),
  ].join("\n");
}

async function generate() {
  const schema = readSchema();
  const root = { $defs: prepared(schema.$defs), title: "Unused", type: "object", additionalProperties: false };
  const source = await compile(root, "Unused", {
    bannerComment: BANNER,
    format: true,
    style: { printWidth: 120 },
    unreachableDefinitions: true,
  });
  const types = source
    .replace(/export interface Unused \{\}\n/, "")
    .replace(/ *\* This interface was referenced by [^\n]*\n *\* via the `definition` [^\n]*\n/g, "")
    .replace(/\n \*\n \*\/\n/g, "\n */\n");
  return `${types.trimEnd()}\n\n${tables(schema)}\n`;
}

const source = await generate();
if (process.argv.includes("--print")) {
  process.stdout.write(source);
} else if (process.argv.includes("--check")) {
  if (source !== readFileSync(TARGET, "utf8")) {
    console.error("js/src/protocol/messages.ts is stale: run `npm run generate` in js/");
    process.exitCode = 1;
  }
} else {
  writeFileSync(TARGET, source);
}
