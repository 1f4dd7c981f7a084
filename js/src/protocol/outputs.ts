// The outputs of a step in order, in the formats of both protocol versions. The same as reasoning_widget/outputs.py.

import type { ReasoningStep } from "./messages.ts";

/** One output in one or several formats: values by MIME type. */
export type MimeBundle = Record<string, unknown>;

/** The MIME type of plain text. */
export const PLAIN = "text/plain";

/** The keys of the second and further pictures in version 1. */
const FURTHER = /^(image\/[^;]+);n=(\d+)$/;

/** Whether an output consists of plain text only. */
export function isPrinted(bundle: MimeBundle): boolean {
  return PLAIN in bundle && Object.keys(bundle).length === 1;
}

/** Whether the text of an output only names the object that its other formats show. */
export function onlyNamesObject({ [PLAIN]: text, ...others }: MimeBundle): boolean {
  return typeof text === "string" && Object.keys(others).length > 0 && /^\s*<[^<>\n]*>\s*$/.test(text);
}

/** The outputs of a step, not to be modified. */
export function outputsOf(step: Pick<ReasoningStep, "outputs" | "output">): MimeBundle[] {
  if (step.outputs !== undefined) return Array.isArray(step.outputs) ? step.outputs.filter(isBundle) : [];
  return isBundle(step.output) ? fromVersion1(step.output) : [];
}

/** A copy of a step in the format of version 2: with `outputs`, if there are any, instead of `output`. */
export function withOutputs(step: ReasoningStep): ReasoningStep {
  const { output, ...copy } = step;
  if (output === undefined || copy.outputs !== undefined) return copy;
  const outputs = outputsOf(step);
  if (copy.scaled === undefined) return { ...copy, outputs };
  const scaled = Object.entries(copy.scaled).map(([key, size]) => [indexIn(outputs, output, key), size]);
  return { ...copy, outputs, scaled: Object.fromEntries(scaled) };
}

/** The index of the output that contains what version 1 stored under `key`. */
function indexIn(outputs: MimeBundle[], output: MimeBundle, key: string): string {
  const entry = outputs.findIndex((bundle) => key in output && Object.values(bundle).includes(output[key]));
  return entry < 0 ? key : String(entry);
}

/** Convert an output of version 1: a single bundle, in which only further pictures are outputs of their own. */
function fromVersion1(output: MimeBundle): MimeBundle[] {
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
