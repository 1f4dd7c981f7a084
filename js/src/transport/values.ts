// Values beside the log that are too long for one frame come in parts.

import { dataOf, type Frame } from "../protocol/frames.ts";

export class Values {
  readonly #parts = new Map<string, Map<number, string>>();

  /**
   * The frame; of a `blob` that comes in parts, one with its value once all are here. They may come more than once, for other
   * pages on the same comm ask, too.
   */
  whole(frame: Frame): Frame | null {
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
