// What a step shows, in order, whichever version of the protocol it is of. The same as reasoning_widget/outputs.py.

import type { ReasoningStep } from "./messages.ts";

/** One output, in one form or several: values by their MIME type. */
export type MimeBundle = Record<string, unknown>;

/** The MIME type of plain text. */
export const PLAIN = "text/plain";

/** How version 1 named further pictures. */
const FURTHER = /^(image\/[^;]+);n=(\d+)$/;

/** Whether an output is nothing but text. */
export function isPrinted(bundle: MimeBundle): boolean {
  return PLAIN in bundle && Object.keys(bundle).length === 1;
}

/** Whether the text of an output says no more than which object its other forms show. */
export function standsForOthers({ [PLAIN]: text, ...others }: MimeBundle): boolean {
  return typeof text === "string" && Object.keys(others).length > 0 && /^\s*<[^<>\n]*>\s*$/.test(text);
}

/** What a step shows. Only to be read. */
export function outputsOf(step: Pick<ReasoningStep, "outputs" | "output">): MimeBundle[] {
  if (step.outputs !== undefined) return Array.isArray(step.outputs) ? step.outputs.filter(isBundle) : [];
  return isBundle(step.output) ? ofVersion1(step.output) : [];
}

/** A copy of a step that has `outputs`, if it shows anything, and no `output`. */
export function withOutputs(step: ReasoningStep): ReasoningStep {
  const { output, ...copy } = step;
  if (output === undefined || copy.outputs !== undefined) return copy;
  const outputs = outputsOf(step);
  if (copy.scaled === undefined) return { ...copy, outputs };
  const scaled = Object.entries(copy.scaled).map(([key, size]) => [placeOf(outputs, output, key), size]);
  return { ...copy, outputs, scaled: Object.fromEntries(scaled) };
}

/** Which of the outputs has what version 1 had under `key`. */
function placeOf(outputs: MimeBundle[], output: MimeBundle, key: string): string {
  const entry = outputs.findIndex((bundle) => key in output && Object.values(bundle).includes(output[key]));
  return entry < 0 ? key : String(entry);
}

/** All of it is one output, but for further pictures. */
function ofVersion1(output: MimeBundle): MimeBundle[] {
  const entries = Object.entries(output);
  const first = Object.fromEntries(entries.filter(([key]) => !FURTHER.test(key)));
  const further = entries.flatMap(([key, value]) => {
    const [, type = "", number] = FURTHER.exec(key) ?? [];
    return number === undefined ? [] : [{ number: Number(number), bundle: { [type]: value } }];
  });
  further.sort((one, other) => one.number - other.number);
  return [...(Object.keys(first).length > 0 ? [first] : []), ...further.map(({ bundle }) => bundle)];
}

function isBundle(value: unknown): value is MimeBundle {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
