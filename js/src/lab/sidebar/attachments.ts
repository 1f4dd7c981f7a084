// Cells that are attached to a prompt. They become part of its text, in a form that agents understand and that can be parsed
// again to separate them from what the person wrote.

import type { ICellModel, ICodeCellModel } from "@jupyterlab/cells";
import { PathExt } from "@jupyterlab/coreutils";
import { stripAnsi } from "../../format.ts";
import type { Translation } from "../../translation.ts";

/** The limit for a cell's source, in UTF-16 units. The middle of longer ones is left out. */
export const MAX_SOURCE = 20_000;
/** The limit for a cell's outputs, in UTF-16 units. */
export const MAX_OUTPUT = 4000;
/** The limit for data that is not text, such as a plot's, in UTF-16 units. */
const MAX_DATA = 2000;

/** A plain text that only names an object, as in `<IPython.core.display.HTML object>`. */
const NAMES_ONLY = /^<[\w.]+ (?:\d+ )?object(?: at \w+)?>/;

/** An attached cell, in its state when it was attached. */
export interface Attachment {
  /** The file name of its notebook: "energy.ipynb". */
  file: string;
  /** Its execution count; empty if it was not run. */
  number: string;
  language: string;
  source: string;
  /** Its outputs as text; may be empty. */
  output: string;
  /** Its place in a notebook, where it can be marked; unknown if it was parsed from a prompt. */
  place?: Place;
}

interface Place {
  /** Has the current path of the notebook, also after it was renamed. */
  notebook: { readonly path: string };
  cell: string;
}

/** The text of a prompt and its attached cells. */
export interface Prompt {
  text: string;
  attached: Attachment[];
}

const ATTACHED =
  /^Cell (?:\[(\d+)\] )?of (.+):\n(`{3,})([^\n]*)\n([\s\S]*?)\n\3(?:\nIts output:\n(`{3,})text\n([\s\S]*?)\n\6)?(?=\n\n|$)/;

/** The name of a cell, as it is shown. */
export function nameOf({ file, number }: Attachment, trans: Translation): string {
  return number ? trans.__("Cell [%1] of %2", number, file) : trans.__("Cell of %1", file);
}

/** `attachments` with `added`, which replaces an earlier attachment of the same cell. */
export function withAttachment(attachments: readonly Attachment[], added: Attachment): Attachment[] {
  const { place } = added;
  const isOther = ({ place: other }: Attachment): boolean =>
    other === undefined || other.cell !== place?.cell || other.notebook.path !== place.notebook.path;
  return [...attachments.filter(isOther), added];
}

/** The message for a prompt with attached cells. */
export function compose(text: string, attachments: readonly Attachment[]): string {
  return [text, ...attachments.map(inWords)].join("\n\n");
}

/** Split a message that `compose` has made into text and cells. */
export function parsePrompt(message: string): Prompt {
  const attached: Prompt["attached"] = [];
  const first = message.search(/\n\nCell [^\n]*of [^\n]+:\n```/);
  let rest = first < 0 ? "" : message.slice(first + 2);
  while (rest) {
    const [whole, number = "", file = "", , language = "", source = "", , output = ""] = ATTACHED.exec(rest) ?? [];
    if (whole === undefined) return { text: message, attached: [] };
    attached.push({ file, number, language, source, output });
    rest = rest.slice(whole.length).replace(/^\n\n/, "");
  }
  return { text: first < 0 ? message : message.slice(0, first), attached };
}

/** The text of a cell for the agent, in English whatever the page's language is. */
function inWords({ file, number, language, source, output }: Attachment): string {
  const result = output ? `\nIts output:\n${fenced(output, "text")}` : "";
  return `Cell ${number && `[${number}] `}of ${file}:\n${fenced(source, language)}${result}`;
}

/** `text` between fences that are longer than those in it. */
function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`{3,}/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

/** Make an attachment of a cell. */
export function attachmentOf(model: ICellModel, notebook: Place["notebook"], language: string): Attachment {
  const code = model.type === "code" ? (model as ICodeCellModel) : null;
  return {
    file: PathExt.basename(notebook.path),
    number: String(code?.executionCount ?? ""),
    language: code ? language : model.type === "markdown" ? "markdown" : "text",
    source: cut(model.sharedModel.getSource(), MAX_SOURCE),
    output: code ? cut(outputsInWords(code), MAX_OUTPUT) : "",
    place: { notebook, cell: model.sharedModel.getId() },
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
  const data = output.data ?? {};
  const pictures = Object.keys(data).filter((type) => type.startsWith("image/"));
  return [dataInWords(data), ...pictures.map((type) => `(a picture, ${type})`)].filter(Boolean).join("\n");
}

function dataInWords(data: Record<string, unknown>): string {
  const plain = joined(data["text/plain"]);
  const text = joined(data["text/markdown"]) || (NAMES_ONLY.test(plain) ? "" : plain);
  if (text) return text;
  const others = Object.entries(data).filter(([type]) => type !== "text/plain" && !type.startsWith("image/"));
  const words = others.map(([type, value]) => valueInWords(type, value) || `(an output, ${type})`);
  return words.join("\n") || plain;
}

function valueInWords(type: string, value: unknown): string {
  if (type === "text/html") return textOfHtml(joined(value));
  return cut(typeof value === "object" && !Array.isArray(value) ? JSON.stringify(value) : joined(value), MAX_DATA);
}

/** The visible text of an HTML document. Nothing in it is loaded or run. */
function textOfHtml(html: string): string {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  for (const invisible of body.querySelectorAll("script, style")) invisible.remove();
  for (const cell of body.querySelectorAll("td, th")) cell.append("\t");
  for (const block of body.querySelectorAll("br, div, h1, h2, h3, h4, h5, h6, li, p, tr")) block.after("\n");
  return (body.textContent ?? "").replace(/\s*\n\s*/g, "\n").trim();
}

function joined(text: unknown): string {
  return Array.isArray(text) ? text.join("") : typeof text === "string" ? text : "";
}

/** Leave out the middle of `text` if it is longer than `limit`: errors are explained at the end, tables at the beginning. */
export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const head = text.slice(0, limit / 2);
  const tail = text.slice(-limit / 2);
  return `${head}\n… ${text.length - limit} characters left out …\n${tail}`;
}
