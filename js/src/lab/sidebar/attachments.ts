// Cells that go with a question. The protocol knows only text, so they are part of it, in a form that is plain to the
// agent and can be told apart again from what the person wrote.

import type { ICellModel, ICodeCellModel } from "@jupyterlab/cells";
import { stripAnsi } from "../../view/format.ts";

/** Longer sources and outputs are cut to so many UTF-16 units: the beginning and the end stay. */
export const MAX_SOURCE = 20_000;
export const MAX_OUTPUT = 4000;

/** A cell, as it was when it was attached. */
export interface Attachment {
  /** What it is called: "Cell [3] of energy.ipynb". */
  name: string;
  language: string;
  source: string;
  /** What it gave, as text; empty if nothing. */
  output: string;
  /** Where it is, so that it can be marked. */
  path: string;
  cell: string;
}

/** A question, taken apart. */
export interface Question {
  text: string;
  attached: { name: string; content: string }[];
}

const OUTPUT = "Its output:";
const ATTACHED = /^(Cell .+):\n(`{3,})[^\n]*\n[\s\S]*?\n\2(?:\nIts output:\n(`{3,})[^\n]*\n[\s\S]*?\n\3)?(?=\n\n|$)/;

/** The message that asks `text` about what is attached. */
export function compose(text: string, attachments: readonly Attachment[]): string {
  return [text, ...attachments.map(inWords)].join("\n\n");
}

/** What `compose` put together. */
export function takeApart(message: string): Question {
  const attached: Question["attached"] = [];
  const first = message.search(/\n\nCell [^\n]+:\n```/);
  let rest = first < 0 ? "" : message.slice(first + 2);
  while (rest) {
    const [whole, name = ""] = ATTACHED.exec(rest) ?? [];
    if (whole === undefined) return { text: message, attached: [] };
    attached.push({ name, content: whole.slice(name.length + 2) });
    rest = rest.slice(whole.length).replace(/^\n\n/, "");
  }
  return { text: first < 0 ? message : message.slice(0, first), attached };
}

function inWords({ name, language, source, output }: Attachment): string {
  const result = output ? `\n${OUTPUT}\n${fenced(output, "text")}` : "";
  return `${name}:\n${fenced(source, language)}${result}`;
}

/** `text` between fences that it does not contain itself. */
function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`{3,}/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

/** The cell as something to attach. */
export function attachmentOf(model: ICellModel, path: string, language: string): Attachment {
  const code = model.type === "code" ? (model as ICodeCellModel) : null;
  const number = code?.executionCount;
  const file = path.split("/").at(-1) ?? path;
  return {
    name: `Cell ${number ? `[${number}] ` : ""}of ${file}`,
    language: code ? language : model.type === "markdown" ? "markdown" : "text",
    source: cut(model.sharedModel.getSource(), MAX_SOURCE),
    output: code ? cut(outputsInWords(code), MAX_OUTPUT) : "",
    path,
    cell: model.sharedModel.getId(),
  };
}

function outputsInWords(model: ICodeCellModel): string {
  return stripAnsi(model.outputs.toJSON().map(outputInWords).filter(Boolean).join("\n")).trimEnd();
}

interface Output {
  output_type: string;
  text?: string | string[];
  data?: Record<string, unknown>;
  ename?: string;
  evalue?: string;
  traceback?: string[];
}

function outputInWords(value: unknown): string {
  const output = value as Output;
  if (output.output_type === "stream") return joined(output.text).trimEnd();
  if (output.output_type === "error") {
    return output.traceback?.length ? output.traceback.join("\n") : `${output.ename}: ${output.evalue}`;
  }
  const text = output.data?.["text/markdown"] ?? output.data?.["text/plain"];
  const other = Object.keys(output.data ?? {}).filter((type) => type.startsWith("image/"));
  return [joined(text), ...other.map((type) => `(a picture, ${type})`)].filter(Boolean).join("\n");
}

function joined(text: unknown): string {
  return Array.isArray(text) ? text.join("") : typeof text === "string" ? text : "";
}

/** `text` with its middle left out if it is longer than `most`. An error is told at its end, a table at its beginning. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const head = text.slice(0, most / 2);
  const tail = text.slice(-most / 2);
  return `${head}\n… ${text.length - most} characters left out …\n${tail}`;
}
