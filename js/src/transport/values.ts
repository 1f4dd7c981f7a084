// Values stored beside the log arrive in parts if they are too long for one frame.

import { dataOf, type Frame } from "../protocol/frames.ts";

/** Joins the parts of values. */
export class PartialValues {
  readonly #parts = new Map<string, Map<number, string>>();

  /**
   * Returns the frame itself, unless it is a part of a `blob`: then null, or with the last part a frame with the whole value.
   * Parts may arrive repeatedly, because other pages on the same comm request them too.
   */
  join(frame: Frame): Frame | null {
    const { blob, part, text = "" } = dataOf(frame, "blob") ?? {};
    if (blob === undefined || part === undefined) return frame;
    const parts = this.#parts.get(blob) ?? new Map();
    this.#parts.set(blob, parts.set(part.index, text));
    if (parts.size < part.count) return null;
    this.#parts.delete(blob);
    const json = Array.from({ length: part.count }, (_, index) => parts.get(index)).join("");
    return { type: "blob", data: { blob, value: JSON.parse(json) } };
  }
}
