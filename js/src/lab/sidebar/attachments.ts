// Cells that go with a question. The protocol knows only text, so they are part of it, in a form that is plain to the
// agent and can be told apart again from what the person wrote.

import type { ICellModel, ICodeCellModel } from "@jupyterlab/cells";
import { PathExt } from "@jupyterlab/coreutils";
import { stripAnsi } from "../../format.ts";
import type { Translation } from "../../translation.ts";

/** Longer sources and outputs are cut to so many UTF-16 units: the beginning and the end stay. */
export const MAX_SOURCE = 20_000;
/** The limit for a cell's outputs, in UTF-16 units. */
export const MAX_OUTPUT = 4000;
/** So much is left of data that a page would draw, such as a plot's. */
const MAX_DATA = 2000;

/** A plain text that only names what the other types show, as in `<IPython.core.display.HTML object>`. */
const NAMES_ONLY = /^<[\w.]+ (?:\d+ )?object(?: at \w+)?>/;

/** A cell, as it was when it was attached. */
export interface Attachment {
  /** Its notebook: "energy.ipynb". */
  file: string;
  /** The number beside it, empty if it was not run. */
  number: string;
  language: string;
  source: string;
  /** What it gave, as text; empty if nothing. */
  output: string;
  /** Where it is, so that it can be marked; not known of what was read from a question. */
  place?: Place;
}

interface Place {
  /** Tells where the notebook is, also after it was renamed. */
  notebook: { readonly path: string };
  cell: string;
}

/** A question, taken apart. */
export interface Question {
  text: string;
  attached: Attachment[];
}

const ATTACHED =
  /^Cell (?:\[(\d+)\] )?of (.+):\n(`{3,})([^\n]*)\n([\s\S]*?)\n\3(?:\nIts output:\n(`{3,})text\n([\s\S]*?)\n\6)?(?=\n\n|$)/;

/** What a cell is called on the page. */
export function nameOf({ file, number }: Attachment, trans: Translation): string {
  return number ? trans.__("Cell [%1] of %2", number, file) : trans.__("Cell of %1", file);
}

/** `attachments` with one more; the same cell, attached before, makes room for it. */
export function withOneMore(attachments: readonly Attachment[], more: Attachment): Attachment[] {
  const { place } = more;
  const isOther = ({ place: other }: Attachment): boolean =>
    other === undefined || other.cell !== place?.cell || other.notebook.path !== place.notebook.path;
  return [...attachments.filter(isOther), more];
}

/** The message that asks `text` about what is attached. */
export function compose(text: string, attachments: readonly Attachment[]): string {
  return [text, ...attachments.map(inWords)].join("\n\n");
}

/** What `compose` put together. */
export function takeApart(message: string): Question {
  const attached: Question["attached"] = [];
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

/** For the agent, and so in English whatever the page's language is. */
function inWords({ file, number, language, source, output }: Attachment): string {
  const result = output ? `\nIts output:\n${fenced(output, "text")}` : "";
  return `Cell ${number && `[${number}] `}of ${file}:\n${fenced(source, language)}${result}`;
}

/** `text` between fences that it does not contain itself. */
function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`{3,}/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

/** The cell as something to attach. */
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
  const said = joined(data["text/markdown"]) || (NAMES_ONLY.test(plain) ? "" : plain);
  if (said) return said;
  const others = Object.entries(data).filter(([type]) => type !== "text/plain" && !type.startsWith("image/"));
  const words = others.map(([type, value]) => valueInWords(type, value) || `(an output, ${type})`);
  return words.join("\n") || plain;
}

function valueInWords(type: string, value: unknown): string {
  if (type === "text/html") return textOfHtml(joined(value));
  return cut(typeof value === "object" && !Array.isArray(value) ? JSON.stringify(value) : joined(value), MAX_DATA);
}

/** What is read of a page. Nothing of it is loaded or run. */
function textOfHtml(html: string): string {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  for (const unread of body.querySelectorAll("script, style")) unread.remove();
  for (const cell of body.querySelectorAll("td, th")) cell.append("\t");
  for (const block of body.querySelectorAll("br, div, h1, h2, h3, h4, h5, h6, li, p, tr")) block.after("\n");
  return (body.textContent ?? "").replace(/\s*\n\s*/g, "\n").trim();
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
